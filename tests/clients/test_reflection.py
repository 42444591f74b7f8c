"""Server reflection, v1 and v1alpha: clients that know nothing can call everything."""

import subprocess
import sys

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase)

import harness
from harness import ANSWER_S

SERVICES = {
    "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection", "inference.GRPCInferenceService",
    "tiffin.services.inference_graph_demo.InferenceGraphDemo"}


@pytest.fixture(scope="module")
def v1(module_folder):
    """Stubs of grpc.reflection.v1, which Python's package has only as v1alpha."""
    proto = harness.ROOT / "proto"
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={proto}",
         f"--python_out={module_folder}", "grpc/reflection/v1/reflection.proto"],
        check=True)
    # A package named grpc would hide the real one: load the file by its path.
    import importlib.util  # pylint: disable=import-outside-toplevel

    file = module_folder / "grpc/reflection/v1/reflection_pb2.py"
    spec = importlib.util.spec_from_file_location("reflection_v1_pb2", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ask(channel, messages, version, *requests):
    method = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    call = channel.stream_stream(
        method, request_serializer=messages.ServerReflectionRequest.SerializeToString,
        response_deserializer=messages.ServerReflectionResponse.FromString)
    return list(call(iter(requests), timeout=ANSWER_S))


@pytest.fixture(params=["v1", "v1alpha"])
def reflect(request, digits, v1):
    messages = v1 if request.param == "v1" else reflection_pb2

    def call(**fields):
        question = messages.ServerReflectionRequest(**fields)
        (answer,) = ask(digits.channel, messages, request.param, question)
        assert answer.original_request == question
        return answer

    return call


def test_all_services_are_listed(reflect):
    answer = reflect(list_services="")
    assert {service.name for service in answer.list_services_response.service} == SERVICES


@pytest.mark.parametrize("symbol", sorted(SERVICES) + [
    "tiffin.services.inference_graph_demo.InferenceGraphDemo.Predict",
    "tiffin.services.inference_graph_demo.PredictReply", "inference.ModelInferRequest"])
def test_symbols_are_found(reflect, symbol):
    answer = reflect(file_containing_symbol=symbol)
    files = [descriptor_pb2.FileDescriptorProto.FromString(file)
             for file in answer.file_descriptor_response.file_descriptor_proto]
    assert any(symbol.startswith(file.package) for file in files)


def test_a_file_is_found_by_its_name(reflect):
    name = "tiffin/services/inference_graph_demo/service.proto"
    answer = reflect(file_by_filename=name)
    files = [descriptor_pb2.FileDescriptorProto.FromString(file)
             for file in answer.file_descriptor_response.file_descriptor_proto]
    assert name in [file.name for file in files]


@pytest.mark.parametrize("question", [
    {"file_containing_symbol": "no.such.Thing"}, {"file_by_filename": "no/such.proto"},
    {"file_containing_symbol": ""}, {"file_by_filename": "../../etc/passwd"}])
def test_what_is_not_there_is_not_found(reflect, question):
    answer = reflect(**question)
    assert answer.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
    assert answer.error_response.error_message


def test_several_questions_go_over_one_stream(digits):
    questions = [reflection_pb2.ServerReflectionRequest(list_services=""),
                 reflection_pb2.ServerReflectionRequest(file_containing_symbol="no.such.Thing"),
                 reflection_pb2.ServerReflectionRequest(
                     file_containing_symbol="grpc.health.v1.Health")]
    answers = ask(digits.channel, reflection_pb2, "v1alpha", *questions)
    assert [answer.WhichOneof("message_response") for answer in answers] == [
        "list_services_response", "error_response", "file_descriptor_response"]


def test_a_client_without_any_stub_calls_the_typed_api(digits):
    pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(digits.channel))
    service = pool.FindServiceByName("tiffin.services.inference_graph_demo.InferenceGraphDemo")
    method = service.FindMethodByName("Predict")
    request_class = message_factory.GetMessageClass(method.input_type)
    reply_class = message_factory.GetMessageClass(method.output_type)
    call = digits.channel.unary_unary(
        f"/{service.full_name}/{method.name}",
        request_serializer=request_class.SerializeToString,
        response_deserializer=reply_class.FromString)
    image = min(harness.IMAGES.iterdir()).read_bytes()
    assert "model_a" in call(request_class(input_image=image), timeout=ANSWER_S).verdict


def test_reflection_stubs_of_the_package_work(digits):
    stub = reflection_pb2_grpc.ServerReflectionStub(digits.channel)
    (answer,) = stub.ServerReflectionInfo(
        iter([reflection_pb2.ServerReflectionRequest(list_services="*")]), timeout=ANSWER_S)
    assert len(answer.list_services_response.service) == len(SERVICES)
