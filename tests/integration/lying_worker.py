"""A worker that answers honestly, unless a call's input names a lie (worker_lies.py): then it tells
that one. Run as a worker program."""

import contextlib
import json
import os
import pathlib
import queue
import select
import socket
import struct
import sys
import threading
from concurrent import futures

import grpc

from session_end import VERSION, SessionEnd, worker_pb2
from worker_lies import HELLOS, LIES

DESCRIPTION = {
    "backend": "lying", "device": "cpu", "model": "", "model_digest": "", "model_version": 1,
    "methods": {"run": {"batchable": True, "inputs": [{"name": "INPUT0", "type": "uint8[-1]"}],
                        "outputs": [{"name": "OUTPUT0", "type": "uint8[-1]"}],
                        "retry_safe": False}}}


class Session(SessionEnd):
    """One Attach stream with its socket."""

    def __init__(self, attach, worker):
        super().__init__(attach.session, attach.express)
        self.worker = worker
        self.silent = False
        self.last = None  # A call that was answered.

    def result(self, call, content):
        frame = worker_pb2.Frame()
        frame.result.call = call
        self.put(frame.result.outputs.add(), content)
        return frame

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
