"""KServe v2 over HTTP: tritonclient.http, sync and asyncio, and curl."""

import asyncio
import json

import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException

import harness
from harness import ANSWER_S

SERVICE = """
service: parts
runners:
  echo: {{backend: testing, options: {{behavior: identity, shape: [-1]}}}}
  adder: {{backend: testing, options: {{behavior: add_sub}}}}
  words: {{backend: testing, options: {{behavior: identity, dtype: bytes, shape: [-1]}}}}
  halves: {{backend: testing, options: {{behavior: identity, dtype: fp16, shape: [-1]}}}}
  flags: {{backend: testing, options: {{behavior: identity, dtype: bool, shape: [-1]}}}}
  longs: {{backend: testing, options: {{behavior: identity, dtype: int64, shape: [-1]}}}}
  doubles: {{backend: testing, options: {{behavior: identity, dtype: fp64, shape: [-1]}}}}
  wait: {{backend: testing, options: {{behavior: delay, until: {gate}, ms: 60000}}}}
apis:
  add:
    input: {{left: "int32[16]", right: "int32[16]"}}
    steps:
      sum: adder(left, right)
    output: {{total: sum.OUTPUT0, difference: sum.OUTPUT1}}
  rest:
    input: {{x: "fp32[-1]", w: "bytes[-1]", h: "fp16[-1]", b: "bool[-1]", i: "int64[-1]",
            d: "fp64[-1]"}}
    steps:
      a: echo(x)
      c: words(w)
      e: halves(h)
      f: flags(b)
      g: longs(i)
      k: doubles(d)
      l: wait(x)
    output: {{a: a, c: c, e: e, f: f, g: g, k: k, l: l}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    service = SERVICE.format(gate=tmp_path_factory.mktemp("gate") / "never")
    with harness.Server(service, args=["--http-address", "127.0.0.1:0"]) as started:
        yield started


@pytest.fixture(scope="module")
def client(server):
    made = triton.InferenceServerClient(server.http_address, network_timeout=ANSWER_S,
                                        connection_timeout=ANSWER_S)
    yield made
    made.close()


def tensor(name, array, datatype, binary=True, module=triton):
    made = module.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


LEFT = np.arange(16, dtype=np.int32)


def check_sum(result):
    assert np.array_equal(result.as_numpy("total"), 2 * LEFT + 5)
    assert np.array_equal(result.as_numpy("difference"), np.full(16, -5))


@pytest.mark.parametrize("binary_out", [None, True, False])
@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("model", ["parts.add", "add"])
def test_infer_of_an_api(client, model, binary_in, binary_out):
    outputs = binary_out is not None and [
        triton.InferRequestedOutput(name, binary_data=binary_out)
        for name in ("total", "difference")]
    result = client.infer(model, [tensor("left", LEFT, "INT32", binary_in),
                                  tensor("right", LEFT + 5, "INT32", binary_in)],
                          outputs=outputs or None, request_id="r-1", model_version="1",
                          timeout=20_000_000, parameters={"mine": "kept"})
    check_sum(result)
    response = result.get_response()
    assert response["id"] == "r-1" and response["parameters"]["mine"] == "kept"
    assert response["model_name"] == "parts.add" and response["model_version"] == "1"


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compressed_requests(client, algorithm):
    check_sum(client.infer(
        "parts.add", [tensor("left", LEFT, "INT32"), tensor("right", LEFT + 5, "INT32", False)],
        request_compression_algorithm=algorithm, response_compression_algorithm=algorithm))


def test_infer_of_a_runner_with_rows(client):
    rows = np.random.default_rng(1).random((7, 3), dtype=np.float32)
    for binary in (True, False):
        result = client.infer("parts.echo", [tensor("INPUT0", rows, "FP32", binary)], outputs=[
            triton.InferRequestedOutput("OUTPUT0", binary_data=binary)])
        assert np.array_equal(result.as_numpy("OUTPUT0"), rows)


@pytest.mark.parametrize("model, datatype, array", [
    ("parts.echo", "FP32", np.array([[1e-20, -np.inf, np.nan]], np.float32)),
    ("parts.doubles", "FP64", np.array([[1e300, -0.0]])),
    ("parts.flags", "BOOL", np.array([[True, False]])),
    ("parts.longs", "INT64", np.array([[-(1 << 63), (1 << 63) - 1]])),
])
def test_an_element_type_each(client, model, datatype, array):
    finite = datatype != "FP32"  # tritonclient writes no others as JSON.
    for binary_in, binary_out in ((True, True), (True, False), (not finite, True)):
        result = client.infer(model, [tensor("INPUT0", array, datatype, binary_in)], outputs=[
            triton.InferRequestedOutput("OUTPUT0", binary_data=binary_out)])
        assert np.array_equal(result.as_numpy("OUTPUT0"), array, equal_nan=True)


def test_halves_are_binary(client):
    halves = np.array([[0.5, -2]], np.float16)
    result = client.infer("parts.halves", [tensor("INPUT0", halves, "FP16")])
    assert np.array_equal(result.as_numpy("OUTPUT0"), halves)
    with pytest.raises(InferenceServerException, match="FP16, which JSON has not"):
        client.infer("parts.halves", [tensor("INPUT0", halves, "FP16")], outputs=[
            triton.InferRequestedOutput("OUTPUT0", binary_data=False)])


def test_bytes(client):
    words = np.array([[b"", b"\0\xff", "häßlich".encode(), b"x" * 70_000]], dtype=object)
    result = client.infer("parts.words", [tensor("INPUT0", words, "BYTES")])
    assert result.as_numpy("OUTPUT0").tolist() == words.tolist()
    texts = np.array([["", "häßlich", "\"quoted\"\n"]], dtype=object)
    result = client.infer("parts.words", [tensor("INPUT0", texts, "BYTES", False)], outputs=[
        triton.InferRequestedOutput("OUTPUT0", binary_data=False)])
    assert result.as_numpy("OUTPUT0").tolist() == texts.tolist()
    with pytest.raises(InferenceServerException, match="not UTF-8"):
        client.infer("parts.words", [tensor("INPUT0", words, "BYTES")], outputs=[
            triton.InferRequestedOutput("OUTPUT0", binary_data=False)])


def test_an_image_meets_the_digits():
    with harness.Server(harness.DIGITS_SERVICE, args=["--http-address", "127.0.0.1:0"]) as digits:
        with triton.InferenceServerClient(digits.http_address) as client:
            image = np.array([(harness.IMAGES / "digit_7.png").read_bytes()], dtype=object)
            result = client.infer("inference_graph_demo.predict",
                                  [tensor("input_image", image, "BYTES")])
            assert result.as_numpy("verdict")[0].startswith(b"7 (agree")


def test_the_server_and_its_models(client):
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("parts.add") and client.is_model_ready("echo", "1")
    assert not client.is_model_ready("parts.none")
    assert client.get_server_metadata()["name"] == "tiffin"
    metadata = client.get_model_metadata("parts.echo", "1")
    assert metadata["inputs"] == [{"name": "INPUT0", "datatype": "FP32", "shape": [-1, -1]}]
    config = client.get_model_config("parts.add")
    assert config["platform"] == "ensemble" and config["max_batch_size"] == 0
    assert config["ensemble_scheduling"]["step"][0]["model_name"] == "parts.adder"
    assert "parts.add" in {model["name"] for model in client.get_model_repository_index()}


def test_statistics_are_those_of_grpc(client, server):
    before = server.kserve.ModelStatistics(
        harness.service_pb2.ModelStatisticsRequest(name="parts.echo"), timeout=ANSWER_S)
    client.infer("parts.echo", [tensor("INPUT0", np.ones((3, 2), np.float32), "FP32")])
    after = client.get_inference_statistics("parts.echo")["model_stats"][0]
    assert after["inference_count"] == before.model_stats[0].inference_count + 3
    assert after["inference_stats"]["success"]["count"] >= 1
    assert len(client.get_inference_statistics()["model_stats"]) > 5


@pytest.mark.parametrize("ask, status, message", [
    (lambda client: client.infer("parts.none", [tensor("x", LEFT, "INT32")]), "404",
     "no model 'parts.none'"),
    (lambda client: client.infer("parts.add", [tensor("lift", LEFT, "INT32")]), "400",
     "no input 'lift'; it takes left, right"),
    (lambda client: client.infer("parts.wait", [tensor("INPUT0", np.ones(1, np.float32), "FP32")],
                                 timeout=50_000), "504", "deadline"),
    (lambda client: client.infer("parts.add", [tensor("left", LEFT, "INT32")], outputs=[
        triton.InferRequestedOutput("total", class_count=2)]), "400", "classification"),
    (lambda client: client.load_model("parts.add"), "501", "models are loaded when"),
    (lambda client: client.unload_model("parts.add"), "501", "models are loaded when"),
    (lambda client: client.get_system_shared_memory_status(), "501", "not supported"),
    (lambda client: client.get_model_config("parts.add", "7"), "404", "no version '7'"),
])
def test_errors_reach_tritonclient(client, ask, status, message):
    with pytest.raises(InferenceServerException, match=message) as error:
        ask(client)
    assert error.value.status() == status


def test_asyncio(server):
    async def ask():
        async with triton_aio.InferenceServerClient(server.http_address) as client:
            assert await client.is_server_ready() and await client.is_model_ready("parts.add")
            results = await asyncio.gather(*[
                client.infer("parts.add", [
                    tensor("left", LEFT, "INT32", binary, triton_aio),
                    tensor("right", LEFT + 5, "INT32", True, triton_aio)])
                for binary in (True, False) for _ in range(8)])
            with pytest.raises(InferenceServerException, match="no model"):
                await client.get_model_metadata("parts.none")
            return results

    for result in asyncio.run(asyncio.wait_for(ask(), ANSWER_S)):
        check_sum(result)


def curl(server, path, *args):
    made = harness.run("curl", "-sS", "--max-time", ANSWER_S, "-w", "%{http_code}", *args,
                       f"http://{server.http_address}{path}")
    assert made.returncode == 0, made.stderr
    return int(made.stdout[-3:]), json.loads(made.stdout[:-3])


def test_curl_sends_json(server):
    asked = {"inputs": [{"name": "INPUT0", "shape": [2, 2], "datatype": "FP32",
                         "data": [[1, 2], [3, 4]]}]}
    assert curl(server, "/v2/models/parts.echo/infer", "-d", json.dumps(asked)) == (200, {
        "model_name": "parts.echo", "model_version": "1", "outputs": [
            {"name": "OUTPUT0", "datatype": "FP32", "shape": [2, 2], "data": [1, 2, 3, 4]}]})
    status, answer = curl(server, "/v2/models/parts.echo/infer", "-d", "{")
    assert status == 400 and "does not parse as JSON" in answer["error"]
    assert curl(server, "/v2/models/parts.echo/infer")[0] == 405
    assert curl(server, "/v2/health/ready") == (200, {"ready": True})
