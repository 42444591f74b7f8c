"""An HTTP/2 client by hand, for what no library would send."""

import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    0, 1, 3, 4, 6, 7, 8, 9)
END_STREAM, END_HEADERS, ACK = 1, 4, 1
INFER = b"/inference.GRPCInferenceService/ModelInfer"
STREAM_INFER = b"/inference.GRPCInferenceService/ModelStreamInfer"


def frame(kind, flags, stream, payload=b""):
    return (len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") +
            payload)


def integer(value, bits):
    """RFC 7541, 5.1."""
    limit = (1 << bits) - 1
    if value < limit:
        return bytes([value])
    out, value = [limit], value - limit
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(name, value):
    """A literal one, not indexed."""
    return b"\0" + integer(len(name), 7) + name + integer(len(value), 7) + value


def request(path=INFER, metadata=()):
    fields = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path),
              (b":authority", b"x"), (b"te", b"trailers"), (b"content-type", b"application/grpc")]
    return b"".join(field(*pair) for pair in [*fields, *metadata])


def message(content):
    """As gRPC frames one."""
    return b"\0" + struct.pack(">I", len(content)) + content


class Connection:
    """One that has said that it speaks HTTP/2, unless `greets` is false. With `tls`, a context of
    ssl, it is encrypted."""

    def __init__(self, address, greets=True, timeout=20, tls=None):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=timeout)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self._buffer = b""
        if greets:
            self.send(PREFACE + frame(SETTINGS, 0, 0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def sent(self, *data):
        """False: the server has closed it."""
        try:
            for piece in data:
                self.send(piece)
        except OSError:
            return False
        return True

    def next(self):
        """(kind, flags, stream, payload), or None at its end."""
        while True:
            if len(self._buffer) >= 9:
                end = 9 + int.from_bytes(self._buffer[:3], "big")
                if len(self._buffer) >= end:
                    head, payload = self._buffer[:9], self._buffer[9:end]
                    self._buffer = self._buffer[end:]
                    return head[3], head[4], int.from_bytes(head[5:], "big"), payload
            try:
                data = self.socket.recv(65536)
            except (ConnectionError, BrokenPipeError):
                return None
            if not data:
                return None
            self._buffer += data

    def frames(self):
        """Until its end."""
        while (came := self.next()) is not None:
            yield came

    def ended(self):
        """Waits for the server to close it."""
        for _ in self.frames():
            pass
        return True
