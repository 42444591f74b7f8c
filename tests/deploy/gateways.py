"""Gateways in containers, asked from outside."""

import contextlib
import socket
import subprocess

import grpc
from tritonclient.grpc import service_pb2_grpc

import harness
from harness import eventually
from traffic import CLASSIFY, PREDICT, Traffic

START_S = 120


def free_port():
    with contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Gateway:
    """Listens on `self.address`, and is called `self.name`."""

    def is_ready(self):
        return subprocess.run([harness.TIFFIN, "probe", self.address], capture_output=True,
                              check=False).returncode == 0

    def wait_until_ready(self):
        eventually(self.is_ready, START_S, f"readiness of {self.name}")

    def infer(self, model, **inputs):
        with grpc.insecure_channel(self.address) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            request = harness.infer_request(model, **inputs)
            return harness.outputs_of(stub.ModelInfer(request, timeout=harness.ANSWER_S))

    def ask_both(self):
        """Both services, each what traffic.py has of it."""
        for model, inputs, expected in (PREDICT, CLASSIFY):
            assert self.infer(model, **inputs) == expected


def expect_worker_back(gateway, worker):
    """A worker that is killed is found again, and the other service does not notice."""
    other = CLASSIFY if worker.startswith("inference") else PREDICT
    with Traffic([gateway.address], [other], clients=1) as traffic:
        gateway.kill(worker)
        gateway.wait_until_ready()
    assert traffic.failed == []
    gateway.ask_both()


def expect_gateway_back(gateway):
    """A gateway that is killed finds its workers again."""
    before = gateway.pids()
    gateway.kill("gateway")
    gateway.wait_until_ready()
    gateway.ask_both()
    after = gateway.pids()
    assert [name for name in after if after[name] != before[name]] == ["gateway"]
