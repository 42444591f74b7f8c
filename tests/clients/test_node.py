"""A client in Node.js, on @grpc/grpc-js and the files of `tiffin check --proto`, without stubs that
were made before."""

import json
import os
import pathlib

import pytest

import fixtures
import harness

CLIENT = pathlib.Path(__file__).parent / "node/client.js"
MODULES = harness.ROOT / "build/node/node_modules"
SERVICES = (harness.DIGITS_SERVICE, harness.SENTIMENT_SERVICE)


@pytest.fixture(scope="module")
def results(module_folder):
    """What the client says: name of a call -> its code, details, reply and request id."""
    protos = fixtures.write_protos(module_folder, *SERVICES)
    with harness.Server(*SERVICES) as server:
        ran = harness.run("node", CLIENT, server.address, protos, harness.IMAGES / "digit_7.png",
                          harness.TEXT_IMAGES / "serif.png",
                          env={**os.environ, "NODE_PATH": str(MODULES)})
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


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


def test_a_deadline_and_a_cancellation_end_their_call_only(results):
    assert results["late"]["code"] == "DEADLINE_EXCEEDED"
    assert results["cancelled"]["code"] == "CANCELLED"
    assert results["after"] == results["feeling"] | {"id": results["after"]["id"]}
