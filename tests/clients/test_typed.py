"""The typed API by stubs that protoc makes from `tiffin check --proto`."""

import json

import grpc
import pytest

import fixtures
import harness
from harness import ANSWER_S, refused

Code = grpc.StatusCode

SERVICE = """
service: kinds
runners:
  word: {backend: testing, options: {behavior: identity, dtype: bytes, shape: []}}
  words: {backend: testing, options: {behavior: identity, dtype: bytes, shape: [-1]}}
  echo: {backend: testing, options: {behavior: identity, shape: [-1]}}
  left: {backend: testing, options: {behavior: identity, shape: [-1]}}
apis:
  of_text:
    input: {value: text}
    steps:
      out: word(value)
    output: {value: out}
  of_json:
    input: {value: json}
    steps:
      out: word(value)
    output: {value: out}
  of_bytes:
    input: {value: bytes}
    steps:
      out: word(value)
    output: {value: out}
  of_words:
    input: {value: "bytes[-1]"}
    steps:
      out: words(value)
    output: {value: out}
  of_rows:
    input: {value: "fp32[rows,-1]"}
    steps:
      a: echo(value)
      b: left(a)
      out: select(a, b, index=1)
    output: {value: out, first: a}
"""


@pytest.fixture(scope="module")
def server():
    with harness.Server(SERVICE) as started:
        yield started


@pytest.fixture(scope="module")
def kinds(server, module_folder):
    fixtures.generate_stubs(module_folder, server.files[0])
    # pylint: disable=import-outside-toplevel
    from tiffin.services.kinds import service_pb2, service_pb2_grpc
    from tiffin.v1 import tensor_pb2

    return service_pb2, service_pb2_grpc.KindsStub(server.channel), tensor_pb2.Tensor


@pytest.fixture(scope="module")
def demo(digits, digits_stubs):
    service_pb2, service_pb2_grpc = digits_stubs
    return service_pb2, service_pb2_grpc.InferenceGraphDemoStub(digits.channel)


def image():
    return min(harness.IMAGES.iterdir()).read_bytes()


def test_the_digits_service_answers(demo):
    messages, stub = demo
    reply = stub.Predict(messages.PredictRequest(input_image=image()), timeout=ANSWER_S)
    assert "model_a" in reply.verdict and "model_b" in reply.verdict


def test_fields_are_optional_and_numbered_in_order(demo):
    messages, _ = demo
    (field,) = messages.PredictRequest.DESCRIPTOR.fields
    assert (field.name, field.number, field.has_presence) == ("input_image", 1, True)
    assert not messages.PredictRequest().HasField("input_image")


def test_a_missing_field_is_named(demo):
    messages, stub = demo
    with refused(Code.INVALID_ARGUMENT, "input_image", "missing"):
        stub.Predict(messages.PredictRequest(), timeout=ANSWER_S)


def single(reply):
    (element,) = harness.unframe(reply.value.data)
    return element


def test_text_goes_in(kinds):
    messages, stub, _ = kinds
    for text in ("", "hällo", "x" * 100_000):
        assert single(stub.OfText(messages.OfTextRequest(value=text))) == text.encode()


def test_json_goes_in(kinds):
    messages, stub, _ = kinds
    request = messages.OfJsonRequest()
    request.value.struct_value["list"] = [1, 2.5, None, {"deep": "ä"}]
    assert json.loads(single(stub.OfJson(request))) == {"list": [1, 2.5, None, {"deep": "ä"}]}


def test_bytes_go_in(kinds):
    messages, stub, _ = kinds
    content = bytes(range(256)) * 10
    assert single(stub.OfBytes(messages.OfBytesRequest(value=content))) == content


def test_a_bytes_tensor_keeps_its_frames(kinds):
    messages, stub, tensor = kinds
    value = tensor(dtype="BYTES", shape=[2], data=harness.frame(b"one", b""))
    assert stub.OfWords(messages.OfWordsRequest(value=value)).value == value


def test_rows_are_the_first_dimension(kinds):
    messages, stub, tensor = kinds
    value = tensor(dtype="FP32", shape=[3, 2], data=bytes(24))
    reply = stub.OfRows(messages.OfRowsRequest(value=value))
    assert reply.value == value and reply.first == value


# Request ids and timings.


def trailers(call):
    return dict(call.trailing_metadata())


def with_call(demo, metadata, **fields):
    messages, stub = demo
    _, call = stub.Predict.with_call(messages.PredictRequest(**fields), timeout=ANSWER_S,
                                     metadata=metadata)
    return trailers(call)


def test_a_request_id_comes_back(demo):
    assert with_call(demo, [("x-request-id", "lunch-1")], input_image=image())[
        "x-request-id"] == "lunch-1"


def test_a_request_id_is_made_where_none_is_given(demo):
    made = {with_call(demo, [], input_image=image())["x-request-id"] for _ in range(20)}
    assert len(made) == 20 and all(made)


def test_a_refused_request_has_an_id_too(demo):
    messages, stub = demo
    with pytest.raises(grpc.RpcError) as error:
        stub.Predict(messages.PredictRequest(), timeout=ANSWER_S,
                     metadata=[("x-request-id", "lunch-2")])
    assert trailers(error.value)["x-request-id"] == "lunch-2"


def test_an_id_may_be_long_or_odd(demo):
    odd = with_call(demo, [("x-request-id", "x" * 4000)], input_image=image())["x-request-id"]
    assert 0 < len(odd) <= 4000 and set(odd) == {"x"}


def test_kserves_id_goes_before_metadata(digits):
    request = harness.infer_request("inference_graph_demo.predict", input_image=image())
    request.id = "of-the-message"
    response, call = digits.kserve.ModelInfer.with_call(
        request, timeout=ANSWER_S, metadata=[("x-request-id", "of-the-metadata")])
    assert response.id == "of-the-message"
    assert trailers(call)["x-request-id"] == "of-the-message"


def test_timings_come_only_when_asked_for(demo):
    assert "tiffin-timing" not in with_call(demo, [], input_image=image())
    assert "tiffin-timing" not in with_call(demo, [("tiffin-timing", "0")], input_image=image())


def test_the_timeline_shows_order_and_parallel_branches(demo):
    text = with_call(demo, [("tiffin-timing", "1")], input_image=image())["tiffin-timing"]
    assert len(text) <= 6000 and "\n" not in text
    timing = json.loads(text)
    steps = {step["name"]: step for step in timing["steps"]}
    assert {name: step["runner"] for name, step in steps.items()} == {
        "features": "preprocess", "a": "model_a", "b": "model_b", "verdict": ""}
    for step in steps.values():
        assert set(step) == {"name", "runner", "start_us", "end_us", "queue_us", "batch_us",
                             "compute_us", "transport_us"}
        assert 0 <= step["start_us"] <= step["end_us"] <= timing["total_us"]
        assert step["queue_us"] + step["compute_us"] <= step["end_us"] - step["start_us"] + 1000
    for branch in ("a", "b"):
        assert steps["features"]["end_us"] <= steps[branch]["start_us"]
        assert steps[branch]["end_us"] <= steps["verdict"]["start_us"]
    # Both are on their way before either is back.
    assert max(steps["a"]["start_us"], steps["b"]["start_us"]) <= min(
        steps["a"]["end_us"], steps["b"]["end_us"])


LONG_SERVICE = """
service: longest
runners:
  echo: {{backend: testing, options: {{behavior: identity, shape: [-1]}}}}
apis:
  go:
    input: {{x: "fp32[rows,-1]"}}
    steps:
{steps}
    output: {{y: {last}}}
"""


def test_a_timeline_of_many_steps_stays_within_its_bound():
    names = [f"a_step_with_quite_a_long_name_{index}" for index in range(90)]
    steps = "\n".join(f"      {name}: echo({before})"
                      for before, name in zip(["x", *names], names))
    with harness.Server(LONG_SERVICE.format(steps=steps, last=names[-1])) as server:
        request = harness.infer_request("longest.go", x=harness.np.ones((1, 2), "float32"))
        _, call = server.kserve.ModelInfer.with_call(
            request, timeout=ANSWER_S, metadata=[("tiffin-timing", "1")])
        text = trailers(call)["tiffin-timing"]
        assert len(text) <= 6000
        shown = [step["name"] for step in json.loads(text)["steps"]]
        assert shown == names[:len(shown)] and shown


# A client that was built on an older contract.

GROWN = """
service: grown
runners:
  word: {backend: testing, options: {behavior: identity, dtype: bytes, shape: []}}
  last: {backend: testing, options: {behavior: identity, dtype: bytes, shape: []}}
apis:
  say:
    input: {%s}
    steps:
      a: word(text)
      b: last(blob)
    output: {%s}
"""
ADDED_API = """  tell:
    input: {text: text}
    steps:
      a: word(text)
    output: {said: a}
"""


def test_an_old_client_works_with_a_server_that_has_grown(folder):
    service = folder / "service.yaml"
    service.write_text(GROWN % ("text: text, blob: bytes", "said: a, raw: b"))
    protos = fixtures.generate_stubs(folder, service)
    # pylint: disable=import-outside-toplevel
    from tiffin.services.grown import service_pb2, service_pb2_grpc

    (folder / "service.proto").write_bytes(
        (protos / "tiffin/services/grown/service.proto").read_bytes())
    service.write_text(GROWN % ("blob: bytes, text: text", "also: b, raw: b, said: a") + ADDED_API)
    with harness.Server(service, folder=folder) as server:
        stub = service_pb2_grpc.GrownStub(server.channel)
        reply = stub.Say(service_pb2.SayRequest(text="soup", blob=b"\0\xff"), timeout=ANSWER_S)
        assert harness.unframe(reply.said.data) == [b"soup"]
        assert harness.unframe(reply.raw.data) == [b"\0\xff"]
        with refused(Code.INVALID_ARGUMENT, "blob", "missing"):
            stub.Say(service_pb2.SayRequest(text="soup"), timeout=ANSWER_S)
