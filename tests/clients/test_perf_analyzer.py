"""Triton's own load generator, unmodified, against APIs and runners."""

import json
import os
import re

import pytest

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


def analyze(server, model, *args, protocol="grpc"):
    """What it printed. One window of 100 requests is enough: nothing here is about speed."""
    address = server.address if protocol == "grpc" else server.http_address
    made = harness.run(
        PERF_ANALYZER, "-m", model, "-i", protocol, "-u", address, "--request-count", "100",
        "--concurrency-range", "4", "--max-trials", "3", *args,
        env={**os.environ, "LD_LIBRARY_PATH": str(PERF_ANALYZER.parent / "lib")}, timeout=300)
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
