"""The lies that either end of a session can tell: about a tensor, and on its two carriers."""

import contextlib
import os
import socket
import struct

from session_end import NO_SESSION, SEALS, SEGMENT, sealed, worker_pb2


def assign(**values):
    def change(tensor):
        for name, value in values.items():
            if name == "shape":
                tensor.shape[:] = value
            else:
                setattr(tensor, name, value)

    return change


# What becomes of an honest reference to a uint8[1, 1024].
OF_TENSORS = {
    "offset_beyond": assign(offset=SEGMENT),
    "end_beyond": assign(offset=SEGMENT - 64),
    "offset_overflows": assign(offset=(1 << 64) - 64),
    "end_overflows": assign(offset=1 << 63, size=1 << 63, shape=[1, (1 << 63) - 1]),
    "misaligned": assign(offset=1),
    "size_wrong": assign(size=1000),
    "size_huge": assign(size=1 << 40, shape=[1, 1 << 40]),
    "dtype_wrong": assign(dtype=3),
    "dtype_unknown": assign(dtype=4_000_000_000),
    "rank_wrong": assign(shape=[1, 32, 32]),
    "rows_wrong": assign(shape=[2, 512]),
    "dimension_negative": assign(shape=[1, -1024]),
    "shape_overflows": assign(shape=[1 << 62, 1 << 62]),
    "dimensions_many": assign(shape=[1] * 100_000),
    "inline_wrong": assign(segment=0, inline_bytes=b"short"),
    "segment_unknown": assign(segment=77),
}

# Told by a SessionEnd; all of them end the session.
OF_SESSIONS = {}


def of_sessions(function):
    OF_SESSIONS[function.__name__] = function
    return function


@of_sessions
def frame_empty(end):
    end.send(worker_pb2.Frame())


@of_sessions
def piece_unasked(end):
    """Tensors of these sessions lie in segments."""
    end.send(worker_pb2.Frame(piece={"call": 1, "data": b"x" * 1000}))


@of_sessions
def stream_garbage(end):
    end.out.put(b"\xff" * 1000)


@of_sessions
def stream_huge(end):
    """A message above 256 MiB."""
    frame = worker_pb2.Frame(hello={"description": "x" * (257 << 20)})
    end.out.put(worker_pb2.Frames(frames=[frame]).SerializeToString())


@of_sessions
def stream_ends(end):
    end.out.put(None)


@of_sessions
def socket_garbage(end):
    end.packet(os.urandom(1000))


@of_sessions
def socket_nonsense(end):
    """A message that is no message."""
    end.pieces(b"\xff" * 1000)


@of_sessions
def socket_length_absurd(end):
    end.pieces(b"x" * 1000, total=1 << 40)


@of_sessions
def socket_piece_too_large(end):
    end.pieces(b"x" * 1000, total=2000)
    end.pieces(b"x" * 1500, total=2000)


@of_sessions
def socket_truncated(end):
    """Half of a message, and then the end."""
    end.pieces(b"x" * 1000, total=2000)
    end.socket.shutdown(socket.SHUT_RDWR)


@of_sessions
def segment_unsealed(end):
    end.announce(2, sealed(seals=0)[0])


@of_sessions
def segment_writable(end):
    end.announce(2, sealed(seals=SEALS & ~0x10)[0])


@of_sessions
def segment_sparse(end):
    end.announce(2, sealed(sparse=True)[0])


@of_sessions
def segment_of_another_size(end):
    end.announce(2, sealed()[0], size=2 * SEGMENT)


@of_sessions
def segment_of_size_0(end):
    end.announce(2, sealed()[0], size=0)


@of_sessions
def segment_that_is_none(end):
    end.announce(2, os.open("/dev/zero", os.O_RDONLY))


@of_sessions
def segment_without_descriptor(end):
    end.packet(struct.pack("<QQQ", end.id, 2, SEGMENT))


@of_sessions
def segment_of_another_session(end):
    end.announce(2, end.fd, session=end.id ^ 2)


@of_sessions
def descriptors_two(end):
    end.packet(struct.pack("<QQQ", end.id, 2, SEGMENT), [end.fd, end.fd])


@of_sessions
def descriptors_many(end):
    end.packet(struct.pack("<QQQ", end.id, 2, SEGMENT), [end.fd] * 250)


@of_sessions
def segments_many(end):
    """Good ones, without an end. The other end keeps a descriptor of each."""
    fd, _ = sealed(4096)
    with contextlib.suppress(OSError):
        for index in range(2, 100_000):
            end.announce(index, fd, size=4096)
