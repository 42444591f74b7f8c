"""Peers on TCP that lie about tensors in pieces: a worker that does fails its own calls, a gateway
that does loses its session, and nobody else sees anything of it."""

import json
import queue
import threading
from concurrent import futures

import grpc
import numpy as np
import pytest

import harness
from harness import MIB, eventually
from remote import Worker, service
from session_end import UINT8, VERSION, worker_pb2

Code = grpc.StatusCode
FP32 = 11
ROW = np.arange(2000, dtype=np.float32).reshape(1, -1)
SIZE = ROW.nbytes

DESCRIPTION = {
    "backend": "lying", "device": "cpu", "model": "", "model_digest": "", "model_version": 1,
    "methods": {"run": {"batchable": True, "inputs": [{"name": "INPUT0", "type": "fp32[-1]"}],
                        "outputs": [{"name": "OUTPUT0", "type": "fp32[-1]"}],
                        "retry_safe": False}}}


def frames(*kinds):
    return worker_pb2.Frames(
        frames=[worker_pb2.Frame(**kind) for kind in kinds]).SerializeToString()


def result(call, **changes):
    tensor = {"dtype": FP32, "shape": [1, ROW.size], "size": SIZE, "in_pieces": True} | changes
    return {"result": {"call": call, "outputs": [tensor]}}


def piece(call, data, tensor=0):
    return {"piece": {"call": call, "tensor": tensor, "data": data}}


def stopped(call):
    return {"pieces_stopped": {"call": call}}


def whole(call):
    return [result(call), piece(call, ROW.tobytes())]


# What becomes of the call: None is success. A lie that ends the session is UNAVAILABLE.
WORKER_LIES = {
    "nothing comes": (lambda call: [result(call)], Code.DEADLINE_EXCEEDED),
    "half of it comes": (lambda call: [result(call), piece(call, bytes(SIZE // 2))],
                         Code.DEADLINE_EXCEEDED),
    "a piece before the result": (lambda call: [piece(call, b"x"), *whole(call)],
                                  Code.UNAVAILABLE),
    # The session ends, but the answer had come.
    "a piece too many": (lambda call: [*whole(call), piece(call, b"x")], None),
    "a byte too many": (lambda call: [result(call), piece(call, bytes(SIZE + 1))],
                        Code.UNAVAILABLE),
    "an empty piece": (lambda call: [result(call), piece(call, b"")], Code.UNAVAILABLE),
    "a piece too large": (
        lambda call: [result(call, shape=[1, 1 << 20], size=4 << 20), piece(call, bytes(1 << 19))],
        Code.UNAVAILABLE),
    "of another tensor": (lambda call: [result(call), piece(call, b"x", tensor=1)],
                          Code.UNAVAILABLE),
    "of another call": (lambda call: [result(call), piece(call + 9, b"x")], Code.UNAVAILABLE),
    "stopped before the result": (lambda call: [stopped(call), *whole(call)], Code.UNAVAILABLE),
    "stopped unasked": (lambda call: [result(call), piece(call, b"x"), stopped(call)],
                        Code.UNAVAILABLE),
    "stopped with the last piece": (lambda call: [*whole(call), stopped(call)], None),
    "two results": (lambda call: [result(call), result(call)], Code.UNAVAILABLE),
    "a result and one in pieces": (
        lambda call: [{"result": {"call": call, "code": 13}}, *whole(call)], Code.INTERNAL),
    "one in pieces and a result": (
        lambda call: [result(call), {"result": {"call": call, "code": 13}},
                      piece(call, ROW.tobytes())], Code.UNAVAILABLE),
    "a segment": (lambda call: [result(call, in_pieces=False, segment=1)], Code.UNAVAILABLE),
    "a size of 0": (lambda call: [result(call, size=0)], Code.UNAVAILABLE),
    "a size that is not the shape's": (lambda call: [result(call, size=SIZE + 4)],
                                       Code.UNAVAILABLE),
    "a size beyond all": (lambda call: [result(call, shape=[1, 1 << 60], size=1 << 62)],
                          Code.UNAVAILABLE),
    "more than there is room for": (
        lambda call: [result(call, shape=[1, 1 << 29], size=1 << 31)], Code.RESOURCE_EXHAUSTED),
    "another dtype": (lambda call: [result(call, dtype=UINT8, shape=[1, SIZE]),
                                    piece(call, ROW.tobytes())], Code.UNAVAILABLE),
    "other rows": (lambda call: [result(call, shape=[2, ROW.size // 2]),
                                 piece(call, ROW.tobytes())], Code.UNAVAILABLE),
    "many outputs": (lambda call: [{"result": {
        "call": call, "outputs": result(call)["result"]["outputs"] * 10_000}}], Code.UNAVAILABLE),
    "an error that has outputs": (lambda call: [{"result": {
        "call": call, "code": 3, "outputs": result(call)["result"]["outputs"]}}],
        Code.UNAVAILABLE),
    "the truth": (whole, None),
}


class LyingWorker:
    """Answers each call as `answer` says. A context manager."""

    def __init__(self, type_of_tensors="fp32[-1]", express=False):
        self._express = express
        self._description = json.dumps(DESCRIPTION).replace("fp32[-1]", type_of_tensors)
        self.answer = whole
        self.answer_cancel = lambda call: []
        self.cancelled = queue.Queue()  # The calls.
        self.sessions = 0

    def __enter__(self):
        handler = grpc.method_handlers_generic_handler("tiffin.worker.v1.Worker", {
            "Attach": grpc.stream_stream_rpc_method_handler(self._attach)})
        self._server = grpc.server(futures.ThreadPoolExecutor(16), [handler])
        self.address = "127.0.0.1:%d" % self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        return self

    def __exit__(self, *_):
        self._server.stop(0)

    def _attach(self, requests, context):
        attach = worker_pb2.Frames.FromString(next(requests)).frames[0].attach
        assert attach.inline_tensors and not attach.express
        self.sessions += 1
        out = queue.Queue()
        context.add_callback(lambda: out.put(None))

        def read():
            try:
                for message in requests:
                    for frame in worker_pb2.Frames.FromString(message).frames:
                        if frame.HasField("execute"):
                            out.put(frames(*self.answer(frame.execute.call)))
                        if frame.HasField("cancel"):
                            self.cancelled.put(frame.cancel.call)
                            out.put(frames(*self.answer_cancel(frame.cancel.call)))
            except Exception:
                pass  # The stream's end.

        threading.Thread(target=read, daemon=True).start()
        yield frames({"hello": {"protocol_version": VERSION, "incarnation": 7,
                                "description": self._description, "express": self._express}})
        while True:
            try:
                message = out.get(timeout=0.4)
            except queue.Empty:
                message = frames({"state": {}})
            if message is None:
                return
            yield message


def test_a_worker_that_lies_about_pieces(folder):
    with (LyingWorker() as liar, Worker("echo", "127.0.0.1:0", folder=folder) as honest,
          harness.Server(service(liar=liar.address, echo=honest.address)) as server):
        def told(answer, timeout):
            liar.answer = answer
            try:
                got = server.infer("away.call_liar", x=ROW, timeout=timeout)["y"]
            except grpc.RpcError as error:
                return error.code()
            assert np.array_equal(got, ROW)
            return None

        assert told(whole, 20) is None
        memory = harness.memory(server.pid)
        with harness.GoodClient(server, "away.echo") as client:
            for name, (answer, code) in WORKER_LIES.items():
                seen = liar.sessions
                late = code == Code.DEADLINE_EXCEEDED
                assert told(answer, 0.5 if late else 20) == code, name
                assert code != Code.UNAVAILABLE or eventually(
                    lambda seen=seen: liar.sessions > seen, what=f"a new session after {name}")
                eventually(lambda: told(whole, 20) is None, what=f"an honest answer after {name}")
        assert not client.failures and client.answers > 0
        allowed = memory + 64 * MIB + harness.REMEMBERED
        eventually(lambda: harness.memory(server.pid) < allowed, what="memory")


@pytest.mark.parametrize("code, answer, seconds", [
    # Nobody waits any more for what comes, and there is no room for it.
    (Code.DEADLINE_EXCEEDED, lambda call: [result(call), piece(call, bytes(SIZE // 2))], 0.5),
    (Code.RESOURCE_EXHAUSTED, lambda call: [result(call, shape=[1, 1 << 29], size=1 << 31)], 20)])
def test_outputs_that_are_not_wanted_are_stopped(code, answer, seconds):
    with LyingWorker() as worker, harness.Server(service(liar=worker.address)) as server:
        worker.answer = answer
        worker.answer_cancel = lambda call: [stopped(call)]
        with pytest.raises(grpc.RpcError) as error:
            server.infer("away.call_liar", x=ROW, timeout=seconds)
        assert error.value.code() == code
        call = worker.cancelled.get(timeout=harness.ANSWER_S)
        worker.answer = whole
        assert np.array_equal(server.infer("away.call_liar", x=ROW)["y"], ROW)
        assert worker.sessions == 1 and worker.cancelled.empty() and call == 1


def test_a_worker_that_chooses_what_it_was_not_offered_is_none():
    with (LyingWorker(express=True) as liar,
          harness.Server(service(liar=liar.address)) as server):
        eventually(lambda: liar.sessions > 2, what="sessions again and again")
        with pytest.raises(grpc.RpcError) as error:
            server.infer("away.call_liar", x=ROW)
        assert error.value.code() == Code.UNAVAILABLE


def test_one_that_does_not_fit_is_asked_again_and_told_of_once():
    with (LyingWorker("int32[-1]") as liar,
          harness.Server(service(liar=liar.address)) as server):
        eventually(lambda: liar.sessions >= 4, what="sessions again and again")
        for said, times in [("attached to the worker", 1), ("not served yet", 1),
                            ("no session with a worker", 0)]:  # That is said of the service.
            assert len([line for line in server.lines if said in line]) == times, server.said()


def test_what_does_not_fit_is_told_of_once_for_all_runners_in_one_line():
    with (LyingWorker("int32[-1]") as one, LyingWorker("int32[-1]") as two,
          harness.Server(service(one=one.address, two=two.address)) as server):
        eventually(lambda: one.sessions >= 3 and two.sessions >= 3, what="sessions again and again")
        told = [line for line in server.lines if "int32" in line]
        assert len(told) == 1 and "\\n" not in told[0], server.said()
        assert told[0].count("service0.yaml:") >= 2, told[0]


def execute(call, **changes):
    tensor = {"dtype": FP32, "shape": [1, ROW.size], "size": SIZE, "in_pieces": True} | changes
    return {"execute": {"call": call, "method": "run", "rows": 1, "time_left_us": 20_000_000,
                        "inputs": [tensor]}}


def session_of(address, *messages, attach=None, later=None):
    """The frames that a worker sends a gateway which sends these, and what comes in `later`; its
    status ends them."""
    out = later or queue.Queue()
    first = attach or {"attach": {"protocol_version": VERSION, "session": 5,
                                  "inline_tensors": True}}
    for message in [frames(first), *messages]:
        out.put(message)
    with grpc.insecure_channel(address) as channel:
        call = channel.stream_stream("/tiffin.worker.v1.Worker/Attach")(
            iter(out.get, None), timeout=20)
        try:
            for message in call:
                for frame in worker_pb2.Frames.FromString(message).frames:
                    if not frame.HasField("hello") and not frame.HasField("state"):
                        yield frame
        except grpc.RpcError as error:
            yield error.code()
        finally:
            call.cancel()
            out.put(None)


GATEWAY_LIES = {
    "a piece of nothing": [frames(piece(1, b"x"))],
    "a byte too many": [frames(execute(1), piece(1, bytes(SIZE + 1)))],
    "an empty piece": [frames(execute(1), piece(1, b""))],
    "of another tensor": [frames(execute(1), piece(1, b"x", tensor=1))],
    "the same call twice": [frames(execute(1), execute(1))],
    "after the cancel": [frames(execute(1), {"cancel": {"call": 1}}, piece(1, b"x"))],
    "a segment": [frames(execute(1, in_pieces=False, segment=1))],
    "a result": [frames(result(1))],
    "promises without end": [frames(*[execute(call) for call in range(start, start + 1000)])
                             for start in range(0, 20_000, 1000)],
}


@pytest.fixture(scope="module")
def worker(module_folder):
    with Worker("echo", "127.0.0.1:0", folder=module_folder) as started:
        yield started


@pytest.mark.parametrize("name", GATEWAY_LIES)
def test_a_gateway_that_lies_about_pieces(worker, name):
    ended = [frame for frame in session_of(worker.address, *GATEWAY_LIES[name])
             if isinstance(frame, Code)]
    assert ended == [Code.INVALID_ARGUMENT]
    honest = session_of(worker.address, frames(execute(1), piece(1, ROW.tobytes())))
    assert [next(honest).result.code, next(honest).piece.data] == [0, ROW.tobytes()]
    honest.close()


def test_calls_that_can_not_be_are_refused_and_their_pieces_taken(worker):
    bad = [execute(1, size=SIZE + 4), execute(2, dtype=UINT8, shape=[1, SIZE]),
           execute(3, shape=[1, 1 << 29], size=1 << 31), execute(4, shape=[2, ROW.size // 2])]
    # One more is cancelled on its way, and one comes after all of them.
    session = session_of(
        worker.address,
        frames(*bad, *(piece(call, b"x" * 1000) for call in (1, 2, 3, 4)),
               execute(5), piece(5, b"x" * 100), {"cancel": {"call": 5}},
               execute(6), piece(6, ROW.tobytes())))
    codes = {}
    for frame in session:
        assert not isinstance(frame, Code), frame
        if frame.HasField("piece"):
            assert frame.piece.call == 6 and frame.piece.data == ROW.tobytes()
            break
        codes[frame.result.call] = frame.result.code
    session.close()
    assert codes == {1: 3, 2: 3, 3: 8, 4: 3, 5: 1, 6: 0}


def test_a_cancel_stops_the_outputs_on_their_way(module_folder):
    size = 256 * MIB
    with Worker("large", "127.0.0.1:0", folder=module_folder) as producer:
        ask = {"execute": execute(1)["execute"] | {"inputs": [
            {"dtype": UINT8, "shape": [1], "inline_bytes": b"x"}]}}
        later = queue.Queue()
        pieces = []
        session = session_of(producer.address, frames(ask), later=later)
        for frame in session:
            assert not isinstance(frame, Code), frame
            if frame.HasField("pieces_stopped"):
                break
            if frame.HasField("piece"):
                pieces.append(len(frame.piece.data))
                if len(pieces) == 1:
                    later.put(frames({"cancel": {"call": 1}}))
        session.close()
        assert frame.pieces_stopped.call == 1 and 0 < sum(pieces) < size


def test_tcp_shares_no_memory(worker):
    attach = {"attach": {"protocol_version": VERSION, "session": 5}}
    assert list(session_of(worker.address, attach=attach)) == [Code.FAILED_PRECONDITION]
    attach["attach"].update(inline_tensors=True, express=True)
    assert list(session_of(worker.address, attach=attach)) == [Code.INVALID_ARGUMENT]
