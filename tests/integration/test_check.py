"""`tiffin check` on the example services: what it prints, and the files that it writes."""

import json
import xml.etree.ElementTree as xml

import pytest
import yaml

import harness

SVG = "{http://www.w3.org/2000/svg}"


def check(file, *args, **kwargs):
    return harness.run(harness.TIFFIN, "check", file, "--store", harness.MODELS, *args, **kwargs)


def test_it_prints_the_plan_and_the_resources():
    checked = check(harness.DIGITS_SERVICE)
    assert checked.returncode == 0, checked.stderr
    for word in ("in parallel", "model_a(features)", "compare(a, b)", "thread", "core"):
        assert word in checked.stdout


def test_json_says_what_could_not_be_written(folder):
    (folder / "file").write_text("")
    checked = check(harness.DIGITS_SERVICE, "--json", "--proto", folder / "file")
    assert checked.returncode == 1
    said = json.loads(checked.stdout)
    assert said["ok"] is False
    assert "can't write" in said["errors"][0]["message"]


def test_it_says_when_there_are_more_threads_than_cores(folder):
    service = folder / "service.yaml"
    service.write_text("""
service: crowd
runners:
  crowd: {backend: testing, options: {behavior: identity}, replicas: 3, resources: {cpu: 999}}
apis:
  go:
    input: {x: "fp32[-1]"}
    steps: {y: crowd(x)}
    output: {y: y}
""")
    checked = check(service)
    assert checked.returncode == 0, checked.stderr
    assert "2997 threads in all, more than the cores: they take turns" in checked.stdout
    assert "crowd.crowd  testing  3         999      999  cpu     resources.cpu; replicas" in (
        checked.stdout)


def test_kubernetes_prints_what_each_container_needs():
    checked = check(harness.DIGITS_SERVICE, harness.SENTIMENT_SERVICE, "--kubernetes", "--cpus", 3)
    assert checked.returncode == 0, checked.stderr
    containers = yaml.safe_load(checked.stdout)
    assert [container["name"] for container in containers] == [
        "gateway", "inference-graph-demo-preprocess", "inference-graph-demo-model-a",
        "inference-graph-demo-model-b", "sentiment-analysis-ocr", "sentiment-analysis-sentiment"]
    by_name = {container["name"]: container for container in containers}
    assert by_name["inference-graph-demo-model-b"]["resources"]["requests"]["cpu"] == "1"
    assert by_name["sentiment-analysis-ocr"]["resources"]["requests"]["cpu"] == "500m"

    def memory(name):
        return int(by_name[name]["resources"]["limits"]["memory"].removesuffix("Mi"))

    # A transformer takes more than a small network on the same engine.
    assert memory("sentiment-analysis-sentiment") > memory("inference-graph-demo-model-b")


def titles(picture, kind):
    """What Graphviz calls the nodes, or the arrows, of a picture."""
    groups = xml.parse(picture).getroot().iter(f"{SVG}g")
    return sorted(group.find(f"{SVG}title").text for group in groups if group.get("class") == kind)


def test_graph_draws_each_api(folder):
    checked = check(harness.DIGITS_SERVICE, "--graph", folder / "graphs")
    assert checked.returncode == 0, checked.stderr
    assert [path.name for path in (folder / "graphs").iterdir()] == [
        "inference_graph_demo.predict.svg"]
    picture = folder / "graphs/inference_graph_demo.predict.svg"
    assert titles(picture, "node") == [
        "input input_image", "output verdict", "step a", "step b", "step features", "step verdict"]
    assert titles(picture, "edge") == [
        "input input_image->step features", "step a->step verdict", "step b->step verdict",
        "step features->step a", "step features->step b", "step verdict->output verdict"]
    assert {"compare", "model_a", "fp32[64]"} <= {
        text.text for text in xml.parse(picture).iter(f"{SVG}text")}


def test_graph_without_graphviz_says_what_to_install(folder):
    checked = check(harness.DIGITS_SERVICE, "--graph", folder, env={"PATH": str(folder)})
    assert checked.returncode == 1
    assert "apt-get install graphviz" in checked.stderr


@pytest.mark.parametrize("flag", ["--graph", "--proto"])
def test_a_folder_that_can_not_be_written_is_named(flag, folder):
    (folder / "file").write_text("")
    checked = check(harness.DIGITS_SERVICE, flag, folder / "file" / "below")
    assert checked.returncode == 1
    assert str(folder / "file" / "below") in checked.stderr
