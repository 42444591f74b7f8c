"""KServe v2 as tritonclient speaks it, and by hand where that does not reach."""

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException

import harness
from harness import ANSWER_S, refused

Code = grpc.StatusCode

SERVICE = """
service: parts
runners:
  echo: {backend: testing, options: {behavior: identity, shape: [-1]}}
  adder: {backend: testing, options: {behavior: add_sub}}
  words: {backend: testing, options: {behavior: identity, dtype: bytes, shape: [-1]}}
  word: {backend: testing, options: {behavior: identity, dtype: bytes, shape: []}}
  single: {backend: testing, options: {behavior: delay, ms: 0, dtype: int64, shape: [-1]}}
  several: {backend: testing, options: {behavior: identity, shape: [-1], methods: [run, walk]}}
%s
apis:
  add:
    input: {left: "int32[16]", right: "int32[16]"}
    steps:
      sum: adder(left, right)
    output: {total: sum.OUTPUT0, difference: sum.OUTPUT1}
  say:
    input: {greeting: text}
    steps:
      said: word(greeting)
    output: {said: said}
  rows:
    input: {x: "fp32[rows,-1]"}
    steps:
      y: echo(x)
    output: {y: y}
  rest:
    input: {w: "bytes[-1]", i: "int64[-1]", x: "fp32[-1]", b: "bool[-1]", u: "uint8[-1]",
            h: "fp16[-1]", d: "fp64[-1]"}
    steps:
      a: words(w)
      c: single(i)
      e: several(x)
      f: of_bool(b)
      g: of_uint8(u)
      k: of_int64(i)
      l: of_fp16(h)
      m: of_fp64(d)
    output: {a: a, c: c, e: e, f: f, g: g, k: k, l: l, m: m}
"""

ONE_OF_EACH = "\n".join(
    f"  of_{dtype}: {{backend: testing, options: {{behavior: identity, dtype: {dtype}, "
    "shape: [-1]}}" for dtype in ("bool", "uint8", "int64", "fp16", "fp64"))


@pytest.fixture(scope="module")
def server():
    with harness.Server(SERVICE % ONE_OF_EACH) as started:
        yield started


@pytest.fixture(scope="module")
def client(server):
    with triton.InferenceServerClient(server.address) as made:
        yield made


def test_server_and_models_are_live_and_ready(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    for model in ("parts.add", "parts.echo", "parts.several", "parts.several.walk", "add", "echo"):
        assert client.is_model_ready(model), model
    assert client.is_model_ready("parts.add", "1")


def test_readiness_of_an_unknown_model_is_not_found(server):
    with refused(Code.NOT_FOUND, "parts.nothing"):
        server.kserve.ModelReady(service_pb2.ModelReadyRequest(name="parts.nothing"),
                                 timeout=ANSWER_S)


def test_server_metadata(client):
    metadata = client.get_server_metadata()
    assert metadata.name == "tiffin"
    assert metadata.version


def described(tensors):
    return {tensor.name: (tensor.datatype, list(tensor.shape)) for tensor in tensors}


@pytest.mark.parametrize("model, inputs, outputs", [
    ("parts.add", {"left": ("INT32", [16]), "right": ("INT32", [16])},
     {"total": ("INT32", [16]), "difference": ("INT32", [16])}),
    ("parts.say", {"greeting": ("BYTES", [1])}, None),
    ("parts.rows", {"x": ("FP32", [-1, -1])}, {"y": ("FP32", [-1, -1])}),
    ("parts.echo", {"INPUT0": ("FP32", [-1, -1])}, {"OUTPUT0": ("FP32", [-1, -1])}),
    ("parts.adder", {"INPUT0": ("INT32", [-1, 16]), "INPUT1": ("INT32", [-1, 16])},
     {"OUTPUT0": ("INT32", [-1, 16]), "OUTPUT1": ("INT32", [-1, 16])}),
    ("parts.single", {"INPUT0": ("INT64", [-1])}, {"OUTPUT0": ("INT64", [-1])}),
])
def test_model_metadata(client, model, inputs, outputs):
    metadata = client.get_model_metadata(model)
    assert metadata.name == model
    assert list(metadata.versions) == ["1"]
    assert described(metadata.inputs) == inputs
    assert outputs is None or described(metadata.outputs) == outputs


def test_metadata_of_a_stored_model(digits):
    with triton.InferenceServerClient(digits.address) as client:
        metadata = client.get_model_metadata("inference_graph_demo.model_a")
        assert metadata.platform == "xgboost"
        assert len(metadata.versions) == 1 and int(metadata.versions[0]) >= 1
        assert [shape for _, shape in described(metadata.inputs).values()] == [[-1, 64]]
        assert described(metadata.outputs) == {"scores": ("FP32", [-1, 10])}
        predict = client.get_model_metadata("inference_graph_demo.predict")
        assert described(predict.inputs) == {"input_image": ("BYTES", [1])}
        assert described(predict.outputs) == {"verdict": ("BYTES", [1])}


def tensor(name, array, datatype):
    made = triton.InferInput(name, array.shape, datatype)
    made.set_data_from_numpy(array)
    return made


def test_infer_of_an_api(client):
    left = np.arange(16, dtype=np.int32)
    result = client.infer("parts.add", [tensor("left", left, "INT32"),
                                        tensor("right", left + 5, "INT32")], request_id="r-1")
    assert np.array_equal(result.as_numpy("total"), 2 * left + 5)
    assert np.array_equal(result.as_numpy("difference"), np.full(16, -5))
    response = result.get_response()
    assert response.id == "r-1" and not response.parameters
    assert response.model_name == "parts.add" and response.model_version == "1"


def test_only_the_requested_outputs_come_in_the_requested_order(client):
    left = np.arange(16, dtype=np.int32)
    inputs = [tensor("left", left, "INT32"), tensor("right", left, "INT32")]
    wanted = [triton.InferRequestedOutput("difference"), triton.InferRequestedOutput("total")]
    result = client.infer("add", inputs, outputs=wanted).get_response()
    assert [output.name for output in result.outputs] == ["difference", "total"]
    result = client.infer("add", inputs, outputs=wanted[:1]).get_response()
    assert [output.name for output in result.outputs] == ["difference"]


def test_a_batch_meets_a_runner(client):
    rows = np.random.default_rng(1).random((7, 3), dtype=np.float32)
    result = client.infer("parts.echo", [tensor("INPUT0", rows, "FP32")])
    assert np.array_equal(result.as_numpy("OUTPUT0"), rows)


def test_methods_other_than_run_have_names_of_their_own(client):
    rows = np.ones((1, 3), np.float32)
    result = client.infer("parts.several.walk", [tensor("INPUT0", rows, "FP32")])
    assert np.array_equal(result.as_numpy("OUTPUT0"), rows)


def test_an_element_type_each(client):
    for dtype, array in {
            "bool": np.array([[True, False]]), "uint8": np.array([[0, 255]], np.uint8),
            "int64": np.array([[-(1 << 63), (1 << 63) - 1]], np.int64),
            "fp16": np.array([[0.5, -2]], np.float16),
            "fp64": np.array([[1e300, -0.0]], np.float64)}.items():
        result = client.infer(f"parts.of_{dtype}", [tensor("INPUT0", array, dtype.upper())])
        assert np.array_equal(result.as_numpy("OUTPUT0"), array), dtype


def test_bytes_of_any_content(client):
    words = np.array([[b"", b"\0\xff", "häßlich".encode(), b"x" * 70_000]], dtype=object)
    result = client.infer("parts.words", [tensor("INPUT0", words, "BYTES")])
    assert result.as_numpy("OUTPUT0").tolist() == words.tolist()


def test_text_is_a_bytes_element(client):
    text = np.array(["guten Tag, 世界".encode()], dtype=object)
    result = client.infer("parts.say", [tensor("greeting", text, "BYTES")])
    (said,) = result.as_numpy("said").flatten()
    assert said == text[0]


def typed_request(model, name, datatype, shape, **contents):
    request = service_pb2.ModelInferRequest(model_name=model)
    added = harness.add_input(request, name, datatype, shape)
    for field, values in contents.items():
        getattr(added.contents, field).extend(values)
    return request


@pytest.mark.parametrize("model, datatype, contents, expected", [
    ("parts.echo", "FP32", {"fp32_contents": [1.5, -2]}, np.array([[1.5, -2]], np.float32)),
    ("parts.of_fp64", "FP64", {"fp64_contents": [1e300, 2]}, np.array([[1e300, 2]])),
    ("parts.of_bool", "BOOL", {"bool_contents": [True, False]}, np.array([[True, False]])),
    ("parts.of_uint8", "UINT8", {"uint_contents": [0, 255]}, np.array([[0, 255]], np.uint8)),
    ("parts.of_int64", "INT64", {"int64_contents": [-1, 1 << 62]},
     np.array([[-1, 1 << 62]], np.int64)),
])
def test_typed_contents(server, model, datatype, contents, expected):
    request = typed_request(model, "INPUT0", datatype, expected.shape, **contents)
    outputs = harness.outputs_of(server.kserve.ModelInfer(request, timeout=ANSWER_S))
    assert np.array_equal(outputs["OUTPUT0"], expected)


def test_typed_bytes(server):
    request = typed_request("parts.words", "INPUT0", "BYTES", [1, 2],
                            bytes_contents=[b"one", b"\0two"])
    outputs = harness.outputs_of(server.kserve.ModelInfer(request, timeout=ANSWER_S))
    assert outputs["OUTPUT0"] == [b"one", b"\0two"]


def test_errors_reach_tritonclient(client):
    with pytest.raises(InferenceServerException, match="left, right") as error:
        client.infer("parts.add", [tensor("lift", np.zeros(16, np.int32), "INT32")])
    assert "INVALID_ARGUMENT" in str(error.value.status())


def test_tritonclients_timeout_is_microseconds(client):
    rows = np.ones((1, 3), np.float32)
    client.infer("parts.echo", [tensor("INPUT0", rows, "FP32")], timeout=20_000_000)


@pytest.mark.parametrize("method, request_type", [
    ("RepositoryModelLoad", service_pb2.RepositoryModelLoadRequest),
    ("RepositoryModelUnload", service_pb2.RepositoryModelUnloadRequest),
    ("SystemSharedMemoryStatus", service_pb2.SystemSharedMemoryStatusRequest),
    ("SystemSharedMemoryRegister", service_pb2.SystemSharedMemoryRegisterRequest),
    ("CudaSharedMemoryStatus", service_pb2.CudaSharedMemoryStatusRequest),
    ("TraceSetting", service_pb2.TraceSettingRequest),
    ("LogSettings", service_pb2.LogSettingsRequest),
])
def test_the_rest_of_the_protocol_is_unimplemented_by_name(server, method, request_type):
    with refused(Code.UNIMPLEMENTED, method):
        getattr(server.kserve, method)(request_type(), timeout=ANSWER_S)


def test_parameters_of_ones_own_come_back(client):
    rows = np.ones((1, 3), np.float32)
    result = client.infer("parts.echo", [tensor("INPUT0", rows, "FP32")], sequence_id=7,
                          parameters={"mine": "kept"})
    assert result.get_response().parameters["mine"].string_param == "kept"


def test_many_clients_at_once(server):
    channels = [grpc.insecure_channel(server.address, options=[("grpc.use_local_subchannel_pool",
                                                                1)]) for _ in range(8)]
    try:
        stubs = [harness.service_pb2_grpc.GRPCInferenceServiceStub(channel)
                 for channel in channels]
        rows = {turn: np.full((1, 5), turn, np.float32) for turn in range(160)}
        futures = {turn: stubs[turn % 8].ModelInfer.future(
            harness.infer_request("parts.echo", array), timeout=ANSWER_S)
                   for turn, array in rows.items()}
        for turn, future in futures.items():
            assert np.array_equal(harness.outputs_of(future.result())["OUTPUT0"], rows[turn])
    finally:
        for channel in channels:
            channel.close()
