"""A gateway that keeps to the protocol of workers, or not: its sessions with a worker, and its
lies."""

import contextlib
import random
import socket
import struct
import threading

import grpc

import session_lies
from harness import ANSWER_S
from session_end import NO_SESSION, VERSION, SessionEnd, sealed, worker_pb2

CONTENT = bytes(range(256)) * 4
LONG_US = 20_000_000


class Gateway(SessionEnd):
    """A session with the worker at `path`, of a method `run` from uint8[-1] to the same. A context
    manager: leaving it ends the session without a word."""

    def __init__(self, path, express, attach=None, greets=True):
        super().__init__(random.getrandbits(63) | 1, express)
        self.path = path
        self.hello = None
        self.reads = threading.Event()  # What comes, that is.
        self.reads.set()
        self.ended = threading.Event()
        self._results = {}
        self._came = threading.Condition()
        self._calls = 0
        self._channel = grpc.insecure_channel(f"unix:{path}", options=[
            ("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)])
        first = attach or worker_pb2.Frame(
            attach={"protocol_version": VERSION, "session": self.id, "express": express})
        self.out.put(worker_pb2.Frames(frames=[first]).SerializeToString())
        open_stream = self._channel.stream_stream("/tiffin.worker.v1.Worker/Attach")
        self._rpc = open_stream(iter(self.out.get, None))
        self.socket = self.connect()
        if greets:
            self.packet(struct.pack("<QQQ", self.id, 0, 0))
            self.announce(1, self.fd)
        self._threads = [threading.Thread(target=self._read_stream),
                         threading.Thread(target=self._read_socket)]
        for thread in self._threads:
            thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.reads.set()
        self._rpc.cancel()
        self.out.put(None)
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self.socket.close()
        self._channel.close()
        self.close()

    def connect(self):
        made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        made.connect(f"{self.path}.fd")
        return made

    def _read_stream(self):
        with contextlib.suppress(grpc.RpcError):
            for message in self._rpc:
                self.on_frames(worker_pb2.Frames.FromString(message).frames)
        self.ended.set()

    def _read_socket(self):
        with contextlib.suppress(OSError):
            self.read_socket()

    def on_frames(self, frames):
        self.reads.wait()
        with self._came:
            for frame in frames:
                if frame.HasField("hello"):
                    self.hello = frame.hello
                elif frame.HasField("result"):
                    self._results[frame.result.call] = frame.result
            self._came.notify_all()

    def execute(self, content=CONTENT, time_left_us=LONG_US):
        """An honest call's frame."""
        self._calls += 1
        frame = worker_pb2.Frame(execute={
            "call": self._calls, "method": "run", "rows": 1, "time_left_us": time_left_us})
        self.put(frame.execute.inputs.add(), content)
        return frame

    def result_of(self, frame):
        """Waits for it. None: the session is over."""
        call = frame.execute.call
        with self._came:
            self._came.wait_for(lambda: call in self._results, ANSWER_S)
            return self._results.pop(call, None)

    def code_of(self, frame):
        self.send(frame)
        return self.result_of(frame).code

    def check_it_is_served(self):
        frame = self.execute()
        self.send(frame)
        result = self.result_of(frame)
        assert result.code == 0, result
        assert self.content(result.outputs[0]) == CONTENT
        self.send(worker_pb2.Frame(release={"calls": [frame.execute.call]}))


# What is wrong with a call: by its name, what becomes of the honest frame, and the code of its end.
OF_CALLS = {}
# What changes nothing, or ends the session. Told by a Gateway.
OF_NOTHING = {}
OF_SESSIONS = dict(session_lies.OF_SESSIONS)
OK, INVALID, DEADLINE, NOT_FOUND = 0, 3, 4, 5


def of_calls(code):
    def add(function):
        OF_CALLS[function.__name__] = (function, code)
        return function

    return add


def of_nothing(function):
    OF_NOTHING[function.__name__] = function
    return function


def of_sessions(function):
    OF_SESSIONS[function.__name__] = function
    return function


def about_a_tensor(name, change):
    def apply(execute):
        change(execute.inputs[0])
        if name == "segment_unknown":
            execute.time_left_us = 50_000

    OF_CALLS[name] = (apply, DEADLINE if name == "segment_unknown" else INVALID)


for told, by in session_lies.OF_TENSORS.items():
    about_a_tensor(told, by)


@of_calls(NOT_FOUND)
def method_unknown(execute):
    execute.method = "x" * 1_000_000


@of_calls(INVALID)
def inputs_none(execute):
    del execute.inputs[:]


@of_calls(INVALID)
def inputs_many(execute):
    for _ in range(10_000):
        execute.inputs.add().CopyFrom(execute.inputs[0])


@of_calls(INVALID)
def rows_none(execute):
    execute.rows = 0


@of_calls(INVALID)
def rows_negative(execute):
    execute.rows = -1


@of_calls(INVALID)
def rows_many(execute):
    execute.rows = (1 << 63) - 1


@of_calls(DEADLINE)
def time_over(execute):
    execute.time_left_us = 0


@of_calls(OK)
def time_endless(execute):
    execute.time_left_us = (1 << 64) - 1


@of_calls(OK)
def request_id_of_garbage(execute):
    execute.request_id = b"\xff\0\r\n" * 1_000_000


@of_calls(OK)
def trace_absurd(execute):
    execute.trace.span = (1 << 64) - 1
    execute.trace.flags = (1 << 32) - 1


@of_nothing
def silence(gateway):
    """All the time."""
    del gateway


@of_nothing
def cancel_of_no_call(gateway):
    for call in (0, 77, (1 << 64) - 1):
        gateway.send(worker_pb2.Frame(cancel={"call": call}))


@of_nothing
def cancel_of_a_call_that_ended(gateway):
    frame = gateway.execute()
    assert gateway.code_of(frame) == OK
    for _ in range(3):
        gateway.send(worker_pb2.Frame(cancel={"call": frame.execute.call}))
    gateway.send(worker_pb2.Frame(release={"calls": [frame.execute.call]}))


@of_nothing
def release_of_no_call(gateway):
    gateway.send(worker_pb2.Frame(release={"calls": [0, 77, (1 << 64) - 1]}))


@of_nothing
def release_twice(gateway):
    frame = gateway.execute()
    assert gateway.code_of(frame) == OK
    gateway.send(worker_pb2.Frame(release={"calls": [frame.execute.call] * 2}))


@of_nothing
def releases_many(gateway):
    gateway.send(worker_pb2.Frame(release={"calls": range(1_000_000, 2_000_000)}))


@of_nothing
def segment_gone_of_no_segment(gateway):
    gateway.send(worker_pb2.Frame(segment_gone={"segment": 77}))


@of_nothing
def segment_gone_under_its_calls(gateway):
    """What they read stays until they have."""
    frames = [gateway.execute() for _ in range(50)]
    gateway.send(*frames, worker_pb2.Frame(segment_gone={"segment": 1}))
    for frame in frames:
        assert gateway.result_of(frame).code == OK
    gateway.announce(1, gateway.fd)


@of_nothing
def segment_announced_again(gateway):
    for _ in range(100):
        gateway.announce(2, sealed(4096)[0], size=4096)


@of_nothing
def results_unread(gateway):
    """And never released."""
    gateway.reads.clear()
    for _ in range(500):
        gateway.send(*(gateway.execute(b"x" * 400) for _ in range(10)))
    gateway.reads.set()


@of_nothing
def calls_parked(gateway):
    """Each names a segment that never comes, or only when all are told to end."""
    frames = [gateway.execute() for _ in range(1000)]
    for frame in frames:
        frame.execute.inputs[0].segment = 77
    gateway.send(*frames)
    gateway.send(*(worker_pb2.Frame(cancel={"call": frame.execute.call}) for frame in frames))
    for frame in frames:
        assert gateway.result_of(frame).code == 1


@of_sessions
def call_twice(gateway):
    """The first is not released yet."""
    frame = gateway.execute()
    gateway.send(frame, frame)


@of_sessions
def input_in_pieces(gateway):
    """Inputs of this session lie in segments."""
    frame = gateway.execute()
    frame.execute.inputs[0].segment = 0
    frame.execute.inputs[0].in_pieces = True
    gateway.send(frame)


@of_sessions
def frame_for_gateways(gateway):
    gateway.send(worker_pb2.Frame(result={"call": 1}))


@of_sessions
def attach_twice(gateway):
    gateway.stream(attach={"protocol_version": VERSION, "session": gateway.id})


@of_sessions
def other_carrier(gateway):
    gateway.send_on_the_other_carrier(gateway.execute())


@of_sessions
def segment_of_no_session(gateway):
    gateway.announce(2, gateway.fd, session=NO_SESSION - 1)


@of_sessions
def socket_twice(gateway):
    with gateway.connect() as second:
        second.send(struct.pack("<QQQ", gateway.id, 0, 0))
        gateway.ended.wait(ANSWER_S)


# First frames that are none.
BEGINNINGS = {
    "another_version": worker_pb2.Frame(attach={"protocol_version": 77, "session": 5}),
    "inline_with_express": worker_pb2.Frame(attach={
        "protocol_version": VERSION, "session": 5, "express": True, "inline_tensors": True}),
    "no_attach": worker_pb2.Frame(execute={"call": 1, "method": "run"}),
    "nothing": worker_pb2.Frame(),
}
