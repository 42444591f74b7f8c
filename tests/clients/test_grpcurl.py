"""A real grpcurl lists, describes and calls, by reflection alone."""

import base64
import json

import pytest

import harness

GRPCURL = harness.ROOT / "build/tools/grpcurl"
SERVICE = "tiffin.services.inference_graph_demo.InferenceGraphDemo"


@pytest.fixture
def grpcurl(digits):
    def call(*args, data=None, headers=()):
        options = ["-plaintext", "-max-time", "30"]
        for header in headers:
            options += ["-H", header]
        if data is not None:
            options += ["-d", "@"]
        # grpcurl wants its flags first, then the address.
        return harness.run(GRPCURL, *options, *[arg for arg in args if arg.startswith("-")],
                           digits.address, *[arg for arg in args if not arg.startswith("-")],
                           input=data)

    return call


def image():
    return base64.b64encode(min(harness.IMAGES.iterdir()).read_bytes()).decode()


def test_list(grpcurl):
    listed = grpcurl("list")
    assert listed.returncode == 0, listed.stderr
    assert {SERVICE, "inference.GRPCInferenceService", "grpc.health.v1.Health"} <= set(
        listed.stdout.split())


def test_list_of_a_service(grpcurl):
    assert grpcurl("list", SERVICE).stdout.split() == [f"{SERVICE}.Predict"]


def test_describe(grpcurl):
    described = grpcurl("describe", SERVICE)
    assert described.returncode == 0, described.stderr
    assert "rpc Predict" in described.stdout
    fields = grpcurl("describe", "tiffin.services.inference_graph_demo.PredictRequest")
    assert "optional bytes input_image = 1;" in fields.stdout


def test_call(grpcurl):
    called = grpcurl("-v", f"{SERVICE}/Predict", data=json.dumps({"input_image": image()}),
                     headers=["x-request-id: from-grpcurl", "tiffin-timing: 1"])
    assert called.returncode == 0, called.stderr
    assert "model_a" in called.stdout and "verdict" in called.stdout
    assert "x-request-id: from-grpcurl" in called.stdout
    assert "tiffin-timing: {" in called.stdout


def test_an_error_is_readable(grpcurl):
    called = grpcurl(f"{SERVICE}/Predict", data="{}")
    assert called.returncode != 0
    assert "InvalidArgument" in called.stderr and "input_image" in called.stderr


def test_health(grpcurl):
    called = grpcurl("grpc.health.v1.Health/Check",
                     data=json.dumps({"service": "inference_graph_demo"}))
    assert called.returncode == 0, called.stderr
    assert json.loads(called.stdout) == {"status": "SERVING"}


def test_kserve(grpcurl):
    called = grpcurl("inference.GRPCInferenceService/ModelMetadata",
                     data=json.dumps({"name": "inference_graph_demo.predict"}))
    assert called.returncode == 0, called.stderr
    assert json.loads(called.stdout)["inputs"][0]["name"] == "input_image"
