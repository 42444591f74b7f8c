"""How the cores are divided among the runners, and on which device they run."""

import json
import os
import re

import numpy as np
import pytest

import harness

TWO_SERVICES = ["""
service: one
runners:
  plain: {backend: testing, options: {behavior: identity}}
  share: {backend: testing, options: {behavior: identity}, resources: {cpu: 1.5}}
""", """
service: two
runners:
  plain: {backend: testing, options: {behavior: identity}}
  both: {backend: testing, options: {behavior: identity}, replicas: 2,
         resources: {cpu: 0.5, threads: 3}}
"""]

TABLE = """resources: 8 cores (--cpus; there are N by ...)
  runner     backend  replicas  threads  cpu   device  why
  one.plain  testing  1         2        2.75  cpu     even share of 5.5 cores for 2 replicas
  one.share  testing  1         2        1.5   cpu     resources.cpu
  two.plain  testing  1         2        2.75  cpu     even share of 5.5 cores for 2 replicas
  two.both   testing  2         3        0.5   cpu     resources.cpu and threads; replicas
  12 threads in all, more than the cores: they take turns
"""


def check(*args, **kwargs):
    return harness.run(harness.TIFFIN, "check", *args, "--store", harness.MODELS, **kwargs)


def write(folder, *services):
    files = []
    for index, service in enumerate(services):
        files.append(folder / f"s{index}.yaml")
        files[-1].write_text(service)
    return files


def runner(folder, text):
    """A service file with the runner `r`."""
    return write(folder, f"service: s\nrunners:\n  r: {{backend: testing, {text}}}\n")[0]


def test_the_services_of_a_gateway_share_one_budget(folder):
    checked = check(*write(folder, *TWO_SERVICES), "--cpus", 8)
    assert checked.returncode == 0, checked.stderr
    table = checked.stdout[checked.stdout.index("resources:"):]
    assert re.sub(r"there are .*\)", "there are N by ...)", table) == TABLE


def test_the_workers_get_what_the_table_says():
    with harness.Server(*TWO_SERVICES, args=["--cpus", "8"]) as server:
        threads = sorted((worker.option("--runner"), worker.option("--threads"))
                         for worker in server.workers())
        assert threads == [("both", "3"), ("both", "3"), ("plain", "2"), ("plain", "2"),
                           ("share", "2")]
        server.wait_for_line(r"two\.both +testing +2 +3 +0\.5 +cpu +resources\.cpu and threads")


def test_the_budget_is_the_affinity(folder):
    core = min(os.sched_getaffinity(0))
    checked = check(runner(folder, "options: {behavior: identity}"),
                    preexec_fn=lambda: os.sched_setaffinity(0, {core}))
    assert "resources: 1 core (" in checked.stdout, checked.stderr


@pytest.mark.parametrize("cpus", ["0", "-1", "x", "1025", ""])
@pytest.mark.parametrize("command", ["check", "serve", "tune"])
def test_cpus_is_a_number_of_cores(command, cpus, folder):
    made = harness.run(harness.TIFFIN, command, runner(folder, "options: {behavior: identity}"),
                       f"--cpus={cpus}")
    assert made.returncode == 2
    assert "--cpus" in made.stderr


@pytest.mark.parametrize("text, error", [
    ("resources: {threads: 0}", "'threads' must be a whole number from 1 to 1024, not '0'"),
    ("resources: {cpu: -1}", "'cpu' must be a number above 0, at most 1024, not '-1'"),
    ("resources: {gpu: 1}", "unknown key 'gpu' in 'resources'; did you mean 'cpu'?"),
    ("device: gpu", "'device' must be cpu, or a GPU by its number such as \"cuda:0\", not 'gpu'"),
])
def test_what_is_wrong_in_a_file_is_said(text, error, folder):
    checked = check(runner(folder, text))
    assert checked.returncode == 2
    assert error in checked.stderr


# Devices. No test machine has a GPU, so only what is refused is tested.

GPU = """
service: gpu
runners:
  model: {model: "digits_torch:latest", device: "cuda:99"}
"""


def test_a_device_that_is_not_there_is_an_error_of_check(folder):
    checked = check(*write(folder, GPU))
    assert checked.returncode == 2
    for word in ("s0.yaml:4:3", "runner 'model'", "device 'cuda:99' is not there", "LibTorch 2.",
                 "write device: cpu"):
        assert word in checked.stderr


def test_a_device_that_is_not_there_ends_the_start(folder):
    started = harness.run(harness.TIFFIN, "serve", *write(folder, GPU), "--store", harness.MODELS,
                          "--grpc-address", "127.0.0.1:0", "--runtime-dir", folder / "run")
    assert started.returncode == 2
    for word in ("runner 'model'", "device 'cuda:99' is not there", "write device: cpu"):
        assert word in started.stderr


@pytest.mark.parametrize("backend, options", [
    ("testing", "{behavior: identity}"), ("image", "{size: [8, 8]}"), ("ocr", "{}")])
def test_other_backends_run_on_the_cpu_only(backend, options, folder):
    file, = write(folder, f"service: s\nrunners:\n"
                          f"  r: {{backend: {backend}, options: {options}, device: \"cuda:0\"}}\n")
    checked = check(file)
    assert checked.returncode == 2
    assert (f"runner 'r': tiffin-worker-{backend}: device 'cuda:0': the {backend} backend runs on "
            "cpu only; remove 'device'") in checked.stderr


def test_xgboost_runs_on_the_cpu_only(folder):
    checked = check(*write(folder, GPU.replace("torch", "xgboost")))
    assert checked.returncode == 2
    assert "the xgboost backend runs on cpu only" in checked.stderr


def test_a_worker_describes_its_device(folder):
    file = write(folder, GPU.replace("cuda:99", "cpu"))[0]
    described = harness.run(harness.BIN / "tiffin-worker-torch", "--service", file, "--runner",
                            "model", "--store", harness.MODELS, "--describe")
    assert json.loads(described.stdout)["device"] == "cpu", described.stderr


# Replicas.


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_as_many_calls_execute_as_there_are_replicas(count, folder):
    (folder / "meet").mkdir()
    service = f"""
service: s
runners:
  r: {{backend: testing, replicas: {count},
       options: {{behavior: barrier, path: {folder}/meet, parties: {count}}}}}
"""
    with harness.Server(service) as server:
        # Each round returns only if all replicas execute one call of it.
        for round_number in range(3):
            futures = [server.infer_later("s.r", np.float32([round_number]))
                       for _ in range(count)]
            for future in futures:
                assert harness.outputs_of(future.result())["OUTPUT0"].tolist() == [round_number]
