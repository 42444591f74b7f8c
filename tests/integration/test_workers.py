"""The worker programs by themselves."""

import json
import os
import pathlib
import re
import subprocess

import pytest

import harness
from harness import BIN, START_S

SERVICE = """
service: alone
runners:
  echo: {backend: testing, options: {behavior: identity, dtype: int64, shape: [-1, 3]}}
  bad: {backend: testing, options: {behavior: dance}}
apis:
  go:
    input: {x: "int64[rows,-1,3]"}
    steps:
      a: echo(x)
    output: {y: a}
"""


@pytest.fixture
def service(folder):
    file = folder / "service.yaml"
    file.write_text(SERVICE)
    return file


def describe(backend, *args, **kwargs):
    return harness.run(BIN / f"tiffin-worker-{backend}", "--describe", *args, **kwargs)


def test_describe_prints_the_signature(service):
    made = describe("testing", "--service", service, "--runner", "echo")
    assert made.returncode == 0, made.stderr
    description = json.loads(made.stdout)
    assert description["backend"] == "testing"
    assert list(description["methods"]) == ["run"]
    text = json.dumps(description["methods"]["run"])
    assert "INPUT0" in text and "OUTPUT0" in text


@pytest.mark.parametrize("runner, backend", [
    ("preprocess", "image"), ("model_a", "xgboost"), ("model_b", "torch")])
def test_describe_works_for_every_engine(runner, backend):
    made = describe(backend, "--service", harness.DIGITS_SERVICE, "--runner", runner,
                    "--store", harness.MODELS)
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["backend"] == backend


def test_an_option_error_names_option_and_choices(service):
    made = describe("testing", "--service", service, "--runner", "bad")
    assert made.returncode == 2
    assert "dance" in made.stderr and "identity" in made.stderr


def test_the_wrong_program_names_the_right_one(service):
    made = describe("image", "--service", service, "--runner", "echo")
    assert made.returncode == 2
    assert "tiffin-worker-testing" in made.stderr


def test_an_unknown_runner_is_named(service):
    made = describe("testing", "--service", service, "--runner", "ghost")
    assert made.returncode == 2
    assert "ghost" in made.stderr


def test_wrong_flags_exit_with_2():
    assert harness.run(BIN / "tiffin-worker-testing").returncode == 2
    assert harness.run(BIN / "tiffin-worker-testing", "--dance").returncode == 2


def test_where_to_listen_is_checked_before_anything_is_loaded(service):
    for address in ("127.0.0.1", "unix:"):
        made = harness.run(BIN / "tiffin-worker-testing", "--service", service, "--runner", "bad",
                           f"--listen={address}")
        assert made.returncode == 2
        assert "must be unix:PATH or HOST:PORT" in made.stderr and "dance" not in made.stderr


def test_probe_tells_by_its_exit_code(service, folder):
    address = f"unix:{folder}/w.sock"
    program = BIN / "tiffin-worker-testing"
    worker = subprocess.Popen(
        [program, "--service", service, "--runner", "echo", "--listen", address])
    try:
        def probe(*names):
            return harness.run(program, "--probe", address, *names).returncode

        harness.eventually(lambda: probe("liveness") == 0, START_S, "the worker's liveness")
        # The runtime of a worker without a gateway is as ready as its model is.
        assert probe() == 0
        assert probe("nobody") == 1
    finally:
        worker.terminate()
        assert worker.wait(harness.END_S) == 0
    assert probe("liveness") == 1


def test_a_worker_ends_when_its_lifeline_does(service, folder):
    read_end, write_end = os.pipe()
    worker = subprocess.Popen(
        [BIN / "tiffin-worker-testing", "--service", service, "--runner", "echo",
         "--listen", f"unix:{folder}/w.sock", "--lifeline-fd", str(read_end)],
        pass_fds=[read_end])
    os.close(read_end)
    try:
        assert worker.poll() is None
        os.close(write_end)
        assert worker.wait(START_S) != 0
    finally:
        worker.kill()
        worker.wait()


def test_a_lifeline_that_nobody_can_wait_for_is_refused(service, folder):
    worker = subprocess.run(
        [BIN / "tiffin-worker-testing", "--service", service, "--runner", "echo",
         "--listen", f"unix:{folder}/w.sock", "--lifeline-fd", "0"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=START_S)
    assert worker.returncode == 2
    assert "--lifeline-fd 0: must be a pipe or a socket" in worker.stderr


OLD_XGBOOST = """
extern "C" void XGBoostVersion(int* major, int* minor, int* patch) {
  *major = 1;
  *minor = 7;
  *patch = 4;
}
"""


def test_an_xgboost_library_older_than_3_is_refused(folder):
    """Version 1.7 loads models of 3.x without an error, and predicts wrongly."""
    source = folder / "old.cc"
    source.write_text(OLD_XGBOOST)
    subprocess.run(["g++", "-shared", "-fPIC", "-o", folder / "old.so", source], check=True)
    made = describe("xgboost", "--service", harness.DIGITS_SERVICE, "--runner", "model_a",
                    "--store", harness.MODELS,
                    env={**os.environ, "LD_PRELOAD": str(folder / "old.so"),
                         "ASAN_OPTIONS": "verify_asan_link_order=0"})  # Where there is one.
    assert made.returncode != 0
    assert "1.7" in made.stderr and "3" in made.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="the harness makes workers debuggable, but for root")
def test_workers_give_up_privileges_and_core_dumps():
    with harness.Server(SERVICE.replace("  bad:", "  # bad:")) as server:
        for worker in server.workers():
            proc = f"/proc/{worker.pid}"
            assert "NoNewPrivs:\t1" in pathlib.Path(proc, "status").read_text()
            limits = pathlib.Path(proc, "limits").read_text()
            assert re.search(r"Max core file size +0 +0 ", limits)


def test_workers_may_be_debuggable():
    with harness.Server(SERVICE.replace("  bad:", "  # bad:"),
                        args=["--debuggable-workers"]) as server:
        for worker in server.workers():
            assert worker.cmdline.count("--debuggable") == 1
            assert "NoNewPrivs:\t1" in pathlib.Path(f"/proc/{worker.pid}/status").read_text()
