"""The protocol between a gateway and its workers, as one end of a session speaks it: what those
that lie at either end have in common (lying_worker.py, lying_gateway.py)."""

import array
import fcntl
import mmap
import os
import pathlib
import queue
import socket
import struct
import sys
import threading

import grpc

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "proto"))
worker_pb2 = grpc.protos("tiffin/worker/v1/worker.proto")

VERSION = 4
UINT8 = 2
SEGMENT = 4 << 20
INLINE = 512
NO_SESSION = (1 << 64) - 1
PIECE = 32768
SEALS = 0x2 | 0x4 | 0x10 | 0x1  # SHRINK, GROW, FUTURE_WRITE, SEAL


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


class SessionEnd:
    """One end of a session: what it sends on the stream and on the socket, a segment of its own,
    and the other's segments. Who makes it connects the two, and runs read_socket on a thread."""

    def __init__(self, session, express):
        self.id = session
        self.express = express
        self.out = queue.Queue()  # Serialized messages for the stream; None ends it.
        self.socket = None
        self.lock = threading.Lock()  # Of the socket's sending side.
        self.segments = {}  # The other end's, by its names.
        self.segments_came = threading.Condition()
        self.fd, self.memory = sealed()
        self.next = 0

    def on_frames(self, frames):
        raise NotImplementedError

    def close(self):
        """Of what is its own."""
        self.memory.close()
        os.close(self.fd)

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

    def send_on_the_other_carrier(self, *frames):
        message = worker_pb2.Frames(frames=frames).SerializeToString()
        if self.express:
            self.out.put(message)
        else:
            self.pieces(message)

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

    def put(self, tensor, content, segment=1):
        """Makes `tensor` an honest one, by reference unless it is small."""
        tensor.dtype = UINT8
        tensor.shape[:] = [1, len(content)]
        if len(content) <= INLINE:
            tensor.inline_bytes = content
            return
        if self.next + len(content) > SEGMENT:
            self.next = 0
        self.memory[self.next:self.next + len(content)] = content
        tensor.segment, tensor.offset, tensor.size = segment, self.next, len(content)
        self.next += -(-len(content) // 64) * 64

    # What comes.

    def content(self, tensor):
        if tensor.segment == 0:
            return tensor.inline_bytes
        with self.segments_came:
            self.segments_came.wait_for(lambda: tensor.segment in self.segments, 10)
            memory = self.segments[tensor.segment]
        return memory[tensor.offset:tensor.offset + tensor.size]

    def read_socket(self):
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
                with self.segments_came:
                    self.segments[index] = mmap.mmap(fds[0], size, prot=mmap.PROT_READ)
                    self.segments_came.notify_all()
                os.close(fds[0])
