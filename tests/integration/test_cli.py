"""What the program says of itself: its help, whose examples are run here as they stand, and the
nearest word where one is wrong."""

import json
import os
import pty
import re
import shutil
import subprocess

import pytest

import harness

COMMANDS = ([], ["new"], ["serve"], ["call"], ["check"], ["tune"], ["probe"], ["token"],
            ["models"], ["models", "list"], ["models", "show"], ["models", "import"],
            ["reference"])


def tiffin(*args, **kwargs):
    return harness.run(harness.TIFFIN, *args, **kwargs)


def help_of(command):
    made = tiffin(*command, "--help")
    assert made.returncode == 0
    assert made.stderr == ""
    return made.stdout


def examples_of(command):
    found = re.search(r"^Examples:\n((?:  .*\n)+)", help_of(command), re.M)
    return [line.strip() for line in found.group(1).splitlines()]


EXAMPLES = sorted({example for command in COMMANDS for example in examples_of(command)})


@pytest.fixture(scope="module")
def both():
    with harness.Server(harness.DIGITS_SERVICE, harness.SENTIMENT_SERVICE) as server:
        yield server


@pytest.fixture
def store(folder):
    """A copy that examples may write to."""
    shutil.copytree(harness.MODELS, folder / "models")
    return folder / "models"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_teaches(command):
    text = help_of(command)
    first = text.splitlines()[0]
    assert first.endswith("."), first
    assert f"Usage: {' '.join(['tiffin', *command])}" in text
    assert re.search(r"^Exit codes: 0 .*, 2 wrong usage|^Exit codes: 0 .*2 ", text, re.M)
    assert all(len(line) <= 100 for line in text.splitlines() if not line.startswith("  tiffin"))


def test_a_command_knows_every_other():
    listed = set(re.findall(r"^  (\w+) +\S", help_of([]).partition("Subcommands:")[2], re.M))
    assert {command[0] for command in COMMANDS if command} <= listed | {"tiffin"}


@pytest.mark.parametrize("example", [line for line in EXAMPLES if line.split()[1] != "serve"])
def test_an_example_of_the_help_runs(example, both, store, folder):
    line = example.replace("tiffin", str(harness.TIFFIN), 1)
    line = line.replace("127.0.0.1:8001", both.address)
    line = line.replace("--store build/models", f"--store {store}")
    line = line.replace("build/graphs", str(folder / "graphs"))
    env = {**os.environ, "TIFFIN_ADDRESS": both.address, "TIFFIN_STORE": str(store)}
    # What it makes is not for the clone.
    place = folder if " new " in example else harness.ROOT
    made = harness.run("bash", "-euc", line, cwd=place, env=env, timeout=240 * harness.SLOWNESS)
    assert made.returncode == 0, made.stderr
    assert made.stdout or " probe " in example


@pytest.mark.parametrize("example", [line for line in EXAMPLES if line.split()[1] == "serve"])
def test_an_example_that_serves_runs(example, folder):
    line = example.replace("tiffin", f"exec {harness.TIFFIN}", 1).replace(":8000", ":0")
    line += f" --grpc-address 127.0.0.1:0 --runtime-dir {folder / 'run'}"
    server = subprocess.Popen(["bash", "-euc", line], cwd=harness.ROOT, stderr=subprocess.PIPE,
                              text=True)
    try:
        assert any("serving on" in said for said in server.stderr)
    finally:
        server.terminate()
        server.communicate(timeout=harness.END_S)
    assert server.returncode == 0


@pytest.mark.parametrize("args, words", [
    (["srve", "x.yaml"], "tiffin: there is no command 'srve'; did you mean 'serve'?"),
    (["models", "lst"], "tiffin models: there is no command 'lst'; did you mean 'list'?"),
    (["check", "x.yaml", "--stoer", "y"],
     "tiffin check: there is no option '--stoer'; did you mean '--store'?"),
    (["check"], "tiffin check: files is required"),
    ([], "tiffin: A subcommand is required"),
    (["call", "a.b", "--timing=maybe"], "tiffin call: "),
    (["call", "a.b", "--each", "x", "--request-id", "y"], "tiffin call: "),
])
def test_wrong_usage_names_what_was_meant(args, words):
    made = tiffin(*args)
    assert made.returncode == 2
    assert words in made.stderr
    assert "--help' shows how it is used" in made.stderr


def test_check_says_its_plan_as_json():
    made = tiffin("check", harness.DIGITS_SERVICE, "--store", harness.MODELS, "--json")
    assert made.returncode == 0, made.stderr
    plan = json.loads(made.stdout)
    assert plan["ok"] is True
    assert plan["errors"] == []
    (service,) = plan["services"]
    (api,) = service["apis"]
    assert service["name"] == "inference_graph_demo"
    assert api["inputs"] == [{"name": "input_image", "type": "image"}]
    assert api["timeout_us"] == 10_000_000
    assert [(step["name"], step["runner"], step["needs"]) for step in api["steps"]] == [
        ("features", "preprocess", []), ("a", "model_a", ["features"]),
        ("b", "model_b", ["features"]), ("verdict", None, ["a", "b"])]
    runners = {runner["name"]: runner for runner in plan["resources"]["runners"]}
    assert runners["inference_graph_demo.model_b"]["backend"] == "torch"


BROKEN = """service: broken
surprise: 1
runners:
  echo: {backend: testing, options: {behavior: identity}}
apis:
  go:
    input: {x: "fp32[-1]"}
    steps: {y: ekho(x)}
    output: {y: y}
"""
FORM_FIRST = "fix these first; types are checked after"


def test_check_says_its_errors_as_json(folder):
    file = folder / "service.yaml"
    file.write_text(BROKEN)
    made = tiffin("check", file, "--json")
    assert made.returncode == 2
    found = json.loads(made.stdout)
    assert found["ok"] is False
    assert found["note"] == FORM_FIRST
    assert [(error["file"], error["line"], error["column"]) for error in found["errors"]] == [
        (str(file), 2, 1), (str(file), 8, 16)]
    assert "surprise" in found["errors"][0]["message"]
    missing = json.loads(tiffin("check", folder / "none.yaml", "--json").stdout)
    assert missing["errors"][0]["line"] is None
    assert "none.yaml" in missing["errors"][0]["message"]


def test_check_says_that_types_come_after_those_of_form(folder):
    file = folder / "service.yaml"
    file.write_text(BROKEN)
    said = tiffin("check", file).stderr.splitlines()
    assert [line.partition(": ")[0] for line in said[:-1]] == [f"{file}:2:1", f"{file}:8:16"]
    assert said[-1] == FORM_FIRST
    file.write_text(BROKEN.replace("surprise: 1\n", ""))
    assert FORM_FIRST not in tiffin("check", file).stderr


def on_terminal(*args, **env):
    """What a program shows on a terminal."""
    ours, its = pty.openpty()
    made = subprocess.Popen([str(arg) for arg in args], stdin=its, stdout=its, stderr=its,
                            env={**os.environ, "TERM": "xterm", **env})
    os.close(its)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # All of its ends are closed.
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    made.wait(harness.END_S)
    return shown.decode().replace("\r\n", "\n")


def test_a_terminal_shows_the_lines_with_carets(folder):
    file = folder / "service.yaml"
    file.write_text(BROKEN)
    plain = on_terminal(harness.TIFFIN, "check", file, NO_COLOR="1")
    assert "\033" not in plain
    assert "  8 |     steps: {y: ekho(x)}\n    |                ^\n" in plain
    assert "\033[1;31m^" in on_terminal(harness.TIFFIN, "check", file)


@pytest.mark.parametrize("command", ["check", "serve"])
def test_a_slow_start_says_who_is_waited_for(command, folder):
    service = folder / "service.yaml"
    service.write_text("""service: slow
runners:
  lazy: {backend: lazy}
apis:
  go:
    input: {x: "fp32[-1]"}
    steps: {y: lazy(x)}
    output: {y: y}
""")
    programs = folder / "bin"
    programs.mkdir()
    shutil.copy(harness.TIFFIN, programs)
    # A worker that never gets ready.
    (programs / "tiffin-worker-lazy").write_text("#!/bin/sh\nexec tail -f /dev/null\n")
    (programs / "tiffin-worker-lazy").chmod(0o755)
    args = ["--grpc-address", "127.0.0.1:0", "--runtime-dir", folder / "run"]
    made = subprocess.Popen(
        [programs / "tiffin", command, service, *(args if command == "serve" else [])],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        assert any("waiting for the worker" in said and "slow.lazy" in said
                   for said in made.stderr)
    finally:
        workers = harness.children(made.pid)
        made.kill()
        for worker in workers:  # They hold its stderr.
            worker.kill()
        made.communicate(timeout=harness.END_S)
