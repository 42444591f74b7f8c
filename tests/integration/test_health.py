"""grpc.health.v1 tells the truth at all times, and dead workers come back."""

import queue
import threading

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tritonclient.grpc import service_pb2

import harness
from harness import ANSWER_S, refused

Status = health_pb2.HealthCheckResponse.ServingStatus
Code = grpc.StatusCode

SERVICE = """
service: {name}
runners:
  echo: {{backend: testing, options: {{behavior: identity, shape: [-1]}}}}
  hold: {{backend: testing,
         options: {{behavior: delay, until: {gate}, ms: 60000, journal: {journal}}}}}
apis:
  both:
    input: {{x: "fp32[rows,-1]"}}
    steps:
      a: echo(x)
    output: {{y: a}}
  rest:
    input: {{x: "fp32[-1]"}}
    steps:
      a: hold(x)
    output: {{y: a}}
"""

ROW = np.array([[1, 2]], np.float32)


class Watch:
    """A health Watch; its answers can be waited for."""

    def __init__(self, server, service):
        stub = health_pb2_grpc.HealthStub(server.channel)
        self._call = stub.Watch(health_pb2.HealthCheckRequest(service=service))
        self._answers = queue.Queue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        try:
            for response in self._call:
                self._answers.put(response.status)
        except grpc.RpcError as error:
            self._answers.put(error.code())

    def next(self, timeout=ANSWER_S):
        return self._answers.get(timeout=timeout)

    def nothing(self, timeout=0.2):
        try:
            return self._answers.get(timeout=timeout)
        except queue.Empty:
            return None

    def close(self):
        self._call.cancel()
        self._thread.join(ANSWER_S)


@pytest.fixture(scope="module")
def gate(module_folder):
    return harness.Gate(module_folder)


@pytest.fixture(scope="module")
def journal(module_folder):
    return harness.Journal(module_folder)


@pytest.fixture(scope="module")
def server(gate, journal):
    services = [SERVICE.format(name=name, gate=gate.path, journal=journal.path)
                for name in ("first", "second")]
    with harness.Server(*services) as started:
        yield started
        gate.open()


@pytest.fixture
def watch(server):
    started = []

    def start(service):
        started.append(Watch(server, service))
        return started[-1]

    yield start
    for one in started:
        one.close()


def check(server, service):
    stub = health_pb2_grpc.HealthStub(server.channel)
    return stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=ANSWER_S).status


@pytest.mark.parametrize("service", ["", "first", "second"])
def test_check_says_serving(server, service):
    assert check(server, service) == Status.SERVING


@pytest.mark.parametrize("service", ["third", "first.both", "First", "tiffin"])
def test_check_of_an_unknown_name_is_not_found(server, service):
    with refused(Code.NOT_FOUND, service):
        check(server, service)


def test_watch_of_an_unknown_name_stays(server, watch):
    unknown = watch("third")
    assert unknown.next() == Status.SERVICE_UNKNOWN
    assert unknown.nothing() is None


def server_ready(server):
    return server.kserve.ServerReady(service_pb2.ServerReadyRequest(), timeout=ANSWER_S).ready


def model_ready(server, model):
    request = service_pb2.ModelReadyRequest(name=model)
    return server.kserve.ModelReady(request, timeout=ANSWER_S).ready


def worker_of(server, service, runner):
    """Services have the same runners here: told apart by the service file's name."""
    file = str(server.files[["first", "second"].index(service)])
    (found,) = [worker for worker in server.workers(runner) if worker.option("--service") == file]
    return found


def test_a_killed_worker_is_seen_and_comes_back(server, watch):
    watches = {name: watch(name) for name in ("", "first", "second")}
    assert {name: one.next() for name, one in watches.items()} == dict.fromkeys(
        watches, Status.SERVING)
    victim = worker_of(server, "first", "echo")
    others = server.worker_pids() - {victim.pid}

    victim.kill()

    assert watches["first"].next() == Status.NOT_SERVING
    assert watches[""].next() == Status.NOT_SERVING
    assert watches["first"].next() == Status.SERVING
    assert watches[""].next() == Status.SERVING
    assert watches["second"].nothing() is None, "the other service never blinked"
    assert server_ready(server)
    assert model_ready(server, "first.both") and model_ready(server, "first.echo")
    assert others < server.worker_pids(), "the others are as they were"
    assert worker_of(server, "first", "echo").pid != victim.pid
    assert np.array_equal(server.infer("first.both", x=ROW)["y"], ROW)


def test_a_stopped_worker_is_replaced(server, watch):
    """Alive to the kernel, but without a heartbeat: as hung as can be."""
    first = watch("first")
    assert first.next() == Status.SERVING
    victim = worker_of(server, "first", "echo")
    victim.kill(harness.signal.SIGSTOP)
    assert first.next() == Status.NOT_SERVING
    assert first.next() == Status.SERVING
    assert victim.gone(ANSWER_S)
    assert np.array_equal(server.infer("first.both", x=ROW)["y"], ROW)


def test_a_request_in_flight_at_the_kill_is_answered(server, watch, gate, journal):
    gate.close()
    journal.all_so_far()
    first = watch("first")
    assert first.next() == Status.SERVING
    future = server.infer_later("first.hold", np.array([4], np.float32))
    bystander = server.infer_later("second.hold", np.array([5], np.float32))
    executing = {journal.next().first, journal.next().first}
    assert executing == {"4", "5"}

    worker_of(server, "first", "hold").kill()
    assert first.next() == Status.NOT_SERVING
    assert first.next() == Status.SERVING
    gate.open()

    # It is safe to run again, so it is.
    if future.exception(ANSWER_S) is None:
        assert harness.outputs_of(future.result())["OUTPUT0"].tolist() == [4]
    else:
        assert future.code() == Code.UNAVAILABLE
        assert "hold" in future.details()
    assert harness.outputs_of(bystander.result(ANSWER_S))["OUTPUT0"].tolist() == [5]


def test_workers_can_be_killed_again_and_again(server, watch):
    first = watch("first")
    assert first.next() == Status.SERVING
    for _ in range(5):
        worker_of(server, "first", "echo").kill()
        assert first.next() == Status.NOT_SERVING
        assert first.next() == Status.SERVING
        assert np.array_equal(server.infer("first.both", x=ROW)["y"], ROW)
