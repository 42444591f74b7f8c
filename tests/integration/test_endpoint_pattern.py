"""One service file for a gateway and its workers elsewhere: `--endpoints` says where they are."""

import contextlib
import json

import numpy as np
import pytest

import harness
from remote import Worker

EXAMPLES = harness.ROOT / "deploy/examples"
TEXT = """
service: one_file
runners:
  add_up: {backend: testing, options: {behavior: add_sub}, resources: {threads: 1}}
  echo: {backend: testing, options: {behavior: identity, dtype: int32, shape: [-1]}, replicas: 3,
         queue: {max: 9}, batching: {max_batch_size: 4}}
apis:
  sum_up:
    input: {x: "int32[16]", y: "int32[16]"}
    steps:
      sums: add_up(x, y)
      sum: echo(sums.OUTPUT0)
    output: {sum: sum, difference: sums.OUTPUT1}
"""
X, Y = np.arange(16, dtype=np.int32), np.full(16, 3, np.int32)


@pytest.fixture
def file(folder):
    path = folder / "service.yaml"
    path.write_text(TEXT)
    return path


@pytest.fixture
def pattern(folder):
    return f"unix:{folder}/{{service}}.{{runner}}"


@pytest.fixture
def workers(folder, file):
    with contextlib.ExitStack() as stack:
        for runner, name in (("add_up", "one-file.add-up"), ("echo", "one-file.echo")):
            stack.enter_context(Worker(runner, f"unix:{folder}/{name}", folder=folder, file=file))
        yield


def check(*args):
    return harness.run(harness.TIFFIN, "check", *args)


def test_a_gateway_and_its_workers_have_the_same_file(workers, file, pattern):
    args = ["--endpoints", pattern]
    with harness.Server(file, store="/nowhere", args=args) as server:
        got = server.infer("one_file.sum_up", x=X, y=Y)
        assert np.array_equal(got["sum"], X + Y) and np.array_equal(got["difference"], X - Y)
        assert server.workers() == []


def test_check_asks_the_workers_and_says_the_plan(workers, file, pattern):
    checked = check(file, "--store", "/nowhere", "--json", "--endpoints", pattern)
    assert checked.returncode == 0, checked.stderr
    plan = json.loads(checked.stdout)
    assert [api["name"] for api in plan["services"][0]["apis"]] == ["sum_up"]
    assert plan["resources"]["runners"] == []


def test_a_worker_that_runs_something_else_than_the_file_says_is_warned_of(
        workers, folder, pattern):
    """It fits, and is served: its file may be the newer one."""
    text = TEXT.replace("echo: {backend: testing, options: {behavior: identity, dtype: int32, "
                        "shape: [-1]}", 'echo: {model: "digits_torch:2"')
    other = ("runs the backend testing, but the service file says digits_torch:2; "
             "start it with that file, or correct the file")
    with harness.Server(text, args=["--endpoints", pattern]) as server:
        server.wait_for_line(f"runner 'echo': the worker at .* {other}")
        assert np.array_equal(server.infer("one_file.sum_up", x=X, y=Y)["sum"], X + Y)
        assert not [line for line in server.lines if "runner 'add_up': the worker at" in line]
        checked = check(server.files[0], "--endpoints", pattern)
    assert checked.returncode == 0 and f"warning: runner 'echo': the worker at " in checked.stderr
    assert other in checked.stderr


def test_runners_are_at_all_of_the_patterns(workers, file, folder, pattern):
    """Of which one has no worker."""
    args = ["--endpoints", f"unix:{folder}/none.{{runner}}", "--endpoints", pattern]
    with harness.Server(file, args=args) as server:
        for _ in range(3):
            assert np.array_equal(server.infer("one_file.sum_up", x=X, y=Y)["sum"], X + Y)


def test_endpoints_in_the_file_stay(workers, file, folder):
    text = TEXT.replace("add_up: {backend: testing, options: {behavior: add_sub}, "
                        "resources: {threads: 1}}",
                        f'add_up: {{endpoints: ["unix:{folder}/one-file.add-up"]}}')
    assert text != TEXT
    args = ["--endpoints", f"unix:{folder}/one-file.{{runner}}"]
    with harness.Server(text, args=args) as server:
        assert np.array_equal(server.infer("one_file.sum_up", x=X, y=Y)["sum"], X + Y)


def test_neither_models_nor_worker_programs_are_looked_for(folder):
    """As their files have them; what isn't there are the workers."""
    checked = check(*EXAMPLES.glob("*/service.yaml"), "--store", "/nowhere", "--worker-dir", folder,
                    "--endpoints", f"unix:{folder}/{{service}}/{{runner}}")
    assert checked.returncode == 1 and "not checked" in checked.stderr, checked.stderr
    assert "/nowhere" not in checked.stderr and str(folder) in checked.stderr


@pytest.mark.parametrize("args,message", [
    (["--endpoints", "unix:/run/{model}"], "there is no placeholder {model}; write {service} or"),
    (["--endpoints", "{service}:9000"], "put {runner} into it"),
    (["--endpoints", "{runner}"], "it has no port"),
    (["--endpoints", "{runner}:1", "--worker-token", "/nowhere/token"], "/nowhere/token"),
    (["--endpoints", "unix:/{runner}", "--worker-token", "/nowhere"], "with endpoints on TCP"),
], ids=lambda value: value[1] if isinstance(value, list) else "")
def test_what_is_wrong_is_told_by_both_commands(file, folder, args, message):
    for command in (["check"], ["serve", "--runtime-dir", folder / "run"]):
        ended = harness.run(harness.TIFFIN, *command, file, *args)
        assert ended.returncode == 2 and message in ended.stderr, ended.stderr


def test_no_flag_is_ignored_and_files_come_first(folder):
    file = folder / "elsewhere.yaml"
    file.write_text('service: s\nrunners: {r: {endpoints: ["unix:/a"]}}\n')
    checked = check(file, "--endpoints", "{runner}:9000")
    assert checked.returncode == 2 and "there are none; remove it" in checked.stderr
    file.write_text("service: s\nrunners: {r: {endpoints: []}}\n")
    checked = check(file, "--endpoints", "{runer}:9000")
    assert checked.returncode == 2 and "elsewhere.yaml:2:" in checked.stderr, checked.stderr
    assert "--endpoints" not in checked.stderr
