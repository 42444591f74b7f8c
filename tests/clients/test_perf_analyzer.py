"""Triton's own load generator, unmodified, against APIs and runners."""

import json
import os
import pathlib
import re
import uuid

import pytest
from tritonclient.grpc import service_pb2

import harness

PERF_ANALYZER = harness.ROOT / "build/tools/perf_analyzer"

SERVICE = """
service: parts
runners:
  echo: {backend: testing, options: {behavior: identity, shape: [4]}}
  adder: {backend: testing, options: {behavior: add_sub}}
  word: {backend: testing, options: {behavior: identity, dtype: bytes, shape: []}}
apis:
  twice:
    input: {left: "int32[16]", right: "int32[16]"}
    steps:
      first: adder(left, right)
      second: adder(first.OUTPUT0, right)
    output: {total: second.OUTPUT0}
  say:
    input: {greeting: text}
    steps:
      said: word(greeting)
    output: {said: said}
"""


@pytest.fixture(scope="module")
def server():
    with harness.Server(SERVICE, args=["--http-address", "127.0.0.1:0"]) as started:
        yield started


def run(server, model, *args, protocol="grpc"):
    """One window of 100 requests is enough: nothing here is about speed."""
    address = server.address if protocol == "grpc" else server.http_address
    return harness.run(
        PERF_ANALYZER, "-m", model, "-i", protocol, "-u", address, "--request-count", "100",
        "--concurrency-range", "4", "--max-trials", "3", *args,
        env={**os.environ, "LD_LIBRARY_PATH": str(PERF_ANALYZER.parent / "lib")}, timeout=300)


def analyze(server, model, *args, protocol="grpc"):
    """What it printed."""
    made = run(server, model, *args, protocol=protocol)
    assert made.returncode == 0, made.stdout + made.stderr
    throughput = float(re.search(r"Throughput: ([\d.]+) infer/sec", made.stdout).group(1))
    assert throughput > 0, made.stdout
    return made.stdout


@pytest.mark.parametrize("mode", ["--sync", "--async", "--streaming"])
@pytest.mark.parametrize("model", ["parts.echo", "parts.twice"])
def test_a_runner_and_an_api_under_load(server, model, mode):
    modes = ["--async", mode] if mode == "--streaming" else [mode]
    said = analyze(server, model, *modes)
    assert re.search(r"Inference count: [1-9]", said), said
    assert re.search(r"Execution count: [1-9]", said), said
    assert re.search(r"Successful request count: [1-9]", said), said


@pytest.mark.parametrize("mode", ["--sync", "--async"])
@pytest.mark.parametrize("model", ["parts.echo", "parts.twice"])
def test_http_under_load(server, model, mode):
    said = analyze(server, model, mode, protocol="http")
    assert re.search(r"Inference count: [1-9]", said), said
    assert re.search(r"Successful request count: [1-9]", said), said


def test_http_with_tensors_in_json(server):
    said = analyze(server, "parts.echo", "--input-tensor-format", "json", "--output-tensor-format",
                   "json", protocol="http")
    assert re.search(r"Successful request count: [1-9]", said), said


def test_the_steps_of_an_api_are_its_composing_models(server):
    said = analyze(server, "parts.twice")
    assert re.search(r"Composing models:\s+parts.adder, version: 1", said), said


def test_batches_of_rows(server):
    said = analyze(server, "parts.echo", "-b", "8")
    assert re.search(r"Inference count: [1-9]", said), said


def test_text_from_a_file(server, folder):
    data = folder / "data.json"
    data.write_text(json.dumps({"data": [{"greeting": ["guten Tag"]}, {"greeting": ["hello"]}]}))
    analyze(server, "parts.say", "--input-data", data)


# In shared memory.

SHARED = ["--shared-memory", "system"]


@pytest.fixture(scope="module")
def own_service():
    """perf_analyzer names its files after the tensors, which have names of their own here, so that
    runs side by side don't meet. One that fails leaves its files."""
    own = f"of_{uuid.uuid4().hex}"
    yield re.sub(r"\b(left|right|total|greeting|said)\b", rf"\1_{own}", SERVICE)
    for file in pathlib.Path("/dev/shm").glob(f"*{own}*"):
        file.unlink()


@pytest.fixture(scope="module")
def sharing(own_service):
    with harness.Server(own_service, args=["--client-shared-memory"]) as started:
        yield started


@pytest.mark.parametrize("mode", ["--sync", "--async", "--streaming"])
@pytest.mark.parametrize("model", ["parts.twice", "parts.say"])
def test_tensors_in_shared_memory(sharing, model, mode):
    modes = ["--async", mode] if mode == "--streaming" else [mode]
    said = analyze(sharing, model, *SHARED, "--output-shared-memory-size", "200", *modes)
    assert re.search(r"Successful request count: [1-9]", said), said
    # It has taken back what it registered.
    request = service_pb2.SystemSharedMemoryStatusRequest()
    assert not sharing.kserve.SystemSharedMemoryStatus(request).regions


def test_without_the_flag_it_says_so(own_service):
    with harness.Server(own_service) as server:
        made = run(server, "parts.twice", *SHARED)
    assert made.returncode != 0
    assert "tiffin serve --client-shared-memory" in made.stdout + made.stderr
