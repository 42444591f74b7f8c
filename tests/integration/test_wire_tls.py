"""What test_wire.py does with HTTP/2, by clients that speak TLS: the server sees no frame in what
comes, only in what it has decrypted."""

import itertools
import ssl
import threading

import grpc
import numpy as np
import pytest

import harness
import http2_frames as h2
from authority import Authority
from harness import MIB, eventually

PROMPT_S = 10
SERVICE = """
service: w
runners:
  echo: {backend: testing, options: {behavior: identity, shape: [-1]}}
"""


@pytest.fixture(scope="module")
def authority(module_folder):
    return Authority(module_folder)


@pytest.fixture(scope="module")
def server(authority):
    credentials = grpc.ssl_channel_credentials(authority.certificate.read_bytes())
    args = [*authority.make("first").flags, "--max-streams", "100"]
    with harness.Server(SERVICE, args=args, credentials=credentials) as started:
        started.infer("w.echo", np.ones((1, 4), np.float32))
        yield started


@pytest.fixture
def connect(server, authority):
    context = ssl.create_default_context(cafile=authority.certificate)
    context.set_alpn_protocols(["h2"])
    return lambda: h2.Connection(server.address, tls=context)


@pytest.fixture
def unharmed(server):
    """Whatever the test does: a good client is served, and little is held."""
    before, most, ended = harness.memory(server.pid), 0, threading.Event()

    def watch():
        nonlocal most
        while not ended.wait(0.05):
            most = max(most, harness.memory(server.pid) - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with harness.GoodClient(server, "w.echo") as good:
            yield
            count = good.answers
            eventually(lambda: good.answers > count + 1, what="an answer to a good client")
    finally:
        ended.set()
        watcher.join()
    print(f"at most {most >> 20} MiB more; a good answer took {good.slowest} s at most")
    assert not good.failures
    assert good.slowest < PROMPT_S
    assert most < 64 * MIB


def opened(index, path, flags=h2.END_HEADERS):
    return h2.frame(h2.HEADERS, flags, 2 * index + 1, h2.request(path))


def header_of_one_field():
    yield h2.frame(h2.HEADERS, 0, 1, h2.request() + b"\0" + h2.integer(1, 7) + b"a" +
                   h2.integer(1 << 30, 7))
    yield from itertools.repeat(h2.frame(h2.CONTINUATION, 0, 1, b"x" * 16_000))


def header_of_fields():
    yield h2.frame(h2.HEADERS, 0, 1, h2.request())
    yield from itertools.repeat(h2.frame(h2.CONTINUATION, 0, 1, h2.field(b"k", b"v" * 16_000)))


def header_of_nothing():
    yield h2.frame(h2.HEADERS, 0, 1, h2.request())
    yield from itertools.repeat(h2.frame(h2.CONTINUATION, 0, 1))


def resets():
    for index in itertools.count():
        yield (opened(index, h2.INFER) +
               h2.frame(h2.RST_STREAM, 0, 2 * index + 1, b"\0\0\0\x08"))


def streams():
    for index in itertools.count():
        yield opened(index, h2.STREAM_INFER)


def pings():
    yield from itertools.repeat(h2.frame(h2.PING, 0, 0, b"12345678"))


def settings():
    yield from itertools.repeat(h2.frame(h2.SETTINGS, 0, 0))


@pytest.mark.parametrize("frames", [
    header_of_one_field, header_of_fields, header_of_nothing, resets, streams, pings, settings])
def test_frames_without_end_end_the_connection(connect, unharmed, frames):
    with connect() as connection:
        sent = sum(1 for _ in itertools.takewhile(
            connection.sent, itertools.islice(frames(), 200_000)))
        print(f"{sent} frames sent")
        assert sent < 200_000
