"""A worker that answers honestly, unless a call's input names a lie: then it tells that one.

It speaks the workers' protocol by itself, on both carriers. Run as a worker program, with the
folder of the protocol's Python modules before a worker's own arguments.
"""

import array
import contextlib
import fcntl
import json
import mmap
import os
import queue
import select
import signal
import socket
import struct
import sys
import threading
import time
from concurrent import futures

import grpc

sys.path.insert(0, sys.argv[1])
# pylint: disable=wrong-import-position
from tiffin.worker.v1 import worker_pb2

VERSION = 2
UINT8 = 2
SEGMENT = 4 << 20
INLINE = 512
NO_SESSION = (1 << 64) - 1
PIECE = 32768
SEALS = 0x2 | 0x4 | 0x10 | 0x1  # SHRINK, GROW, FUTURE_WRITE, SEAL
DESCRIPTION = {
    "backend": "lying", "device": "cpu", "model": "", "model_digest": "", "model_version": 1,
    "methods": {"run": {"batchable": True, "inputs": [{"name": "INPUT0", "type": "uint8[-1]"}],
                        "outputs": [{"name": "OUTPUT0", "type": "uint8[-1]"}],
                        "retry_safe": False}}}


def sealed(size=SEGMENT, seals=SEALS, sparse=False):
    """The descriptor of a segment and its mapping, of which 0 stays 0."""
    fd = os.memfd_create("lying", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    if sparse:
        os.ftruncate(fd, size)
    else:
        os.posix_fallocate(fd, 0, size)
    memory = mmap.mmap(fd, size)
    fcntl.fcntl(fd, 1033, seals)  # F_ADD_SEALS
    return fd, memory


class Session:
    """One Attach stream with its socket."""

    def __init__(self, attach, worker):
        self.id = attach.session
        self.express = attach.express
        self.worker = worker
        self.out = queue.Queue()  # Serialized messages for the stream; None ends it.
        self.socket = None
        self.alive = True
        self.silent = False
        self.inputs = {}  # The gateway's segments, by its ids.
        self.inputs_came = threading.Condition()
        self.last = None  # A call that was answered.
        self.lock = threading.Lock()  # Of the socket's sending side.
        self.fd, self.memory = sealed()
        self.next = 0

    # What is sent.

    def stream(self, **kind):
        frame = worker_pb2.Frame(**kind)
        self.out.put(worker_pb2.Frames(frames=[frame]).SerializeToString())

    def send(self, *frames):
        message = worker_pb2.Frames(frames=frames).SerializeToString()
        if self.express:
            self.pieces(message)
        else:
            self.out.put(message)

    def pieces(self, message, total=None):
        for start in range(0, len(message), PIECE):
            self.packet(struct.pack("<QQ", NO_SESSION, total or len(message)) +
                        message[start:start + PIECE])

    def packet(self, data, fds=()):
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        with self.lock:
            self.socket.sendmsg([data], control)

    def announce(self, index, fd, size=SEGMENT, session=None):
        self.packet(struct.pack("<QQQ", session or self.id, index, size), [fd])

    def result(self, call, content, index=1):
        """An honest one, by reference unless it is small."""
        frame = worker_pb2.Frame()
        frame.result.call = call
        tensor = frame.result.outputs.add(dtype=UINT8, shape=[1, len(content)])
        if len(content) <= INLINE:
            tensor.inline_bytes = content
        else:
            if self.next + len(content) > SEGMENT:
                self.next = 0
            self.memory[self.next:self.next + len(content)] = content
            tensor.segment, tensor.offset, tensor.size = index, self.next, len(content)
            self.next += -(-len(content) // 64) * 64
        return frame

    def reference(self, call):
        return self.result(call, bytes(1024))

    # What comes.

    def on_frames(self, frames):
        for frame in frames:
            if frame.HasField("execute"):
                self.execute(frame.execute)

    def execute(self, execute):
        content = self.content(execute.inputs[0])
        name, _, rest = content.partition(b":")
        lie = LIES.get(name.decode(errors="replace")) if rest == b"lie" else None
        if lie is None:
            self.send(self.result(execute.call, content))
            self.last = execute.call
        else:
            lie(self, execute.call)

    def content(self, tensor):
        if tensor.segment == 0:
            return tensor.inline_bytes
        with self.inputs_came:
            self.inputs_came.wait_for(lambda: tensor.segment in self.inputs, 10)
            memory = self.inputs[tensor.segment]
        return memory[tensor.offset:tensor.offset + tensor.size]

    def read_socket(self):
        """On the socket's own thread."""
        message = b""
        while True:
            data, fds, _, _ = socket.recv_fds(self.socket, 65536, 4)
            if not data:
                return
            first, total = struct.unpack_from("<QQ", data)
            if first == NO_SESSION:
                message += data[16:]
                if len(message) == total:
                    self.on_frames(worker_pb2.Frames.FromString(message).frames)
                    message = b""
            elif fds:
                _, index, size = struct.unpack("<QQQ", data)
                with self.inputs_came:
                    self.inputs[index] = mmap.mmap(fds[0], size, prot=mmap.PROT_READ)
                    self.inputs_came.notify_all()
                os.close(fds[0])


LIES = {}


def lie(function):
    LIES[function.__name__] = function
    return function


def about_tensor(name, change):
    """A result whose reference is not what it should be."""

    def tell(session, call):
        frame = session.reference(call)
        change(frame.result.outputs[0])
        session.send(frame)

    LIES[name] = tell


def assign(**values):
    def change(tensor):
        for name, value in values.items():
            if name == "shape":
                tensor.shape[:] = value
            else:
                setattr(tensor, name, value)

    return change


about_tensor("offset_beyond", assign(offset=SEGMENT))
about_tensor("end_beyond", assign(offset=SEGMENT - 64))
about_tensor("offset_overflows", assign(offset=(1 << 64) - 64))
about_tensor("end_overflows", assign(offset=1 << 63, size=1 << 63, shape=[1, (1 << 63) - 1]))
about_tensor("misaligned", assign(offset=1))
about_tensor("size_wrong", assign(size=1000))
about_tensor("size_huge", assign(size=1 << 40, shape=[1, 1 << 40]))
about_tensor("dtype_wrong", assign(dtype=3))
about_tensor("dtype_unknown", assign(dtype=4_000_000_000))
about_tensor("rank_wrong", assign(shape=[1, 32, 32]))
about_tensor("rows_wrong", assign(shape=[2, 512]))
about_tensor("dimension_negative", assign(shape=[1, -1024]))
about_tensor("shape_overflows", assign(shape=[1 << 62, 1 << 62]))
about_tensor("dimensions_many", assign(shape=[1] * 100_000))
about_tensor("segment_unknown", assign(segment=77))
about_tensor("inline_wrong", assign(segment=0, inline_bytes=b"short"))


@lie
def outputs_none(session, call):
    frame = session.reference(call)
    del frame.result.outputs[:]
    session.send(frame)


@lie
def outputs_many(session, call):
    frame = session.reference(call)
    for _ in range(10_000):
        frame.result.outputs.add().CopyFrom(frame.result.outputs[0])
    session.send(frame)


@lie
def error_with_outputs(session, call):
    frame = session.reference(call)
    frame.result.code = 3
    session.send(frame)


@lie
def error_unknown(session, call):
    session.send(worker_pb2.Frame(result={"call": call, "code": 4_000_000_000}))


@lie
def error_of_garbage(session, call):
    session.send(worker_pb2.Frame(
        result={"call": call, "code": 13, "message": b"\xff\0\r\n" * 1_000_000}))


@lie
def times_absurd(session, call):
    frame = session.reference(call)
    for name in ("queue_us", "compute_us", "batch_us", "executed_rows"):
        setattr(frame.result, name, (1 << 64) - 1)
    session.send(frame)


@lie
def result_unasked(session, call):
    session.send(session.result(call + 1_000_000, b"x"))


@lie
def result_again(session, call):
    session.send(session.result(session.last, b"again"))


@lie
def results_parked(session, call):
    """Each names a segment that never comes."""
    frame = session.reference(call)
    frame.result.outputs[0].segment = 77
    for _ in range(1000):
        session.send(*[frame] * 100)


@lie
def frame_for_workers(session, call):
    session.send(worker_pb2.Frame(cancel={"call": call}))


@lie
def frame_empty(session, call):
    del call
    session.send(worker_pb2.Frame())


@lie
def hello_twice(session, call):
    del call
    session.stream(hello=session.worker.hello(session))


@lie
def other_carrier(session, call):
    message = worker_pb2.Frames(frames=[session.result(call, b"x")]).SerializeToString()
    if session.express:
        session.out.put(message)
    else:
        session.pieces(message)


@lie
def stream_garbage(session, call):
    del call
    session.out.put(b"\xff" * 1000)


@lie
def stream_huge(session, call):
    """A message above 256 MiB."""
    del call
    frame = worker_pb2.Frame(hello={"description": "x" * (257 << 20)})
    session.out.put(worker_pb2.Frames(frames=[frame]).SerializeToString())


@lie
def stream_ends(session, call):
    del call
    session.out.put(None)


@lie
def socket_garbage(session, call):
    del call
    session.packet(os.urandom(1000))


@lie
def socket_nonsense(session, call):
    """A message that is no message."""
    del call
    session.pieces(b"\xff" * 1000)


@lie
def socket_length_absurd(session, call):
    del call
    session.pieces(b"x" * 1000, total=1 << 40)


@lie
def socket_piece_too_large(session, call):
    del call
    session.pieces(b"x" * 1000, total=2000)
    session.pieces(b"x" * 1500, total=2000)


@lie
def socket_truncated(session, call):
    """Half of a message, and then the end."""
    del call
    session.pieces(b"x" * 1000, total=2000)
    session.socket.shutdown(socket.SHUT_RDWR)


@lie
def segment_unsealed(session, call):
    del call
    session.announce(2, sealed(seals=0)[0])


@lie
def segment_writable(session, call):
    del call
    session.announce(2, sealed(seals=SEALS & ~0x10)[0])


@lie
def segment_sparse(session, call):
    del call
    session.announce(2, sealed(sparse=True)[0])


@lie
def segment_of_another_size(session, call):
    del call
    session.announce(2, sealed()[0], size=2 * SEGMENT)


@lie
def segment_of_size_0(session, call):
    del call
    session.announce(2, sealed()[0], size=0)


@lie
def segment_that_is_none(session, call):
    del call
    session.announce(2, os.open("/dev/zero", os.O_RDONLY))


@lie
def segment_without_descriptor(session, call):
    del call
    session.packet(struct.pack("<QQQ", session.id, 2, SEGMENT))


@lie
def segment_of_another_session(session, call):
    del call
    session.announce(2, session.fd, session=session.id ^ 2)


@lie
def descriptors_two(session, call):
    del call
    session.packet(struct.pack("<QQQ", session.id, 2, SEGMENT), [session.fd, session.fd])


@lie
def descriptors_many(session, call):
    del call
    session.packet(struct.pack("<QQQ", session.id, 2, SEGMENT), [session.fd] * 250)


@lie
def segments_many(session, call):
    """Good ones, without an end. The gateway keeps a descriptor of each."""
    del call
    fd, _ = sealed(4096)
    with contextlib.suppress(OSError):
        for index in range(2, 100_000):
            session.announce(index, fd, size=4096)


@lie
def page_twice(session, call):
    del call
    for _ in range(2):
        session.announce(NO_SESSION, sealed(4096)[0], size=4096)


@lie
def silence(session, call):
    """Of this call only."""


@lie
def no_heartbeat(session, call):
    del call
    session.silent = True


@lie
def stopped(session, call):
    del session, call
    os.kill(os.getpid(), signal.SIGSTOP)


@lie
def states_many(session, call):
    for _ in range(2000):
        session.out.put(worker_pb2.Frames(
            frames=[worker_pb2.Frame(state={"queued": 4_000_000_000})] * 50).SerializeToString())
    session.send(session.result(call, b"after all"))


def hello_lie(name):
    """The next life of this worker begins with it."""

    def tell(session, call):
        del call
        session.worker.next_hello.write_text(name)
        os._exit(1)

    LIES[name] = tell


HELLOS = {
    "hello_of_no_json": lambda hello: setattr(hello, "description", "{"),
    "hello_of_deep_json": lambda hello: setattr(hello, "description", "[" * 5_000_000),
    "hello_of_another_version": lambda hello: setattr(hello, "protocol_version", 77),
}
for told in HELLOS:
    hello_lie(told)


class Worker:
    def __init__(self, path, service):
        self.path = path
        self.next_hello = service.parent / "next_hello"
        self.hello_lie = None
        if self.next_hello.exists():
            self.hello_lie = HELLOS[self.next_hello.read_text()]
            self.next_hello.unlink()
        self.sessions = {}
        self.attached = threading.Condition()

    def hello(self, session):
        hello = worker_pb2.Hello(
            protocol_version=VERSION, incarnation=os.getpid(),
            description=json.dumps(DESCRIPTION), express=session.express)
        if self.hello_lie is not None:
            self.hello_lie(hello)
        return hello

    def attach(self, requests, context):
        attach = worker_pb2.Frames.FromString(next(requests)).frames[0].attach
        session = Session(attach, self)
        context.add_callback(lambda: session.out.put(None))
        with self.attached:
            self.sessions[attach.session] = session
            self.attached.notify_all()
            if not self.attached.wait_for(lambda: session.socket is not None, 10):
                return
        session.announce(1, session.fd)
        yield worker_pb2.Frames(
            frames=[worker_pb2.Frame(hello=self.hello(session))]).SerializeToString()

        def read():
            with contextlib.suppress(Exception):  # The stream's end.
                for message in requests:
                    session.on_frames(worker_pb2.Frames.FromString(message).frames)

        threading.Thread(target=read, daemon=True).start()
        state = worker_pb2.Frames(frames=[worker_pb2.Frame(state={})]).SerializeToString()
        while True:
            try:
                message = session.out.get(timeout=0.4)
            except queue.Empty:
                if not session.silent:
                    yield state
                continue
            if message is None:
                return
            yield message

    def serve(self):
        handler = grpc.method_handlers_generic_handler("tiffin.worker.v1.Worker", {
            "Attach": grpc.stream_stream_rpc_method_handler(self.attach)})
        server = grpc.server(futures.ThreadPoolExecutor(8), [handler], options=[
            ("grpc.max_send_message_length", -1)])
        server.add_insecure_port(f"unix:{self.path}")
        server.start()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(f"{self.path}.fd")
        listener.listen()
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self.greet, args=[connection], daemon=True).start()

    def greet(self, connection):
        greeting = connection.recv(100)
        if len(greeting) != 24:
            return
        session_id = struct.unpack("<QQQ", greeting)[0]
        with self.attached:
            if not self.attached.wait_for(lambda: session_id in self.sessions, 10):
                return
            session = self.sessions[session_id]
            session.socket = connection
            self.attached.notify_all()
        with contextlib.suppress(OSError):
            session.read_socket()


def option(name):
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else None


def main():
    import pathlib  # pylint: disable=import-outside-toplevel

    if "--describe" in sys.argv:
        print(json.dumps(DESCRIPTION))
        return
    lifeline = int(option("--lifeline-fd"))

    def watch():
        select.select([lifeline], [], [])
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
    Worker(option("--listen").removeprefix("unix:"), pathlib.Path(option("--service"))).serve()


if __name__ == "__main__":
    main()
