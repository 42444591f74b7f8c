"""What deploy/README.md says of a service of one's own, step by step."""

import re
import shlex
import shutil
import subprocess
import textwrap

import kubernetes_validate
import pytest
import yaml

import harness
import kustomize
import policy
from manifests import (DEPLOY, KUBERNETES, OVERLAYS, VERSION, check_all_against_plan,
                       check_endpoints, gateway_of, load, plan, rendered)

README = (DEPLOY / "README.md").read_text(encoding="utf-8")
# What a user writes for a service whose own name, and its runners', are others.
OTHER_NAMES = {"digits-preprocess": "post-office-small-image",
               "digits-model": "post-office-read-digit",
               "value: preprocess}": "value: small_image}", "value: model}": "value: read_digit}",
               "- preprocess": "- small_image", "- model": "- read_digit",
               ": digits": ": post-office"}
OTHER_SERVICE = """\
service: post_office
runners:
  small_image: {backend: image, options: {color: gray, size: [8, 8], scale: 0.0625, layout: flat}}
  read_digit: {model: "digits_xgboost:latest", queue: {max: 10}}
apis:
  read:
    input: {image: image}
    steps: {small: small_image(image), scores: read_digit(small)}
    output: {scores: scores}
"""

both_kinds = pytest.mark.parametrize("kind", ["pod", "fleet"])


def blocks(language):
    """The README's, without the indentation of the list that they are in."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", README, flags=re.M | re.S)
    return [textwrap.dedent(text) for _, text in found]


def command(begin):
    lines = [line for text in blocks("sh") for line in text.splitlines() if line.startswith(begin)]
    assert lines, begin
    return shlex.split(lines[0], comments=True)


@pytest.fixture
def mine(tmp_path):
    """Makes the user's folder of a kind, in a clone."""
    def make(kind):
        shutil.copytree(KUBERNETES, tmp_path / "deploy/kubernetes")
        copy = [word.replace("own_pod", f"own_{kind}") for word in command("cp -r")]
        subprocess.run(copy, cwd=tmp_path, check=True)
        return tmp_path / "deploy/kubernetes/overlays/mine"
    return make


def expect_sound(objects, kind):
    for obj in objects:
        kubernetes_validate.validate(obj, "1.34", strict=True)
    assert policy.violations(objects, VERSION) == []
    check_endpoints(objects, kind)


def sorted_keys(obj):
    if isinstance(obj, dict):
        return {key: sorted_keys(obj[key]) for key in sorted(obj)}
    return [sorted_keys(item) for item in obj] if isinstance(obj, list) else obj


@both_kinds
def test_a_copy_is_sound_as_it_is(mine, kind):
    expect_sound(kustomize.render(mine(kind)), kind)


@both_kinds
@pytest.mark.skipif(shutil.which("kubectl") is None, reason="compares with kubectl's rendering")
def test_the_renderer_does_with_a_copy_what_kubectl_does(mine, kind):
    folder = mine(kind)
    printed = subprocess.run(["kubectl", "kustomize", folder], text=True, capture_output=True,
                             check=True).stdout
    assert sorted(map(str, map(sorted_keys, yaml.safe_load_all(printed)))) == sorted(
        map(str, map(sorted_keys, kustomize.render(folder))))


def test_check_prints_what_is_to_be_written(mine):
    folder = mine("pod")
    program, *arguments = command("tiffin check --kubernetes")
    assert program == "tiffin"
    store = arguments.index("--store") + 1
    arguments[store] = harness.MODELS
    ended = harness.run(harness.TIFFIN, *arguments, cwd=folder.parents[3])
    assert ended.returncode == 0, ended.stderr
    check_all_against_plan(kustomize.render(folder), {
        container["name"]: container for container in yaml.safe_load(ended.stdout)})


def test_the_container_in_the_readme_is_the_one_in_the_file():
    (shown,) = [text for text in blocks("yaml") if text.startswith("- <<: *worker")]
    written = (OVERLAYS["own_pod"] / "workers.yaml").read_text()
    assert textwrap.indent(shown, " " * 8) in written


@both_kinds
def test_another_service_takes_other_names_and_no_more(mine, kind):
    folder = mine(kind)
    if kind == "fleet":
        (folder / "preprocess").rename(folder / "small_image")
        (folder / "model").rename(folder / "read_digit")
    for file in folder.rglob("*.yaml"):
        text = file.read_text()
        for old, new in OTHER_NAMES.items():
            text = text.replace(old, new)
        file.write_text(text)
    (folder / "service.yaml").write_text(OTHER_SERVICE)
    objects = kustomize.render(folder)
    expect_sound(objects, kind)
    check_all_against_plan(objects, plan((folder / "service.yaml",), 2))
    rest = yaml.safe_dump_all(objects).replace("digits_xgboost", "")
    assert "digits" not in rest


def test_both_kinds_run_the_same_service():
    pod, fleet = (OVERLAYS[f"own_{kind}"] / "service.yaml" for kind in ("pod", "fleet"))
    assert pod.read_text() == fleet.read_text()


def test_in_a_pod_the_busiest_container_decides():
    for overlay in ("own_pod", "pod"):
        objects = rendered(overlay)
        scaler = next(obj for obj in objects if obj["kind"] == "HorizontalPodAutoscaler")
        assert {metric["containerResource"]["container"] for metric in scaler["spec"]["metrics"]
                } == {container["name"] for container in policy.serves(gateway_of(objects))}


@both_kinds
def test_an_installation_is_in_its_namespace_and_says_which_it_is(kind):
    for obj in rendered(f"own_{kind}"):
        assert obj["metadata"]["namespace"] == "digits"
        assert obj["metadata"]["labels"]["app.kubernetes.io/instance"] == "digits"
        if obj["kind"] == "Deployment":
            labels = obj["spec"]["template"]["metadata"]["labels"]
            assert labels["app.kubernetes.io/instance"] == "digits"


def test_images_arguments_and_monitoring_are_added_as_the_readme_does(mine):
    folder = mine("pod")
    (added,) = [yaml.safe_load(text) for text in blocks("yaml") if "components:" in text]
    recipe = load(folder / "kustomization.yaml")
    for key, items in added.items():
        recipe[key] = recipe.get(key, []) + items
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(recipe))
    objects = kustomize.render(folder)
    expect_sound(objects, "pod")
    pod = gateway_of(objects)
    assert pod["containers"][0]["args"][-1] == "--access-log"
    images = [container["image"].rpartition("/")[0] for container in policy.containers(pod)]
    assert images == ["registry.example.com"] * 2 + [""] + ["registry.example.com"]
    claim = next(obj["spec"] for obj in objects if obj["kind"] == "PersistentVolumeClaim")
    assert claim["storageClassName"] == "shared-files"
    network = next(obj["spec"] for obj in objects if obj["kind"] == "NetworkPolicy")
    assert network["ingress"][-1] == {
        "from": [{"namespaceSelector": {"matchLabels": {
            "kubernetes.io/metadata.name": "monitoring"}}}],
        "ports": [{"protocol": "TCP", "port": "http"}]}


def test_gateways_of_a_fleet_may_ask_pods_and_the_node_for_names():
    network = next(obj["spec"] for obj in rendered("own_fleet") if obj["kind"] == "NetworkPolicy"
                   and obj["metadata"]["name"] == "tiffin-gateway")
    of_port_53 = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    (rule,) = [rule for rule in network["egress"] if rule["ports"] == of_port_53]
    assert rule["to"] == [{"namespaceSelector": {}}, {"ipBlock": {"cidr": "169.254.0.0/16"}}]


GATEWAY_PATCH = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: tiffin-gateway}
spec:
  template:
    spec:
      containers:
        - name: gateway
          resources: %s
          env:
            - {name: MAX_MESSAGE, value: "%s"}
            - {name: IN_FLIGHT_LIMIT, value: "%s"}
            - {name: SEGMENT_LIMIT, value: "%s"}
"""


def test_another_largest_message_is_variables_and_memory(mine):
    folder = mine("fleet")
    planned = plan((folder / "service.yaml",), 2, "--max-message", "67108864")
    recipe = load(folder / "kustomization.yaml")
    gateway = planned["gateway"]
    recipe["patches"] = [
        {"patch": GATEWAY_PATCH % (gateway["resources"], *gateway["args"][1::2])}]
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(recipe))
    for runner in ("preprocess", "model"):
        wanted = planned[f"digits-{runner}"]
        patch = load(folder / runner / "runner.yaml")
        container = patch["spec"]["template"]["spec"]["containers"][0]
        container["resources"] = wanted["resources"]
        container["env"].append({"name": "SEGMENT_LIMIT", "value": wanted["args"][-1]})
        (folder / runner / "runner.yaml").write_text(yaml.safe_dump(patch))
    objects = kustomize.render(folder)
    expect_sound(objects, "fleet")
    check_all_against_plan(objects, planned)


def test_all_workers_of_a_fleet_are_given_an_argument_by_their_label(mine):
    folder = mine("fleet")
    selector = re.search(r"`target: (\{kind: Deployment, labelSelector:\s\S+\})`", README).group(1)
    recipe = load(folder / "kustomization.yaml")
    added = {"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "--x=y"}
    recipe["patches"] = [{"target": yaml.safe_load(selector), "patch": yaml.safe_dump([added])}]
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(recipe))
    with_it = [name for name, spec, _ in policy.pod_specs(kustomize.render(folder))
               if "--x=y" in spec["containers"][0]["args"]]
    assert sorted(with_it) == ["tiffin-worker-digits-model", "tiffin-worker-digits-preprocess"]
