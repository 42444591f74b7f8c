"""Clients that mean harm, on real sockets: what they can take is bounded, a well-behaved client's
answers are all right and prompt meanwhile, and afterwards memory and descriptors are back."""

import contextlib
import json
import socket
import threading

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2_grpc

import harness
import http2_frames as h2
from harness import MIB, eventually, refused

Code = grpc.StatusCode
# A good client's call takes milliseconds; on a busy machine a little more.
PROMPT_S = 10 * harness.SLOWNESS

SERVICE = """
service: w
runners:
  echo: {backend: testing, options: {behavior: identity, shape: [-1]}}
  big: {backend: testing, options: {behavior: produce, dtype: uint8, shape: [-1], bytes: 8388608}}
"""
LIMITS = ["--max-message", str(16 * MIB), "--in-flight-limit", str(64 * MIB),
          "--max-streams", "100", "--grpc-connections", "200", "--http-connections", "50",
          "--keepalive", "1s", "--send-timeout", "2s"]


@pytest.fixture(scope="module")
def server():
    with harness.Server(SERVICE, args=["--http-address", "127.0.0.1:0", *LIMITS]) as started:
        started.infer("w.echo", np.ones((1, 4), np.float32))
        yield started


@pytest.fixture
def tolerated():
    """What a good client may be told, if anything."""
    return []


@pytest.fixture
def unharmed(server, tolerated):
    """Whatever the test does: a good client is served, and nothing is left of it."""
    descriptors, memory = harness.open_descriptors(server.pid), harness.memory(server.pid)
    pids = server.worker_pids()
    with harness.GoodClient(server, "w.echo") as good:
        yield
        count = good.answers
        eventually(lambda: good.answers > count + 1, what="an answer to a good client")
    failures = [error for error in good.failures
                if not any(text in str(error) for text in tolerated)]
    assert not failures
    print(f"{good.answers} good answers, {len(good.failures)} tolerated failures")
    assert good.slowest < PROMPT_S
    assert server.worker_pids() == pids
    eventually(lambda: harness.open_descriptors(server.pid) <= descriptors + 2,
               what="all descriptors back")
    allowed = memory + 64 * MIB + harness.REMEMBERED
    eventually(lambda: harness.memory(server.pid) < allowed, what="memory back")


def infer_message(model, *args):
    return h2.message(harness.infer_request(model, *args).SerializeToString())


def test_garbage_closes_its_connection_only(server, unharmed):
    rng = np.random.default_rng(1)
    for size in [1, 24, 100, 10_000, 1_000_000]:
        for greets in (False, True):
            with h2.Connection(server.address, greets=greets) as connection:
                connection.sent(rng.bytes(size))
                with contextlib.suppress(TimeoutError):
                    connection.socket.settimeout(0.2)
                    connection.ended()


def test_a_message_that_is_too_large_is_refused(server, unharmed):
    with refused(Code.RESOURCE_EXHAUSTED, str(16 * MIB)):
        server.infer("w.echo", np.ones((1, 5 * MIB), np.float32))


def test_metadata_that_is_too_large_is_refused(server, unharmed):
    request = harness.infer_request("w.echo", np.ones((1, 4), np.float32))
    # A connection of its own: what is on the same one meets the same end.
    alone = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(server.address, options=alone) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        with refused(Code.RESOURCE_EXHAUSTED):
            stub.ModelInfer(request, timeout=harness.ANSWER_S, metadata=[("big", "x" * 100_000)])
    server.infer("w.echo", np.ones((1, 4), np.float32), metadata=[("big", "x" * 10_000)])


def test_a_header_that_never_ends_closes_its_connection(server, unharmed):
    """gRPC by itself would keep all of it, and read it from its start again with each frame."""
    start = h2.request() + b"\0" + h2.integer(1, 7) + b"a" + h2.integer(1 << 30, 7)
    for first in (start, h2.request()):
        for piece in (b"x" * 16_000, h2.field(b"k", b"v" * 16_000), b""):
            with h2.Connection(server.address) as connection:
                connection.sent(h2.frame(h2.HEADERS, 0, 1, first))
                more = h2.frame(h2.CONTINUATION, 0, 1, piece)
                while connection.sent(more * 10):
                    pass


def test_a_client_may_not_open_more_streams_than_it_was_told(server, unharmed):
    """Also one that never says that it has read how many."""
    for acknowledges in (False, True):
        with h2.Connection(server.address) as connection:
            if acknowledges:
                connection.sent(h2.frame(h2.SETTINGS, h2.ACK, 0))
            connection.sent(*(h2.frame(h2.HEADERS, h2.END_HEADERS, 2 * i + 1,
                                       h2.request(h2.STREAM_INFER)) for i in range(101)))
            assert connection.ended()


def test_a_client_with_many_requests_keeps_them_back(server, unharmed):
    array = np.ones((1, 4), np.float32)
    futures = [server.infer_later("w.echo", array) for _ in range(400)]
    for future in futures:
        assert future.result(harness.ANSWER_S)


@pytest.mark.parametrize("path", [h2.INFER, h2.STREAM_INFER])
def test_streams_that_are_reset_at_once_are_counted(server, unharmed, path):
    with h2.Connection(server.address) as connection:
        reset = 0
        while reset < 50_000 and connection.sent(b"".join(
                h2.frame(h2.HEADERS, h2.END_HEADERS, 2 * i + 1, h2.request(path)) +
                h2.frame(h2.RST_STREAM, 0, 2 * i + 1, b"\0\0\0\x08")
                for i in range(reset, reset + 100))):
            reset += 100
        assert reset < 50_000


@pytest.mark.parametrize("kind,payload", [(h2.PING, b"12345678"), (h2.SETTINGS, b""), (77, b"x")])
def test_frames_that_cost_nothing_are_counted(server, unharmed, kind, payload):
    with h2.Connection(server.address) as connection:
        connection.sent(*[h2.frame(kind, 0, 0, payload) * 100] * 100)
        assert connection.ended()


def pump(connection, size):
    """Sends what the server's windows allow of a message of `size` bytes that never ends."""
    window = {0: 65535, 1: 65535}
    initial, sent = 65535, 0
    connection.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 1, h2.request()))
    head = b"\0" + size.to_bytes(4, "big")
    while sent < size - 16_384:
        while min(window.values()) >= 16_384 and sent < size - 16_384:
            piece = (head if sent == 0 else b"").ljust(16_384, b"x")
            if not connection.sent(h2.frame(h2.DATA, 0, 1, piece)):
                return
            sent += len(piece)
            window = {stream: left - len(piece) for stream, left in window.items()}
        came = connection.next()
        if came is None:
            return
        kind, flags, stream, payload = came
        if kind == h2.WINDOW_UPDATE and stream in window:
            window[stream] += int.from_bytes(payload, "big")
        elif kind == h2.SETTINGS and not flags & h2.ACK:
            for at in range(0, len(payload), 6):
                if payload[at:at + 2] == b"\0\4":
                    value = int.from_bytes(payload[at + 2:at + 6], "big")
                    window[1] += value - initial
                    initial = value
            connection.sent(h2.frame(h2.SETTINGS, h2.ACK, 0))
        elif kind == h2.PING and not flags & h2.ACK:
            connection.sent(h2.frame(h2.PING, h2.ACK, 0, payload))
        elif kind in (h2.RST_STREAM, h2.GOAWAY):
            return


def test_messages_that_never_end_have_a_budget_together(server, tolerated, unharmed):
    """30 of 16 MiB, of which 64 MiB may be there at the same time."""
    # gRPC then also closes connections that have no RPC, even if one is on its way.
    tolerated.append("Buffers full")
    before = harness.memory(server.pid)
    with contextlib.ExitStack() as stack:
        senders = []
        for _ in range(30):
            connection = stack.enter_context(h2.Connection(server.address, timeout=3))

            def send(to=connection):
                with contextlib.suppress(TimeoutError):
                    pump(to, 16 * MIB)

            senders.append(threading.Thread(target=send))
            senders[-1].start()
        most = 0
        while any(sender.is_alive() for sender in senders):
            most = max(most, harness.memory(server.pid) - before)
            senders[0].join(0.05)
            senders = [sender for sender in senders if sender.is_alive()] or senders[:1]
    print(f"at most {most >> 20} MiB more")
    assert most < 192 * MIB


def test_answers_that_nobody_takes_have_a_budget_and_an_end(server, unharmed):
    """80 of 8 MiB, of which 64 MiB may be there at the same time, for two seconds."""
    before = harness.memory(server.pid)
    request = infer_message("w.big", np.array([1], np.uint8))
    with contextlib.ExitStack() as stack:
        readers = []
        for _ in range(20):
            connection = stack.enter_context(h2.Connection(server.address))
            for stream in (1, 3, 5, 7):
                connection.send(h2.frame(h2.HEADERS, h2.END_HEADERS, stream, h2.request()) +
                                h2.frame(h2.DATA, h2.END_STREAM, stream, request))
            readers.append(connection)
        eventually(lambda: harness.memory(server.pid) > before + 30 * MIB, what="answers that wait")
        most = 0

        def taken_back():
            nonlocal most
            now = harness.memory(server.pid) - before
            most = max(most, now)
            return now < 30 * MIB

        eventually(taken_back, what="the end of answers that nobody takes")
    print(f"at most {most >> 20} MiB more")
    assert most < 320 * MIB + harness.REMEMBERED


def ask_for_much(server, taking):
    """A connection that has asked for 8 MiB over HTTP, and takes no more of it than fits a small
    buffer, or all of it."""
    body = json.dumps({
        "inputs": [{"name": "INPUT0", "datatype": "UINT8", "shape": [1], "data": [1]}],
        "parameters": {"binary_data_output": True}})
    host, port = server.http_address.split(":")
    made = socket.socket()
    if not taking:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.settimeout(harness.ANSWER_S)
    made.connect((host, int(port)))
    made.sendall(f"POST /v2/models/w.big/infer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                 f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
    return made


def test_answers_over_http_that_nobody_takes_have_a_budget_and_an_end(server, unharmed):
    """30 of 8 MiB, of which 64 MiB may be there at the same time, for two seconds."""
    before, most = harness.memory(server.pid), 0
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(ask_for_much(server, taking=False)) for _ in range(30)]
        heads = []
        for connection in waiting:
            head = connection.recv(200)
            heads.append((head.split()[1], b"retry-after: 1\r\n" in head))
            most = max(most, harness.memory(server.pid) - before)
        assert set(heads) == {(b"200", False), (b"503", True)}, heads
        print(f"{heads.count((b'200', False))} answered, at most {most >> 20} MiB more")

        def answers():
            with ask_for_much(server, taking=True) as connection:
                return connection.makefile("rb").read().startswith(b"HTTP/1.1 200 ")

        eventually(answers, what="room again, though nobody has taken anything")
    # The worker's and gRPC's copies too.
    assert most < 192 * MIB


def test_connections_that_do_not_speak_are_closed(server, unharmed):
    """What never speaks has 10 s; what has, and is gone without a word, its keepalive's time."""
    with contextlib.ExitStack() as stack:
        for greets in (False, True):
            for _ in range(20):
                stack.enter_context(h2.Connection(server.address, greets=greets, timeout=60))
        eventually(lambda: established(server) <= 2, timeout=60, what="the end of the silent")


def established(server):
    """The gateway's connections over gRPC."""
    port = int(server.address.rsplit(":", 1)[1])
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "01" for row in rows)


@pytest.mark.parametrize("greets", [False, True])
def test_one_connection_too_many_is_closed(server, unharmed, greets):
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            connection = stack.enter_context(h2.Connection(server.address, greets=False))
            if greets:
                connection.sent(h2.PREFACE + h2.frame(h2.SETTINGS, 0, 0))
        eventually(lambda: established(server) <= 200, what="the end of 100")
        server.wait_for_line("--grpc-connections")
    # There is room again for a new client.
    def serves():
        with grpc.insecure_channel(server.address) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            request = harness.infer_request("w.echo", np.ones((1, 4), np.float32))
            with contextlib.suppress(grpc.RpcError):
                return stub.ModelInfer(request, timeout=harness.ANSWER_S)
            return None

    eventually(serves, what="room for a new client")


def test_a_thousand_idle_connections_hold_little(folder):
    limits = ["--grpc-connections", "1000"]
    with harness.Server(SERVICE, folder=folder, args=limits) as server:
        server.infer("w.echo", np.ones((1, 4), np.float32))
        before = harness.memory(server.pid)
        with contextlib.ExitStack() as stack, harness.GoodClient(server, "w.echo") as good:
            for _ in range(1000):
                stack.enter_context(h2.Connection(server.address))
            eventually(lambda: established(server) >= 1000, what="1,000 connections")
            held = harness.memory(server.pid) - before
            print(f"{held >> 10} KiB more")
        assert held < 64 * MIB
        assert good.answers and not good.failures


def test_without_a_free_descriptor_it_waits_for_one(folder):
    """gRPC's own listener would be deaf for good."""
    with harness.Server(SERVICE, folder=folder) as server:
        server.infer("w.echo", np.ones((1, 4), np.float32))
        few = harness.open_descriptors(server.pid) + 5
        harness.run("prlimit", f"--nofile={few}:20000", "--pid", server.pid)
        with contextlib.ExitStack() as stack:
            for _ in range(30):
                stack.enter_context(h2.Connection(server.address, greets=False))
            eventually(lambda: harness.open_descriptors(server.pid) == few,
                       what="no descriptor left")
            server.infer("w.echo", np.ones((1, 4), np.float32))  # On the connection that there is.
        with grpc.insecure_channel(server.address) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            request = harness.infer_request("w.echo", np.ones((1, 4), np.float32))
            assert stub.ModelInfer(request, timeout=harness.ANSWER_S, wait_for_ready=True)


def test_limits_that_do_not_go_together_are_refused(folder):
    file = folder / "w.yaml"
    file.write_text(SERVICE)
    for args, said in [(["--max-message", "1000"], "--max-message"),
                       (["--in-flight-limit", str(1 << 20)], "--in-flight-limit"),
                       (["--grpc-connections", "0"], "--grpc-connections"),
                       (["--max-streams", "x"], "--max-streams"),
                       (["--send-timeout", "0s"], "--send-timeout"),
                       (["--keepalive", "soon"], "--keepalive")]:
        ended = harness.run(harness.TIFFIN, "serve", file, "--grpc-address", "127.0.0.1:0", *args)
        assert ended.returncode == 2, ended.stderr
        assert said in ended.stderr
