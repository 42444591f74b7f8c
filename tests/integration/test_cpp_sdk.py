"""C++ by users, against an installed Tiffin: a backend, a plugin, and a gateway of one's own, each
built by CMake outside the tree and run with the real programs."""

import base64
import json
import os
import pathlib
import re
import shutil
import subprocess

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import harness
import made_service
from harness import ANSWER_S
from tritonclient.grpc import service_pb2

BUILD = harness.BIN.resolve().parent
FOLDER = BUILD / "sdk_test"
EXAMPLE = harness.ROOT / "deploy/examples/inference_graph_cpp"
PROJECTS = {"backend": harness.ROOT / "tests/sdk/backend",
            "plugin": harness.ROOT / "tests/sdk/plugin",
            "digits": EXAMPLE}

WARNINGS = "-Wall -Wextra -Wpedantic -Werror"
EXPECTED = json.loads((harness.MODELS / "digits_expected.json").read_text())["images"]

SERVICE = """
service: mine
runners: {times: {backend: mine, options: {factor: 3}}}
apis:
  sum:
    input: {x: "fp32[rows,3]"}
    steps: {y: times(x), all: total(y)}
    output: {all: all}
"""


def done(*command, **kwargs):
    made = harness.run(*command, timeout=300, **kwargs)
    assert made.returncode == 0, made.stdout + made.stderr


@pytest.fixture(scope="module")
def built():
    """Where each project's programs are."""
    prefix = FOLDER / "installed"
    shutil.rmtree(prefix / "include", ignore_errors=True)
    done("cmake", "--install", BUILD, "--prefix", prefix)
    folders = {}
    for name, source in PROJECTS.items():
        folders[name] = FOLDER / name
        launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
        done("cmake", "-G", "Ninja", "-S", source, "-B", folders[name], *launcher,
             f"-DCMAKE_PREFIX_PATH={prefix}", "-DCMAKE_BUILD_TYPE=Release",
             f"-DCMAKE_CXX_FLAGS={WARNINGS}")
        done("cmake", "--build", folders[name])
    folders["installed"] = prefix
    return folders


@pytest.fixture(scope="module")
def plugin(built):
    return built["plugin"] / "libplugin.so"


@pytest.fixture(scope="module")
def mine(built, plugin):
    with harness.Server(SERVICE, args=["--worker-dir", built["backend"], "--plugin", plugin,
                                       "--loops", "2"]) as server:
        yield server


@pytest.fixture(scope="module")
def digits(built):
    with harness.Server(EXAMPLE / "runners.yaml", program=built["digits"] / "digits",
                        args=["--worker-dir", built["installed"] / "bin", "--http-address",
                              "127.0.0.1:0"]) as server:
        yield server


def check(folder, text, *args, **env):
    file = folder / "service.yaml"
    file.write_text(text)
    return harness.run(harness.TIFFIN, "check", file, "--store", harness.MODELS, *args,
                       env={**os.environ, **env})


def test_what_is_installed_needs_nothing_of_the_tree(built):
    installed = built["installed"]
    programs = {path.name for path in (installed / "bin").iterdir()}
    assert {"tiffin", "tiffin-worker-image", "tiffin-worker-torch"} <= programs
    assert "tiffin-worker-testing" not in programs
    for header in (installed / "include").rglob("*.h"):
        assert '#include "common/' not in header.read_text(), header
    for file in (installed / "lib").rglob("*.cmake"):
        assert str(harness.ROOT / "common") not in file.read_text(), file
    made = harness.run(installed / "bin/tiffin", "check", harness.DIGITS_SERVICE, "--store",
                       harness.MODELS)
    assert made.returncode == 0, made.stderr


def test_one_target_builds_all_that_is_installed(built):
    target = "common/public/CMakeFiles/installable"
    inputs = harness.run("ninja", "-C", BUILD, "-t", "query", target).stdout.split()
    made = {pathlib.Path(line).name for line in inputs}
    there = {path.name for path in built["installed"].glob("*/*") if path.is_file()}
    assert {"tiffin", "tiffin-worker-python", "libtiffin_worker.a"} <= there <= made


# A backend.

def test_a_backend_is_found_by_the_environment_too(built, folder):
    made = check(folder, "service: s\nrunners: {x: {backend: mine}}\n",
                 TIFFIN_WORKER_PATH=f"/nowhere:{built['backend']}")
    assert made.returncode == 0, made.stderr
    assert "s.x     mine" in made.stdout


def test_a_backend_that_is_nowhere_is_an_error_that_says_where_it_was_looked_for(folder):
    made = check(folder, "service: s\nrunners: {x: {backend: mine}}\n", "--worker-dir", "/nowhere")
    assert made.returncode == 2
    assert f"no worker program tiffin-worker-mine in /nowhere, {BUILD}/bin" in made.stderr
    assert "--worker-dir" in made.stderr


def test_the_options_of_a_backend_are_checked_and_in_the_reference(built, folder):
    made = check(folder, "service: s\nrunners: {x: {backend: mine, options: {factor: many}}}\n",
                 "--worker-dir", built["backend"])
    assert made.returncode == 2
    assert "runner 'x'" in made.stderr and "factor" in made.stderr

    made = harness.run(harness.TIFFIN, "reference", "--worker-dir", built["backend"])
    assert "### `mine`" in made.stdout and "What every number is multiplied by" in made.stdout


def test_a_backend_runs(mine):
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(mine.infer("mine.times", x=x)["y"], x * 3)


# A plugin.

def test_a_function_runs(mine):
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert mine.infer("mine.sum", x=x)["all"].tolist() == [9.0, 36.0]


def test_a_wrong_call_of_a_function_is_told_with_its_place(built, plugin, folder):
    text = SERVICE.replace("total(y)", '"total(y, 2)"')
    made = check(folder, text, "--worker-dir", built["backend"], "--plugin", plugin)
    assert made.returncode == 2
    assert "service.yaml:7:32: total: total(x) takes one tensor, of fp32" in made.stderr


def test_a_plugin_may_bring_an_api(mine):
    answers = [mine.infer("mine.grow", x=np.array([number], np.float32))["grown"].tolist()
               for number in (2, 99, 1000)]
    assert answers == [[162.0], [297.0], [1000.0]]
    calls = {model.name: model.inference_stats.success.count
             for model in mine.kserve.ModelStatistics(
                 service_pb2.ModelStatisticsRequest(name="mine.grow")).model_stats}
    assert calls == {"mine.grow": 3}


def compiled(folder, source):
    """A shared library of C."""
    (folder / "x.c").write_text(source)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", folder / "x.so", folder / "x.c"], check=True)
    return folder / "x.so"


@pytest.mark.parametrize("source, error", [
    (None, "there is no such file; check the path"),
    ("", "it is no plugin: it has no function tiffin_plugin"),
    ("int missing(void); int call(void) { return missing(); }", "undefined symbol: missing"),
    ("struct { unsigned abi; const char* version; void* add; } plugin = {99, \"9.9\"};"
     "void* tiffin_plugin(void) { return &plugin; }",
     "it is built for version 99 of the plugin interface (tiffin 9.9), and this is"),
    ("struct { unsigned abi; const char* version; void* add; } plugin = {1, \"9.9\"};"
     "void* tiffin_plugin(void) { return &plugin; }", "it adds nothing"),
])
@pytest.mark.parametrize("command", ["check", "serve"])
def test_what_is_no_plugin_is_told_at_the_start(folder, command, source, error):
    path = compiled(folder, source) if source is not None else folder / "x.so"
    made = harness.run(harness.TIFFIN, command, harness.DIGITS_SERVICE, "--store", harness.MODELS,
                       "--plugin", path)
    assert made.returncode == 2
    assert f"plugin '{path}': {error}" in made.stderr.replace(f"it can't be loaded: {path}: ", "")


def test_names_that_are_there_already_are_told(built, plugin, folder):
    again = shutil.copy(plugin, folder / "again.so")
    made = check(folder, SERVICE, "--worker-dir", built["backend"], "--plugin", plugin,
                 "--plugin", again)
    assert made.returncode == 2
    assert (f"plugin '{again}': function 'total' is there already, by plugin '{plugin}'; "
            "give it another name") in made.stderr

    made = check(folder, SERVICE.replace("sum:", "grow:"), "--worker-dir", built["backend"],
                 "--plugin", plugin)
    assert made.returncode == 2
    assert f"api 'grow' has the name of an api of plugin '{plugin}'" in made.stderr

    made = check(folder, "service: other\nrunners: {times: {backend: mine}}\n", "--worker-dir",
                 built["backend"], "--plugin", plugin)
    assert made.returncode == 2
    assert "its api 'grow' is of the service 'mine', which no file given has" in made.stderr


# What `tiffin new --runner cpp` makes.

@pytest.fixture(scope="module")
def made(built):
    """A service of it, built by the line that its README has."""
    folder = FOLDER / "made"
    shutil.rmtree(folder, ignore_errors=True)
    program = built["installed"] / "bin/tiffin"
    made_service.make(folder, "made", "--runner", "cpp", program=program)
    (line,) = [line for line in made_service.block(folder, "Run it").splitlines()
               if line.startswith("cmake")]
    env = made_service.environment(program, CMAKE_GENERATOR="Ninja", CXXFLAGS=WARNINGS)
    if shutil.which("ccache"):
        env["CMAKE_CXX_COMPILER_LAUNCHER"] = "ccache"
    done("bash", "-euc", line, cwd=folder, env=env)
    return folder


def test_what_is_made_works_as_it_is(built, made):
    assert sorted(path.name for path in made.iterdir()) == [
        "CMakeLists.txt", "README.md", "build", "requirements.txt", "runner.cc", "service.yaml",
        "test_service.py"]
    made_service.expect_that_it_works(made, built["installed"] / "bin/tiffin")


def test_what_is_made_runs_requests_together_and_has_options(made):
    with made_service.serve(made) as server:
        request = harness.infer_request("made.model")
        harness.add_input(request, "text", "BYTES", [2], harness.frame(b"cold", b"a WARM place"))
        answer = harness.outputs_of(server.kserve.ModelInfer(request, timeout=ANSWER_S))
        assert answer == {"label": [b"bad", b"good"], "words": [b"cold", b"warm"]}
    text = (made / "service.yaml").read_text()
    for wrong, words in ((text.replace("bad:", "evil:"), "unknown option 'evil'"),
                         (text.replace("      bad: [cold, rude]\n", ""), "'bad' is missing")):
        (made / "wrong.yaml").write_text(wrong)
        checked = harness.run(harness.TIFFIN, "check", made / "wrong.yaml", "--worker-dir",
                              made / "build")
        assert checked.returncode == 2
        assert words in checked.stderr


# A gateway of one's own.

def ask(server, image, **kwargs):
    return server.infer("inference_graph_cpp.predict",
                        input_image=(harness.IMAGES / image).read_bytes(),
                        **kwargs)["verdict"][0].decode()


@pytest.mark.parametrize("image", EXPECTED)
def test_models_look_once_or_until_they_agree(digits, image):
    first, second = (int(np.argmax(EXPECTED[image][model]))
                     for model in ("digits_xgboost", "digits_torch"))
    if first == second:
        assert ask(digits, image) == f"{first} at look 1"
    else:
        assert re.fullmatch(r"\d( at look [23]|, but they disagree)", ask(digits, image))


def test_there_is_an_image_on_which_they_disagree():
    assert any(np.argmax(image["digits_xgboost"]) != np.argmax(image["digits_torch"])
               for image in EXPECTED.values())


def test_the_typed_api_and_http_have_it(digits):
    image = base64.b64encode((harness.IMAGES / "digit_7.png").read_bytes()).decode()
    made = harness.run(harness.ROOT / "build/tools/grpcurl", "-plaintext", "-d", "@",
                       digits.address,
                       "tiffin.services.inference_graph_cpp.InferenceGraphCpp/Predict",
                       input=json.dumps({"input_image": image}))
    assert json.loads(made.stdout) == {"verdict": "7 at look 1"}, made.stderr
    call = harness.run(harness.TIFFIN, "call", "inference_graph_cpp.predict", "--address",
                       digits.address, f"@{harness.IMAGES / 'digit_7.png'}")
    assert call.stdout == "7 at look 1\n", call.stderr
    made = harness.run("curl", "-s", "--data-binary", f"@{harness.IMAGES / 'digit_7.png'}", "-H",
                       "Content-Type: image/png",
                       f"http://{digits.http_address}/inference_graph_cpp/predict")
    assert json.loads(made.stdout) == {"verdict": "7 at look 1"}


def test_it_is_healthy_and_has_metrics(digits):
    ask(digits, "digit_7.png")
    health = health_pb2_grpc.HealthStub(digits.channel)
    request = health_pb2.HealthCheckRequest(service="inference_graph_cpp")
    assert health.Check(request).status == health_pb2.HealthCheckResponse.SERVING
    metrics = harness.run("curl", "-s", f"http://{digits.http_address}/metrics").stdout
    assert 'service="inference_graph_cpp",api="predict"' in metrics or (
        'api="predict",service="inference_graph_cpp"' in metrics)
    assert 'step="model_a"' in metrics


def test_its_time_is_told(digits):
    request = harness.infer_request("inference_graph_cpp.predict", input_image=(
        harness.IMAGES / "disputed.png").read_bytes())
    _, call = digits.kserve.ModelInfer.with_call(request, timeout=ANSWER_S,
                                                 metadata=[("tiffin-timing", "1")])
    ledger = json.loads(dict(call.trailing_metadata())["tiffin-timing"])
    names = [step["name"] for step in ledger["steps"]]
    assert names[0] == "plain" and sorted(names[1:3]) == ["model_a", "model_b"]
    assert names[3] == "brighter"
    path = ledger["critical_path"]
    assert path[0] == "plain" and path[1] in ("model_a", "model_b") and path[2] == "brighter"


def test_a_deadline_ends_it(digits):
    with harness.refused(grpc.StatusCode.DEADLINE_EXCEEDED):
        request = harness.infer_request("inference_graph_cpp.predict", input_image=(
            harness.IMAGES / "digit_7.png").read_bytes())
        request.parameters["timeout"].int64_param = 1
        digits.kserve.ModelInfer(request, timeout=ANSWER_S)


def test_an_error_of_a_runner_names_it(digits):
    with harness.refused(grpc.StatusCode.INVALID_ARGUMENT, "step 'plain' (runner 'plain')"):
        digits.infer("inference_graph_cpp.predict", input_image=b"no image")


def test_a_worker_that_dies_is_asked_again(digits):
    digits.worker("model_a").kill()
    assert ask(digits, "digit_7.png") == "7 at look 1"


def test_it_makes_services_too(built, folder):
    said = made_service.make(folder / "x", "mood", program=built["digits"] / "digits")
    assert f"Next:\n  cd {folder}/x\n  tiffin serve service.yaml\n" in said
    assert "class Model" in (folder / "x/runner.py").read_text()


def test_its_own_check_shows_it(built):
    made = harness.run(built["digits"] / "digits", "check", EXAMPLE / "runners.yaml", "--store",
                       harness.MODELS, "--worker-dir", built["installed"] / "bin")
    assert made.returncode == 0, made.stderr
    assert ("  api predict(input_image: image) -> (verdict: text), timeout 10s\n"
            "    in C++; it may call\n"
            "      plain = plain(...) -> features: fp32[64]\n") in made.stdout
