"""Requests that do not fit: a clear refusal each, naming the thing, and no harm."""

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2

import fixtures
import harness
from harness import ANSWER_S, add_input, refused

Code = grpc.StatusCode

SERVICE = """
service: picky
runners:
  echo: {backend: testing, options: {behavior: identity, shape: [-1]}}
  square: {backend: testing, options: {behavior: identity, shape: [-1, -1]}}
  adder: {backend: testing, options: {behavior: add_sub}}
  words: {backend: testing, options: {behavior: identity, dtype: bytes, shape: [-1]}}
  small: {backend: testing, options: {behavior: identity, dtype: int8, shape: [-1]}}
  word: {backend: testing, options: {behavior: identity, dtype: bytes, shape: []}}
apis:
  add:
    input: {left: "int32[16]", right: "int32[16]"}
    steps:
      sum: adder(left, right)
    output: {total: sum.OUTPUT0, difference: sum.OUTPUT1}
  many:
    input: {left: "int32[rows,16]", right: "int32[rows,16]"}
    steps:
      sum: adder(left, right)
    output: {total: sum.OUTPUT0, difference: sum.OUTPUT1}
  say:
    input: {greeting: text}
    steps:
      said: word(greeting)
    output: {said: said}
  note:
    input: {fact: json}
    steps:
      noted: word(fact)
    output: {noted: noted}
  rest:
    input: {x: "fp32[-1]", y: "fp32[-1,-1]", w: "bytes[-1]", i: "int8[-1]"}
    steps:
      a: echo(x)
      b: square(y)
      c: words(w)
      d: small(i)
    output: {a: a, b: b, c: c, d: d}
"""

SIXTEEN = np.arange(16, dtype=np.int32)
RAW = SIXTEEN.tobytes()


@pytest.fixture(scope="module")
def server():
    with harness.Server(SERVICE) as started:
        yield started


@pytest.fixture(scope="module")
def typed(server, module_folder):
    fixtures.generate_stubs(module_folder, server.files[0])
    # pylint: disable=import-outside-toplevel
    from tiffin.services.picky import service_pb2 as messages
    from tiffin.services.picky import service_pb2_grpc as services
    from tiffin.v1 import tensor_pb2

    return messages, services.PickyStub(server.channel), tensor_pb2.Tensor


@pytest.fixture(autouse=True)
def no_harm(server):
    """After each test the same workers answer a good request."""
    before = server.worker_pids()
    yield
    outputs = server.infer("picky.add", left=SIXTEEN, right=SIXTEEN)
    assert outputs["total"].tolist() == (SIXTEEN * 2).tolist()
    assert server.worker_pids() == before, server.said()


def add_request(left=("left", "INT32", [16], RAW), right=("right", "INT32", [16], RAW)):
    request = service_pb2.ModelInferRequest(model_name="picky.add")
    for tensor in (left, right):
        if tensor is not None:
            add_input(request, *tensor)
    return request


def one_input(model, *tensor):
    request = service_pb2.ModelInferRequest(model_name=model)
    add_input(request, *tensor)
    return request


def typed_and_raw():
    request = add_request()
    request.inputs[0].contents.int_contents.extend(range(16))
    return request


def raw_entries(count):
    request = add_request()
    del request.raw_input_contents[:]
    request.raw_input_contents.extend([RAW] * count)
    return request


def typed_contents(model, name, datatype, shape, **contents):
    request = service_pb2.ModelInferRequest(model_name=model)
    tensor = add_input(request, name, datatype, shape)
    for field, values in contents.items():
        getattr(tensor.contents, field).extend(values)
    return request


def with_output(name):
    request = add_request()
    request.outputs.add(name=name)
    return request


def with_version(version):
    request = add_request()
    request.model_version = version
    return request


def with_parameter(name, **value):
    request = add_request()
    field, content = next(iter(value.items()))
    setattr(request.parameters[name], field, content)
    return request


def twice():
    request = add_request()
    add_input(request, "left", "INT32", [16], RAW)
    return request


BIG = 1 << 62
HUGE = (1 << 63) - 1

# name: (the request, its code, words that the message must have)
BAD = {
    "unknown model": (
        one_input("picky.nothing", "x", "FP32", [1], b"1234"), Code.NOT_FOUND,
        ["picky.nothing", "picky.add"]),
    "unknown service": (
        one_input("nobody.add", "x", "FP32", [1], b"1234"), Code.NOT_FOUND, ["nobody.add"]),
    "empty model name": (one_input("", "x", "FP32", [1], b"1234"), Code.NOT_FOUND, ["''"]),
    "long model name": (
        one_input("m" * 100_000, "x", "FP32", [1], b"1234"), Code.NOT_FOUND, ["mmmm"]),
    "unknown version": (with_version("7"), Code.NOT_FOUND, ["picky.add", "'7'", "1"]),
    "wrong tensor name": (
        add_request(left=("lift", "INT32", [16], RAW)), Code.INVALID_ARGUMENT,
        ["lift", "left, right"]),
    "surplus input": (
        one_input("picky.add", "extra", "INT32", [16], RAW), Code.INVALID_ARGUMENT, ["extra"]),
    "missing input": (add_request(right=None), Code.INVALID_ARGUMENT, ["right", "missing"]),
    "no input": (add_request(None, None), Code.INVALID_ARGUMENT, ["left", "missing"]),
    "the same input twice": (twice(), Code.INVALID_ARGUMENT, ["left", "twice"]),
    "wrong dtype": (
        add_request(left=("left", "FP32", [16], RAW)), Code.INVALID_ARGUMENT,
        ["left", "FP32", "INT32"]),
    "unknown dtype": (
        add_request(left=("left", "INT33", [16], RAW)), Code.INVALID_ARGUMENT, ["left", "INT33"]),
    "wrong shape": (
        add_request(left=("left", "INT32", [4, 4], RAW)), Code.INVALID_ARGUMENT,
        ["left", "[4,4]", "[16]"]),
    "too few elements": (
        add_request(left=("left", "INT32", [16], RAW[:-4])), Code.INVALID_ARGUMENT,
        ["left", "60", "64"]),
    "too many elements": (
        add_request(left=("left", "INT32", [16], RAW + RAW)), Code.INVALID_ARGUMENT,
        ["left", "128", "64"]),
    "negative size": (
        one_input("picky.echo", "INPUT0", "FP32", [1, -4], b""), Code.INVALID_ARGUMENT,
        ["INPUT0", "-4"]),
    "a shape that overflows": (
        one_input("picky.square", "INPUT0", "FP32", [1, BIG, 4], b"1234"), Code.INVALID_ARGUMENT,
        ["INPUT0"]),
    "a byte size that overflows": (
        one_input("picky.echo", "INPUT0", "FP32", [1, BIG], b""), Code.INVALID_ARGUMENT,
        ["INPUT0"]),
    "a shape whose product is zero by overflow": (
        one_input("picky.square", "INPUT0", "FP32", [1 << 32, 1 << 32, 1], b""),
        Code.INVALID_ARGUMENT, ["INPUT0"]),
    "the largest size": (
        one_input("picky.echo", "INPUT0", "FP32", [HUGE, HUGE], b""), Code.INVALID_ARGUMENT,
        ["INPUT0"]),
    "a huge zero": (
        one_input("picky.echo", "INPUT0", "FP32", [HUGE, 0], b""), Code.INVALID_ARGUMENT,
        ["INPUT0"]),
    "no rows": (
        one_input("picky.echo", "INPUT0", "FP32", [0, 4], b""), Code.INVALID_ARGUMENT,
        ["INPUT0", "rows"]),
    "a hundred thousand dimensions": (
        one_input("picky.echo", "INPUT0", "FP32", [1] * 100_000, b"1234"), Code.INVALID_ARGUMENT,
        ["INPUT0"]),
    "raw and typed contents together": (
        typed_and_raw(), Code.INVALID_ARGUMENT, ["left", "raw_input_contents"]),
    "surplus raw entries": (
        raw_entries(3), Code.INVALID_ARGUMENT, ["3", "raw_input_contents", "2"]),
    "too few raw entries": (
        raw_entries(1), Code.INVALID_ARGUMENT, ["1", "raw_input_contents", "2"]),
    "neither raw nor typed contents": (
        raw_entries(0), Code.INVALID_ARGUMENT, ["left", "16", "0"]),
    "BYTES whose length runs over the end": (
        one_input("picky.words", "INPUT0", "BYTES", [1, 1], b"\xff\xff\xff\x7fabc"),
        Code.INVALID_ARGUMENT, ["INPUT0"]),
    "BYTES of the largest length": (
        one_input("picky.words", "INPUT0", "BYTES", [1, 1], b"\xff\xff\xff\xffabc"),
        Code.INVALID_ARGUMENT, ["INPUT0"]),
    "BYTES whose length is cut": (
        one_input("picky.words", "INPUT0", "BYTES", [1, 1], b"\x01\x00"),
        Code.INVALID_ARGUMENT, ["INPUT0"]),
    "BYTES with a surplus element": (
        one_input("picky.words", "INPUT0", "BYTES", [1, 1], harness.frame(b"a", b"b")),
        Code.INVALID_ARGUMENT, ["INPUT0"]),
    "BYTES with a missing element": (
        one_input("picky.words", "INPUT0", "BYTES", [1, 3], harness.frame(b"a", b"b")),
        Code.INVALID_ARGUMENT, ["INPUT0"]),
    "BYTES without frames": (
        one_input("picky.say", "greeting", "BYTES", [1], b"hello, world"), Code.INVALID_ARGUMENT,
        ["greeting"]),
    "text that is not UTF-8": (
        one_input("picky.say", "greeting", "BYTES", [1], harness.frame(b"\xff\xfe")),
        Code.INVALID_ARGUMENT, ["greeting", "UTF-8"]),
    "json that does not parse": (
        one_input("picky.note", "fact", "BYTES", [1], harness.frame(b"{no")),
        Code.INVALID_ARGUMENT, ["fact", "JSON"]),
    "json that nests without end": (
        one_input("picky.note", "fact", "BYTES", [1], harness.frame(b"[" * 1_000_000)),
        Code.INVALID_ARGUMENT, ["fact"]),
    "typed contents in the wrong field": (
        typed_contents("picky.echo", "INPUT0", "FP32", [1, 2], int_contents=[1, 2]),
        Code.INVALID_ARGUMENT, ["int_contents", "fp32_contents"]),
    "typed contents of the wrong count": (
        typed_contents("picky.echo", "INPUT0", "FP32", [1, 2], fp32_contents=[1]),
        Code.INVALID_ARGUMENT, ["fp32_contents", "2", "1"]),
    "a typed element that does not fit": (
        typed_contents("picky.small", "INPUT0", "INT8", [1, 1], int_contents=[300]),
        Code.INVALID_ARGUMENT, ["300", "INT8"]),
    "rows that differ": (
        harness.infer_request("picky.many", left=np.tile(SIXTEEN, (2, 1)),
                              right=np.tile(SIXTEEN, (3, 1))),
        Code.INVALID_ARGUMENT, ["right", "3", "2"]),
    "unknown output": (with_output("median"), Code.INVALID_ARGUMENT, ["median", "total"]),
    "a timeout that is no number": (
        with_parameter("timeout", string_param="soon"), Code.INVALID_ARGUMENT, ["timeout"]),
}


@pytest.mark.parametrize("name", BAD)
def test_kserve_refuses(name, server):
    request, code, words = BAD[name]
    with refused(code, *words):
        server.kserve.ModelInfer(request, timeout=ANSWER_S)


def test_client_shared_memory_is_refused_on_a_tensor(server):
    request = add_request()
    request.inputs[0].parameters["shared_memory_region"].string_param = "region"
    with refused(Code.INVALID_ARGUMENT, "left", "shared_memory_region", "--client-shared-memory"):
        server.kserve.ModelInfer(request, timeout=ANSWER_S)


def raw_call(server, method, content):
    return server.channel.unary_unary(
        method, request_serializer=bytes, response_deserializer=bytes)(content, timeout=ANSWER_S)


@pytest.mark.parametrize("content", [
    b"\xff", b"\x0a\x05ab", b"\x2a\xff\xff\xff\xff\x0f", b"\x3a\x04" + b"ab", b"\0" * 64,
    b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x0b" * 10_000])
@pytest.mark.parametrize("method", [
    "/inference.GRPCInferenceService/ModelInfer", "/tiffin.services.picky.Picky/Add",
    "/inference.GRPCInferenceService/ModelMetadata",
    "/grpc.health.v1.Health/Check"])
def test_bytes_that_are_no_message_are_refused(server, method, content):
    with refused(Code.INVALID_ARGUMENT):
        raw_call(server, method, content)


def test_unknown_methods_are_unimplemented(server):
    for method in ("/tiffin.services.picky.Picky/Subtract", "/tiffin.services.other.Other/Add",
                   "/nothing", "/inference.GRPCInferenceService/Dance"):
        with refused(Code.UNIMPLEMENTED):
            raw_call(server, method, b"")


# The typed API.


def test_typed_api_answers_what_is_right(typed):
    messages, stub, tensor = typed
    number = tensor(dtype="INT32", shape=[16], data=RAW)
    reply = stub.Add(messages.AddRequest(left=number, right=number), timeout=ANSWER_S)
    assert reply.total.dtype == "INT32" and list(reply.total.shape) == [16]
    assert np.frombuffer(reply.total.data, np.int32).tolist() == (SIXTEEN * 2).tolist()
    assert stub.Say(messages.SayRequest(greeting="hällo"), timeout=ANSWER_S).said


TYPED_BAD = {
    "missing field": (dict(left=("INT32", [16], RAW)), ["right", "missing"]),
    "wrong dtype": (dict(left=("FP32", [16], RAW), right=("INT32", [16], RAW)), ["left", "FP32"]),
    "no dtype": (dict(left=("", [16], RAW), right=("INT32", [16], RAW)), ["left"]),
    "wrong shape": (dict(left=("INT32", [4, 4], RAW), right=("INT32", [16], RAW)),
                    ["left", "[4,4]", "[16]"]),
    "overflowing shape": (dict(left=("INT32", [BIG, 4], b""), right=("INT32", [16], RAW)),
                          ["left"]),
    "negative shape": (dict(left=("INT32", [-16], RAW), right=("INT32", [16], RAW)), ["left"]),
    "cut data": (dict(left=("INT32", [16], RAW), right=("INT32", [16], RAW[:-1])),
                 ["right", "63", "64"]),
    "surplus data": (dict(left=("INT32", [16], RAW + b"1"), right=("INT32", [16], RAW)),
                     ["left", "65", "64"]),
}


@pytest.mark.parametrize("name", TYPED_BAD)
def test_typed_api_refuses(name, typed):
    messages, stub, tensor = typed
    fields, words = TYPED_BAD[name]
    request = messages.AddRequest(**{
        field: tensor(dtype=dtype, shape=shape, data=data)
        for field, (dtype, shape, data) in fields.items()})
    with refused(Code.INVALID_ARGUMENT, *words):
        stub.Add(request, timeout=ANSWER_S)


def test_a_message_that_is_too_large_is_refused(server):
    """The limit is 256 MiB; the client's own limit is higher."""
    request = one_input("picky.echo", "INPUT0", "FP32", [1, 257 << 18], bytes(257 << 20))
    with refused(Code.RESOURCE_EXHAUSTED):
        server.kserve.ModelInfer(request, timeout=ANSWER_S)
