"""Gateways that lie, on both carriers: the worker lives, and whoever else has a session with it
sees nothing of it.

The worker is a real one, of a gateway that is well: that one is called all the time, and each of
its answers is checked. Meanwhile the liar (lying_gateway.py) has sessions with the same worker.
"""

import contextlib
import os
import socket
import struct

import numpy as np
import pytest

import harness
import lying_gateway as lies
from harness import ANSWER_S, MIB, eventually
from lying_gateway import Gateway

SERVICE = """
service: w
runners:
  same: {backend: testing, options: {behavior: identity, dtype: uint8, shape: [-1]}}
"""


@pytest.fixture(scope="module")
def server(carrier):
    with harness.Server(SERVICE, args=carrier) as started:
        yield started


@pytest.fixture(scope="module")
def attach(server, carrier):
    """Opens a session with the server's worker."""
    path = server.worker("same").option("--listen").removeprefix("unix:")

    def made(**options):
        return Gateway(path, "express" in carrier, **options)

    return made


@pytest.fixture(scope="module")
def good(server, attach):
    """A client of the good gateway, all the time."""
    with harness.GoodClient(server, "w.same", np.uint8) as client:
        eventually(lambda: client.answers > 1, what="an answer to a good client")
        with attach() as gateway:
            gateway.check_it_is_served()
        # The worker has all that it keeps.
        yield client


@pytest.fixture(autouse=True)
def unharmed(server, good):
    """Whatever the test does: nobody else is hurt, and nothing is left of it."""
    worker = server.worker("same")
    descriptors, memory = harness.open_descriptors(worker.pid), harness.memory(worker.pid)
    segments = len(harness.segments(worker.pid))
    yield
    count = good.answers
    eventually(lambda: good.answers > count + 1, what="an answer to a good client")
    assert not good.failures
    assert server.worker("same").pid == worker.pid, "it was replaced"
    eventually(lambda: harness.open_descriptors(worker.pid) <= descriptors,
               what="all descriptors back")
    eventually(lambda: len(harness.segments(worker.pid)) <= segments, what="all segments back")
    allowed = memory + 32 * MIB + harness.REMEMBERED
    eventually(lambda: harness.memory(worker.pid) < allowed, what="memory back")


def test_lies_cost_the_calls_that_they_are_about(attach):
    with attach() as gateway:
        for name, (change, code) in lies.OF_CALLS.items():
            frame = gateway.execute()
            change(frame.execute)
            assert gateway.code_of(frame) == code, name
            gateway.check_it_is_served()


@pytest.mark.parametrize("name", lies.OF_NOTHING)
def test_what_makes_no_sense_changes_nothing(attach, name):
    with attach() as gateway:
        lies.OF_NOTHING[name](gateway)
        gateway.check_it_is_served()


@pytest.mark.parametrize("name", lies.OF_SESSIONS)
def test_lies_about_the_session_end_it(attach, name):
    with attach() as gateway:
        gateway.check_it_is_served()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            lies.OF_SESSIONS[name](gateway)
        assert gateway.ended.wait(ANSWER_S)


@pytest.mark.parametrize("name", lies.BEGINNINGS)
def test_what_does_not_begin_with_attach_is_no_session(attach, name):
    with attach(attach=lies.BEGINNINGS[name], greets=False) as gateway:
        assert gateway.ended.wait(ANSWER_S)
        assert gateway.hello is None


def test_a_gateway_that_leaves_in_the_middle_leaves_nothing(attach):
    for _ in range(20):
        with attach() as gateway:
            gateway.check_it_is_served()
            gateway.send(*(gateway.execute() for _ in range(50)))


def test_sockets_of_no_session_are_forgotten(attach):
    """More of them than a worker keeps."""
    with attach() as gateway, contextlib.ExitStack() as stack:
        for greeting in (b"", b"x", struct.pack("<QQQ", 0, 0, 0), os.urandom(30_000)) * 100:
            stray = stack.enter_context(gateway.connect())
            with contextlib.suppress(BrokenPipeError):
                if greeting:
                    stray.send(greeting)
        with attach() as other:
            other.check_it_is_served()
        gateway.check_it_is_served()


def test_greetings_of_no_session_are_bounded(carrier):
    """A gateway may greet before its Attach is read, so they are kept: the last 256."""
    with harness.Server(SERVICE, args=carrier) as server, contextlib.ExitStack() as stack:
        worker = server.worker("same")
        path = worker.option("--listen").removeprefix("unix:")
        before = harness.open_descriptors(worker.pid)
        for session in range(1, 1001):
            stray = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            stray.connect(f"{path}.fd")
            stray.send(struct.pack("<QQQ", session, 0, 0))
        eventually(lambda: harness.open_descriptors(worker.pid) <= before + 256,
                   what="the last 256")
        with Gateway(path, "express" in carrier) as gateway:
            gateway.check_it_is_served()
