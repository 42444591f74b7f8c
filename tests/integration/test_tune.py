"""`tiffin tune`: measures the real workers, keeps what it chose, and the other commands use it."""

import json
import shutil

import pytest

import harness

# With 4 cores `slow` needs 4 replicas to keep up with one `fast`. Both sleep: what others do on the
# machine hardly matters.
SERVICE = """
service: pace
runners:
  slow: {backend: testing, options: {behavior: delay, ms: 40}}
  fast: {backend: testing, options: {behavior: delay, ms: 10}}
apis:
  go:
    input: {x: "fp32[-1]"}
    steps:
      once: slow(x)
      twice: fast(once)
    output: {y: twice}
"""

TEXT = """
service: words
runners:
  echo: {backend: testing, options: {behavior: identity, dtype: bytes, shape: []}}
"""


def run(command, folder, *args, service=SERVICE, cpus=4):
    file = folder / "service.yaml"
    file.write_text(service)
    # It measures for some seconds a runner, and on a busy machine loads models for longer.
    return harness.run(harness.TIFFIN, command, file, "--store", folder / "store", "--cpus", cpus,
                       *args, timeout=240 * harness.SLOWNESS)


@pytest.fixture(name="tuned", scope="module")
def fixture_tuned(module_folder):
    """A folder with the service and a tuned store, and what tuning printed."""
    made = run("tune", module_folder)
    assert made.returncode == 0, made.stderr
    return module_folder, made


def table_row(text, runner):
    return next(line.split() for line in text.splitlines() if line.split()[:1] == [runner])


def test_it_explains_itself(tuned):
    _, made = tuned
    for count in (1, 2, 3, 4):
        assert f"measuring pace.slow with {count} thread" in made.stderr
    assert "measured: pace" in made.stdout
    assert "predicted: pace.go, with 4 cores" in made.stdout
    assert "  chosen  fast 1x1, slow 4x1 " in made.stdout
    assert "zeros" in table_row(made.stdout, "slow")
    assert table_row(made.stdout, "pace.slow")[1:] == [
        "testing", "4", "1", "1", "cpu", "tiffin", "tune"]
    assert "kept in " in made.stdout


def test_check_uses_it_and_says_so(tuned):
    checked = run("check", tuned[0])
    assert checked.returncode == 0, checked.stderr
    assert table_row(checked.stdout, "pace.slow")[2:4] == ["4", "1"]
    assert table_row(checked.stdout, "pace.fast")[2:4] == ["1", "1"]
    assert "5 threads in all, more than the cores" in checked.stdout
    assert "tuned by 'tiffin tune' at 20" in checked.stdout


def test_serve_uses_it_and_says_so(tuned):
    with harness.Server(tuned[0] / "service.yaml", store=tuned[0] / "store",
                        args=["--cpus", "4"]) as server:
        assert len(server.workers("slow")) == 4
        assert len(server.workers("fast")) == 1
        server.wait_for_line("tuned by 'tiffin tune' at 20")


@pytest.mark.parametrize("old, new, changed", [
    ("ms: 40", "ms: 41", "services.pace.runners.slow.options.ms"),
    ("ms: 40}", "ms: 40}, replicas: 2", "services.pace.runners.slow.replicas"),
    ("fast(once)", "fast(x)", "services.pace.apis.go"),
])
def test_a_stale_one_is_not_used_and_that_is_said(tuned, folder, old, new, changed):
    shutil.copytree(tuned[0] / "store", folder / "store")
    service = SERVICE.replace(old, new).replace("{y: twice}", "{y: twice, z: once}")
    checked = run("check", folder, service=service)
    assert checked.returncode == 0, checked.stderr
    assert "is stale: since then this has changed: " + changed in checked.stdout
    assert "it is not used: run 'tiffin tune' again" in checked.stdout
    assert "even share of" in checked.stdout


def test_a_service_without_runners_has_nothing_to_measure(folder):
    service = """
service: plain
apis:
  go:
    input: {x: text}
    steps: {y: "format('{x}!', x=x)"}
    output: {y: y}
"""
    made = run("tune", folder, service=service)
    assert made.returncode == 0, made.stderr
    assert "plain has no runner to measure" in made.stdout
    checked = run("check", folder, service=service)
    assert checked.returncode == 0, checked.stderr
    assert "tuned by 'tiffin tune' at 20" in checked.stdout


def test_it_is_for_these_cores_only(tuned):
    checked = run("check", tuned[0], cpus=3)
    assert checked.returncode == 0, checked.stderr
    assert "tiffin tune" not in checked.stdout


def test_a_broken_one_is_said(tuned, folder):
    shutil.copytree(tuned[0] / "store", folder / "store")
    kept, = (folder / "store/.tuning").iterdir()
    kept.write_text("{")
    checked = run("check", folder)
    assert checked.returncode == 0, checked.stderr
    assert "can't be read: it is broken; it is not used" in checked.stdout


def test_the_store_has_no_model_more(tuned):
    listed = harness.run(harness.TIFFIN, "models", "list", "--store", tuned[0] / "store")
    assert listed.returncode == 0, listed.stderr
    assert "no models in" in listed.stdout


def test_what_the_file_says_is_left_alone(folder):
    service = SERVICE.replace("ms: 40}", "ms: 40}, replicas: 2, resources: {threads: 2}")
    made = run("tune", folder, service=service)
    assert made.returncode == 0, made.stderr
    assert "measuring pace.slow with 1 thread" not in made.stderr
    assert table_row(made.stdout, "pace.slow")[2:4] == ["2", "2"]
    assert "resources.threads; replicas" in made.stdout


def test_an_input_without_an_example_is_an_error_with_the_fix(folder):
    made = run("tune", folder, service=TEXT, cpus=1)
    assert made.returncode == 2
    for word in ("runner 'words.echo'", "no example of its input 'INPUT0'", "--example",
                 "RUNNER.INPUT0=", "tiffin models import --example"):
        assert word in made.stderr
    assert not (folder / "store/.tuning").exists()


def test_examples_are_given_by_hand(folder):
    (folder / "text").write_text("from a file")
    made = run("tune", folder, "--example", f"echo.INPUT0=@{folder}/text", service=TEXT, cpus=1)
    assert made.returncode == 0, made.stderr
    assert "--example" in table_row(made.stdout, "echo")
    made = run("tune", folder, "--example", "words.echo.INPUT0=hello", service=TEXT, cpus=1)
    assert made.returncode == 0, made.stderr


@pytest.mark.parametrize("example, error", [
    ("echo", "must be RUNNER.INPUT=VALUE"),
    ("echo=x", "must be RUNNER.INPUT=VALUE"),
    ("eco.INPUT0=x", "there is no runner 'eco' (have words.echo)"),
    ("echo.text=x", "there is no input 'text' of run (have INPUT0)"),
    ("echo.INPUT0=@/no/such/file", "'/no/such/file' can't be read"),
])
def test_wrong_examples_are_said(example, error, folder):
    made = run("tune", folder, "--example", example, service=TEXT, cpus=1)
    assert made.returncode == 2
    assert error in made.stderr


def test_all_that_is_wrong_in_a_file_is_said_before_anything_is_measured(folder):
    service = SERVICE.replace("ms: 40", "ms: x").replace("fast(", "quick(")
    made = run("tune", folder, service=service)
    assert made.returncode == 2
    assert "option 'ms'" in made.stderr and "quick" in made.stderr
    assert "measuring" not in made.stderr


def test_a_model_that_fails_on_its_example_is_named(folder):
    made = run("tune", folder, service=SERVICE.replace("delay, ms: 40", "fail, code: INTERNAL"))
    assert made.returncode == 2
    assert "runner 'pace.slow'" in made.stderr and "on the example" in made.stderr


def test_the_digits_are_tuned_on_their_models_examples(folder):
    for model in ("digits_xgboost", "digits_torch"):
        shutil.copytree(harness.MODELS / model, folder / "store" / model)
    made = run("tune", folder, service=harness.DIGITS_SERVICE.read_text(), cpus=2)
    assert made.returncode == 0, made.stderr
    assert table_row(made.stdout, "model_a")[-3:] == ["the", "model's", "example"]
    assert "a picture of one line of text" in made.stdout
    # As the file says.
    assert table_row(made.stdout, "inference_graph_demo.model_b")[2:4] == ["1", "1"]
    kept, = (folder / "store/.tuning").iterdir()
    assert kept.name == "inference_graph_demo@2.json"
    assert "model_a" in json.dumps(json.loads(kept.read_text())["subject"])
