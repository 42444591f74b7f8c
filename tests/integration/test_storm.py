"""Much at once, with workers dying, clients giving up, and memory running out."""

import os
import random
import signal
import socket
import threading

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import harness
from harness import ANSWER_S, END_S, eventually, refused

Code = grpc.StatusCode
MIB = 1 << 20
FLOATS = 100_000 // 4

SERVICE = """
service: storm
runners:
  pre: {{backend: testing, replicas: 2,
        options: {{behavior: produce, dtype: uint8, shape: [-1], bytes: 100000}}}}
  a: {{backend: testing, replicas: 2, options: {{behavior: consume, shape: [-1]}}}}
  b: {{backend: testing, options: {{behavior: consume, shape: [-1]}}}}
  echo: {{backend: testing, options: {{behavior: identity, shape: [-1]}}}}
  hold: {{backend: testing, options: {{behavior: delay, until: {gate}, ms: 60000,
         journal: {journal}}}}}
  big: {{backend: testing,
        options: {{behavior: produce, dtype: uint8, shape: [-1], bytes: 33554432}}}}
apis:
  fan:
    input: {{seed: "uint8[-1]"}}
    steps:
      features: pre(seed)
      left: a(features)
      right: b(features)
      same: select(left, right, index={index})
      again: echo(same)
    output: {{sums: again}}
  rest:
    input: {{x: "fp32[-1]", seed: "uint8[-1]"}}
    steps:
      held: hold(x)
      much: big(seed)
    output: {{held: held, much: much}}
"""


def service(gate, journal):
    return SERVICE.format(gate=gate.path, journal=journal.path, index=1)


def expected_sums(seed):
    counts = np.array([len(range(lane, FLOATS, 64)) for lane in range(64)], np.float32)
    return (np.arange(64, dtype=np.float32) + seed) * counts


def fan(server, seed, **kwargs):
    return server.infer_later("storm.fan", seed=np.array([seed], np.uint8), **kwargs)


def check_sums(response, seed):
    np.testing.assert_allclose(
        harness.outputs_of(response)["sums"], expected_sums(seed), rtol=1e-5)


def wait_until_healthy(server):
    eventually(lambda: harness.run(harness.TIFFIN, "probe", server.address).returncode == 0,
               what="health")


def test_every_request_of_a_storm_gets_its_answer_or_a_good_reason(
        folder, gate, journal, carrier):
    seed = int(os.environ.get("TIFFIN_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"TIFFIN_TEST_SEED={seed}")
    rng = random.Random(seed)
    with harness.Server(service(gate, journal), folder=folder, args=carrier) as server:
        check_sums(fan(server, 1).result(ANSWER_S), 1)
        # RESOURCE_EXHAUSTED: the queue would keep it for longer than it has.
        ended = {"ok": 0, Code.CANCELLED: 0, Code.DEADLINE_EXCEEDED: 0, Code.UNAVAILABLE: 0,
                 Code.RESOURCE_EXHAUSTED: 0}
        for wave in range(25):
            requests = []
            for _ in range(24):
                value, fate = rng.randrange(200), rng.choice(["wait"] * 6 + ["cancel", "hurry"])
                timeout = rng.uniform(0.001, 0.02) if fate == "hurry" else ANSWER_S
                requests.append((value, fate, fan(server, value, timeout=timeout)))
                if fate == "cancel":
                    requests[-1][2].cancel()
            if wave % 3 == 0:
                rng.choice(server.workers()).kill()
            for value, fate, future in requests:
                try:
                    check_sums(future.result(ANSWER_S), value)
                    ended["ok"] += 1
                except grpc.FutureCancelledError:
                    assert fate == "cancel"
                    ended[Code.CANCELLED] += 1
                except grpc.RpcError as error:
                    ended[error.code()] += 1  # Another code is a KeyError, and a fault.
                    assert fate == "hurry" or error.code() == Code.UNAVAILABLE, error.details()
        print({str(code): count for code, count in ended.items()})
        # Two losses in a row are rare; without a kill there is none at all.
        assert ended["ok"] > 300 and ended[Code.UNAVAILABLE] < 40

        wait_until_healthy(server)
        for value in range(20):
            check_sums(fan(server, value).result(ANSWER_S), value)
        held = harness.segments(server.pid, *server.worker_pids())
        assert sum(held.values()) < 256 * MIB


def test_a_killed_worker_costs_no_request_that_may_run_again(
        folder, gate, journal, carrier):
    """All steps are safe to run again, and no two kills hit the same call."""
    with harness.Server(service(gate, journal), folder=folder, args=carrier) as server:
        for turn in range(6):
            futures = [(value, fan(server, value)) for value in range(30)]
            victim = server.workers("ab"[turn % 2])[0]
            victim.kill()
            for value, future in futures:
                check_sums(future.result(ANSWER_S), value)
            wait_until_healthy(server)


# Memory.


@pytest.fixture
def cramped(folder, gate, journal, carrier):
    args = ["--segment-limit", str(16 * MIB), *carrier]
    with harness.Server(service(gate, journal), folder=folder, args=args) as server:
        yield server


def test_full_memory_refuses_at_once_and_is_free_again(cramped, gate, journal):
    array = np.ones(5 * MIB // 4, np.float32)
    held = cramped.infer_later("storm.hold", array)
    assert journal.next()
    futures = [cramped.infer_later("storm.hold", array) for _ in range(4)]
    refusals = [future for future in futures[1:] if future.exception(ANSWER_S) is not None]
    assert refusals, "16 MiB do not hold five times 5 MiB; the gate is closed"
    assert {future.code() for future in refusals} == {Code.RESOURCE_EXHAUSTED}
    # Others, who need little, are served meanwhile.
    assert cramped.infer("storm.echo", np.ones((1, 1000), np.float32))
    gate.open()
    assert len(held.result(ANSWER_S).raw_output_contents[0]) == array.nbytes
    for _ in range(8):
        assert np.array_equal(cramped.infer("storm.echo", array[None])["OUTPUT0"], array[None])


def test_an_output_that_does_not_fit_is_refused(cramped):
    with refused(Code.RESOURCE_EXHAUSTED, "big"):
        cramped.infer("storm.big", np.array([1], np.uint8))
    with refused(Code.RESOURCE_EXHAUSTED):
        cramped.infer("storm.echo", np.ones((1, 20 * MIB // 4), np.float32))
    assert cramped.infer("storm.echo", np.ones((1, 1000), np.float32))


# The end.


def test_an_open_watch_sees_the_draining_and_does_not_hinder_the_end(folder, gate, journal):
    with harness.Server(service(gate, journal), folder=folder) as server:
        stub = health_pb2_grpc.HealthStub(server.channel)
        seen = []

        def watch():
            try:
                for answer in stub.Watch(health_pb2.HealthCheckRequest(service="storm")):
                    seen.append(answer.status)
            except grpc.RpcError:
                pass

        watching = threading.Thread(target=watch)
        watching.start()
        eventually(lambda: seen, what="the first answer of Watch")
        held = server.infer_later("storm.hold", np.ones(1, np.float32))
        assert journal.next()
        server.terminate()
        eventually(lambda: len(seen) > 1, what="the second answer of Watch")
        gate.open()
        assert held.result(ANSWER_S)
        assert server.wait() == 0
        watching.join(END_S)
        status = health_pb2.HealthCheckResponse
        assert seen == [status.SERVING, status.NOT_SERVING]


def test_a_second_signal_ends_it_at_once(folder, gate, journal):
    with harness.Server(service(gate, journal), folder=folder) as server:
        workers = server.workers()
        held = server.infer_later("storm.hold", np.ones(1, np.float32))
        assert journal.next()
        server.terminate()
        server.wait_for_line("(?i)drain")
        os.kill(server.pid, signal.SIGTERM)
        server.wait(15 * harness.SLOWNESS)
        for worker in workers:
            assert worker.gone(END_S)
        assert held.exception(ANSWER_S) is not None


def test_connections_that_speak_no_http_do_no_harm(folder, gate, journal):
    with harness.Server(service(gate, journal), folder=folder) as server:
        host, port = server.address.split(":")
        open_sockets = []
        for greeting in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\0" * 4096, os.urandom(4096),
                         b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                         b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0" + b"\xff" * 64):
            for _ in range(5):
                connection = socket.create_connection((host, int(port)))
                connection.sendall(greeting)
                open_sockets.append(connection)
        check_sums(fan(server, 9).result(ANSWER_S), 9)
        for connection in open_sockets:
            connection.close()
        check_sums(fan(server, 9).result(ANSWER_S), 9)


WIDE = """
service: wide
runners:
  adder: {backend: testing, replicas: 2, options: {behavior: add_sub}}
apis:
"""


def test_random_graphs_give_what_their_sums_are(folder, carrier):
    """Random graphs of additions, served at the same time: each value has one right answer."""
    seed = int(os.environ.get("TIFFIN_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"TIFFIN_TEST_SEED={seed}")
    rng = random.Random(seed)
    text, wanted = WIDE, {}
    start = np.arange(16, dtype=np.int32)
    for index in range(20):
        names, values, steps, unused = ["x"], {"x": start}, [], []
        for step in range(rng.randrange(1, 25)):
            # What nobody used yet goes first, so that no step is left over.
            left = unused.pop(0) if unused and rng.random() < 0.7 else rng.choice(names)
            right = rng.choice(names)
            unused = [name for name in unused if name != right]
            output = rng.choice(["OUTPUT0", "OUTPUT1"])
            a, b = values[left], values[right]
            name = f"s{step}.{output}"
            values[name] = a + b if output == "OUTPUT0" else a - b
            steps.append(f"      s{step}: adder({left}, {right})")
            names.append(name)
            unused.append(name)
        outputs = ", ".join(f"o{number}: {name}" for number, name in enumerate(unused))
        rng.shuffle(steps)  # The order in the file means nothing.
        text += "\n".join([f"  g{index}:", '    input: {x: "int32[16]"}', "    steps:", *steps,
                           f"    output: {{{outputs}}}", ""])
        wanted[index] = {f"o{number}": values[name] for number, name in enumerate(unused)}
    with harness.Server(text, folder=folder, args=carrier) as server:
        futures = [(index, server.infer_later(f"wide.g{index}", x=start))
                   for _ in range(5) for index in wanted]
        for index, future in futures:
            outputs = harness.outputs_of(future.result(ANSWER_S))
            assert {name: value.tolist() for name, value in outputs.items()} == {
                name: value.tolist() for name, value in wanted[index].items()}
