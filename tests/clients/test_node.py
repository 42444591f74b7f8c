"""A client in Node.js, on @grpc/grpc-js and the files of `tiffin check --proto`, without stubs that
were made before."""

import json
import os
import pathlib
import subprocess

import pytest
from tritonclient.grpc import service_pb2

import fixtures
import harness
from harness import ANSWER_S

CLIENT = pathlib.Path(__file__).parent / "node/client.js"
MODULES = harness.ROOT / "build/node/node_modules"
# Its one worker executes one call at a time, until the gate is open.
PATIENCE = """
service: patience
runners:
  hold: {{backend: testing, options: {{behavior: delay, until: {gate}, ms: 60000, dtype: bytes,
                                       shape: [], journal: {journal}}}}}
apis:
  wait:
    input: {{word: text}}
    steps: {{held: hold(word)}}
    output: {{word: held}}
"""


def failed_waits(server):
    statistics = server.kserve.ModelStatistics(
        service_pb2.ModelStatisticsRequest(name="patience.wait"), timeout=ANSWER_S)
    return statistics.model_stats[0].inference_stats.fail.count


@pytest.fixture(scope="module")
def results(module_folder):
    """What the client says: name of a call -> its code, details, reply and request id."""
    gate = harness.Gate(module_folder)
    journal = harness.Journal(module_folder)
    service = module_folder / "patience.yaml"
    service.write_text(PATIENCE.format(gate=gate.path, journal=journal.path))
    services = (harness.DIGITS_SERVICE, harness.SENTIMENT_SERVICE, service)
    protos = fixtures.write_protos(module_folder, *services)
    with harness.Server(*services) as server, subprocess.Popen(
            ["node", CLIENT, server.address, protos, harness.IMAGES / "digit_7.png",
             harness.TEXT_IMAGES / "serif.png"], env={**os.environ, "NODE_PATH": str(MODULES)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True) as client:
        try:
            # The call executes: the client is told to cancel it, and the server hears of that.
            if journal.next() is None:
                client.kill()
                pytest.fail(f"the client said: {client.communicate()}")
            client.stdin.write("cancel\n")
            client.stdin.flush()
            harness.eventually(lambda: failed_waits(server) == 1)
            gate.open()
            out, err = client.communicate(timeout=ANSWER_S)
        finally:
            gate.open()  # In any case.
            client.kill()
            journal.close()
    assert client.returncode == 0, err
    return json.loads(out)


def test_both_services_answer(results):
    assert results["digit"]["code"] == results["feeling"]["code"] == "OK", results
    assert results["digit"]["reply"]["verdict"].startswith("7 (agree: model_a 7")
    assert results["feeling"]["reply"]["text"].startswith("NEGATIVE 0.9")


def test_request_ids_come_back_with_errors_too(results):
    assert [results[name]["id"] for name in ("digit", "feeling", "missing")] == [
        "lunch-1", "lunch-2", "lunch-3"]


def test_errors_have_a_code_and_name_the_input(results):
    assert results["missing"]["code"] == results["no_image"]["code"] == "INVALID_ARGUMENT"
    assert "input 'input_image' of 'inference_graph_demo.predict' is missing" in (
        results["missing"]["details"])
    assert results["no_image"]["details"].startswith("step 'features'"), results["no_image"]


def test_a_deadline_ends_its_call(results):
    assert results["late"]["code"] == "DEADLINE_EXCEEDED"


def test_a_cancelled_call_ends_and_the_next_one_runs(results):
    assert results["cancelled"]["code"] == "CANCELLED"
    assert results["after"]["code"] == "OK", results["after"]
