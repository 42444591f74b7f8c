"""`serve --loops N`: what is of the gateway stays one, however many loops it has."""

import concurrent.futures
import contextlib
import http.client
import json
import pathlib
import queue
import re
import signal
import threading

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

import harness
from harness import ANSWER_S, END_S, eventually, infer_request, outputs_of

Code = grpc.StatusCode
Status = health_pb2.HealthCheckResponse.ServingStatus

LOOPS = 3
QUEUE_MAX = 3
MIB = 1 << 20

SERVICE = """
service: many
runners:
  pre: {{backend: testing, replicas: 2, options: {{behavior: identity, shape: [-1]}}}}
  a: {{backend: testing, options: {{behavior: identity, shape: [-1]}}}}
  b: {{backend: testing, options: {{behavior: identity, shape: [-1]}}}}
  hold: {{backend: testing, queue: {{max: {queue_max}}},
         options: {{behavior: delay, until: {gate}, ms: 60000, journal: {journal}}}}}
apis:
  fan:
    input: {{x: "fp32[-1]"}}
    steps:
      features: pre(x)
      left: a(features)
      right: b(features)
    output: {{left: left, right: right}}
"""


def service(gate, journal):
    return SERVICE.format(gate=gate.path, journal=journal.path, queue_max=QUEUE_MAX)


@pytest.fixture
def serve(folder, gate, journal):
    """Starts a server with some loops."""
    with contextlib.ExitStack() as stack:
        def start(*args, loops=LOOPS):
            return stack.enter_context(harness.Server(
                service(gate, journal), folder=folder, args=["--loops", str(loops), *args]))

        yield start


class Connection:
    """A client with a connection of its own, which is one loop's."""

    def __init__(self, server):
        self.channel = grpc.insecure_channel(
            server.address, options=[("grpc.use_local_subchannel_pool", 1),
                                     ("grpc.max_send_message_length", 64 * MIB),
                                     ("grpc.max_receive_message_length", 64 * MIB)])
        self.kserve = service_pb2_grpc.GRPCInferenceServiceStub(self.channel)

    def infer(self, model, **inputs):
        return outputs_of(self.kserve.ModelInfer(infer_request(model, **inputs), timeout=ANSWER_S))

    def infer_later(self, model, **inputs):
        return self.kserve.ModelInfer.future(infer_request(model, **inputs), timeout=ANSWER_S)

    def fan(self, seed, size=1000):
        """One request, whose answer must be right."""
        x = np.arange(seed, seed + size, dtype=np.float32)
        found = self.infer("many.fan", x=x)
        assert np.array_equal(found["left"], x) and np.array_equal(found["right"], x)


@pytest.fixture
def connect():
    """Makes connections to a server."""
    with contextlib.ExitStack() as stack:
        def make(server, count):
            made = [Connection(server) for _ in range(count)]
            for connection in made:
                stack.callback(connection.channel.close)
            return made

        yield make


def own_segments(server):
    """The segments that the gateway itself writes: each loop that was sent a tensor has some."""
    maps = pathlib.Path(f"/proc/{server.pid}/maps").read_text()
    return re.findall(r" rw-s .*memfd:tiffin", maps)


def await_loop_threads(server, count):
    """One for each loop. One that has just begun still has the name of the one that began it."""
    def are_there():
        names = []
        for task in pathlib.Path(f"/proc/{server.pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # It has ended.
                names.append((task / "comm").read_text().strip())
        found = sorted(name for name in names if name.startswith("loop"))
        return found == sorted(f"loop{i}" for i in range(count))
    harness.eventually(are_there, what="a thread for each loop")


def statistics(server, model):
    request = service_pb2.ModelStatisticsRequest(name=model)
    (found,) = server.kserve.ModelStatistics(request, timeout=ANSWER_S).model_stats
    return found


def test_every_loop_serves_and_statistics_add_up(serve, connect, carrier):
    server = serve(*carrier)
    server.wait_for_line(rf"running {LOOPS} loops")
    await_loop_threads(server, LOOPS)
    connections = connect(server, 4 * LOOPS)
    assert not own_segments(server)
    for seed, connection in enumerate(connections):
        connection.fan(seed)
    assert len(own_segments(server)) == LOOPS

    rounds = 25
    def many(connection):
        for seed in range(rounds):
            connection.fan(seed)

    with concurrent.futures.ThreadPoolExecutor(len(connections)) as pool:
        for done in [pool.submit(many, connection) for connection in connections]:
            done.result(ANSWER_S)

    requests = (rounds + 1) * len(connections)
    for model in ("many.fan", "many.pre", "many.a", "many.b"):
        found = statistics(server, model)
        assert found.inference_stats.success.count == requests, model
        assert found.inference_stats.fail.count == 0, model
        assert found.inference_count == requests, model
        assert sum(batch.batch_size * batch.compute_infer.count
                   for batch in found.batch_stats) == requests, model


def test_one_loop_is_the_default(folder, gate, journal):
    with harness.Server(service(gate, journal), folder=folder) as server:
        await_loop_threads(server, 1)
        assert "loops" not in server.said()


@pytest.mark.parametrize("wrong", ["0", "-1", "65", "two", "1.5"])
def test_a_wrong_number_is_an_error_that_names_the_flag(folder, wrong):
    (folder / "service.yaml").write_text("service: x\n")
    ran = harness.run(harness.TIFFIN, "serve", folder / "service.yaml", f"--loops={wrong}")
    assert ran.returncode == 2
    assert "--loops" in ran.stderr


ONE = np.array([1], np.float32)


def fill_queue(connections):
    """Asks runner `hold` once on each connection. Those that it took, and those that were refused,
    as many as there was no place for."""
    futures = [connection.infer_later("many.hold", INPUT0=ONE) for connection in connections]
    fit = QUEUE_MAX + 1  # One executes.
    refused = eventually(lambda: [future for future in futures if future.done()]
                         if sum(future.done() for future in futures) >= len(futures) - fit else [],
                         what="the refusal of what doesn't fit")
    taken = [future for future in futures if future not in refused]
    assert len(taken) == fit
    return taken, refused


def assert_answered(future):
    assert outputs_of(future.result(ANSWER_S))["OUTPUT0"].tolist() == [1]


def test_queue_max_is_the_gateways(serve, connect, gate, carrier):
    server = serve(*carrier)
    connections = connect(server, 4 * LOOPS)
    taken, refused = fill_queue(connections)
    for future in refused:
        assert future.code() == Code.RESOURCE_EXHAUSTED, future.details()
        assert f"queue.max is {QUEUE_MAX}" in future.details()
    gate.open()
    for future in taken:
        assert_answered(future)
    # All places were given back.
    for _ in range(QUEUE_MAX + 1):
        for connection in connections:
            assert_answered(connection.infer_later("many.hold", INPUT0=ONE))


def test_dead_workers_are_survived_on_all_loops(serve, connect, carrier):
    server = serve(*carrier)
    connections = connect(server, 2 * LOOPS)
    stop = threading.Event()
    counts = [0] * len(connections)

    def load(number):
        while not stop.is_set():
            connections[number].fan(counts[number])
            counts[number] += 1

    with concurrent.futures.ThreadPoolExecutor(len(connections)) as pool:
        running = [pool.submit(load, number) for number in range(len(connections))]
        try:
            for runner in ("a", "pre", "b", "a"):
                victim = server.workers(runner)[0]
                victim.kill()
                assert victim.gone(END_S)
                before = list(counts)
                # Every connection's loop has the next life.
                eventually(lambda before=before: all(now > then + 2 for now, then
                                                     in zip(counts, before)) or
                           any(one.done() for one in running), what="answers on all connections")
        finally:
            stop.set()
        for done in running:
            done.result(ANSWER_S)  # No request failed.
    found = statistics(server, "many.fan").inference_stats
    assert (found.success.count, found.fail.count) == (sum(counts), 0)
    assert len(own_segments(server)) >= LOOPS


def test_a_silent_worker_is_replaced_once_for_all_loops(serve, connect, carrier):
    server = serve(*carrier)
    connections = connect(server, LOOPS)
    silent = server.worker("a")
    silent.kill(signal.SIGSTOP)
    assert silent.gone(END_S)
    for seed, connection in enumerate(connections):
        connection.fan(seed)
    said = "\n".join(server.lines)
    assert len(re.findall("replacing a worker", said)) == 1, said
    assert len(re.findall(r"worker many\.a \(pid \d+\) ended", said)) == 1, said


class Watch:
    """A health Watch on a connection of its own."""

    def __init__(self, connection):
        stub = health_pb2_grpc.HealthStub(connection.channel)
        self._call = stub.Watch(health_pb2.HealthCheckRequest(service="many"))
        self._answers = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        with contextlib.suppress(grpc.RpcError):
            for response in self._call:
                self._answers.put(response.status)

    def next(self):
        return self._answers.get(timeout=ANSWER_S)


def test_every_loop_tells_the_same_health(serve, connect):
    server = serve()
    watches = [Watch(connection) for connection in connect(server, 2 * LOOPS)]
    for watch in watches:
        assert watch.next() == Status.SERVING
    server.worker("b").kill()
    for watch in watches:
        assert watch.next() == Status.NOT_SERVING
    for watch in watches:
        assert watch.next() == Status.SERVING


def test_sigterm_drains_all_loops(serve, connect, gate, carrier):
    server = serve(*carrier)
    workers = server.workers()
    connections = connect(server, 4 * LOOPS)
    taken, _ = fill_queue(connections)
    server.terminate()
    server.wait_for_line(rf"draining: completing {len(taken)} requests")
    for connection in connections:  # Each loop says so of new ones.
        refused = connection.infer_later("many.fan", x=ONE)
        assert refused.code() == Code.UNAVAILABLE, refused.details()
    gate.open()
    for future in taken:
        assert_answered(future)
    assert server.wait() == 0
    assert all(worker.gone(END_S) for worker in workers)


def test_a_second_signal_ends_it_at_once(serve, connect, journal):
    server = serve()
    workers = server.workers()
    futures = [connection.infer_later("many.hold", INPUT0=ONE)
               for connection in connect(server, LOOPS)]
    assert journal.next() is not None
    server.terminate()
    server.wait_for_line("draining: completing")
    server.terminate()
    assert server.wait() == 0
    assert all(worker.gone(END_S) for worker in workers)
    assert all(future.exception(ANSWER_S) is not None for future in futures)


def test_http_requests_go_to_the_loops_in_turns(serve):
    server = serve("--http-address", "127.0.0.1:0")
    connection = http.client.HTTPConnection(server.http_address, timeout=ANSWER_S)
    x = list(range(1000))
    for count in range(1, 2 * LOOPS + 1):
        connection.request("POST", "/many/fan", json.dumps({"x": x}),
                           {"Content-Type": "application/json"})
        response = connection.getresponse()
        body = json.loads(response.read())
        assert response.status == 200, body
        assert body["left"] == x and body["right"] == x
        assert len(own_segments(server)) == min(count, LOOPS)
    connection.close()
    assert statistics(server, "many.fan").inference_stats.success.count == 2 * LOOPS


def test_the_segment_limit_is_for_all_loops(serve, connect, carrier):
    limit = 16 * MIB
    server = serve("--segment-limit", str(limit), *carrier)
    connections = connect(server, LOOPS)

    def echoes(connection, megabytes):
        x = np.arange(megabytes * MIB // 4, dtype=np.float32)[np.newaxis]
        try:
            found = connection.infer("many.a", INPUT0=x)
        except grpc.RpcError as error:
            assert error.code() == Code.RESOURCE_EXHAUSTED, error.details()
            assert f"the limit is {limit}" in error.details()
            return False
        assert np.array_equal(found["OUTPUT0"], x)
        return True

    for connection in connections:  # Each loop has a segment then, which it keeps.
        assert echoes(connection, 1)
    # What they have free makes room for one, in the gateway and in the worker, as soon as the last
    # reply's is free there.
    eventually(lambda: echoes(connections[0], 12), what="room for 12 MiB")
    assert not echoes(connections[1], 17)
    eventually(lambda: echoes(connections[2], 12), what="room on another loop")
    worker = server.worker("a").pid
    for pid in (server.pid, worker):
        maps = pathlib.Path(f"/proc/{pid}/maps").read_text()
        spans = re.findall(r"(\w+)-(\w+) rw-s .*memfd:tiffin", maps)
        assert sum(int(last, 16) - int(first, 16) for first, last in spans) <= limit


def test_a_start_that_fails_leaves_nothing(folder, gate, journal):
    text = service(gate, journal).replace("behavior: delay", "behavior: delay, fault: 1")
    server = harness.Server(text, folder=folder, args=["--loops", str(LOOPS)])
    try:
        server.start()
        assert server.wait() == 2, server.said()
        assert "runner 'hold'" in server.said()
        assert not server.workers()
    finally:
        server.close()


def test_more_loops_than_cores(serve, connect):
    server = serve(loops=64)
    await_loop_threads(server, 64)
    for seed, connection in enumerate(connect(server, 16)):
        connection.fan(seed)
    assert len(own_segments(server)) == 16
    server.terminate()
    assert server.wait() == 0
