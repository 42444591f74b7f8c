"""Starting, draining, dying: nothing is left behind."""

import os
import pathlib
import signal
import socket

import grpc
import numpy as np
import pytest

import harness
from harness import ANSWER_S, END_S, START_S, refused

Code = grpc.StatusCode

SERVICE = """
service: tended
runners:
  echo: {{backend: testing, options: {{behavior: identity, shape: [-1]}}}}
  hold: {{backend: testing,
         options: {{behavior: delay, until: {gate}, ms: 60000, journal: {journal}}}}}
apis:
  both:
    input: {{x: "fp32[rows,-1]"}}
    steps:
      a: echo(x)
    output: {{y: a}}
  rest:
    input: {{x: "fp32[-1]"}}
    steps:
      a: hold(x)
    output: {{y: a}}
"""

ROW = np.array([[1, 2]], np.float32)


@pytest.fixture
def service(gate, journal):
    return SERVICE.format(gate=gate.path, journal=journal.path)


def answers(server):
    return np.array_equal(server.infer("tended.both", x=ROW)["y"], ROW)


def test_sigterm_drains_and_leaves_nothing(service, folder, gate, journal):
    with harness.Server(service, folder=folder) as server:
        workers = server.workers()
        assert {worker.option("--runner") for worker in workers} == {"echo", "hold"}
        future = server.infer_later("tended.hold", np.array([1], np.float32))
        assert journal.next().first == "1"

        server.terminate()
        server.wait_for_line(r"(?i)drain|stopping|shutting")
        gate.open()

        assert harness.outputs_of(future.result(ANSWER_S))["OUTPUT0"].tolist() == [1]
        assert server.wait() == 0
        for worker in workers:
            assert worker.gone(END_S)
    assert not sockets_below(server.runtime_dir)


def test_a_draining_server_takes_no_new_requests(service, folder, gate, journal):
    with harness.Server(service, folder=folder) as server:
        future = server.infer_later("tended.hold", np.array([1], np.float32))
        assert journal.next().first == "1"
        server.terminate()
        server.wait_for_line(r"(?i)drain|stopping|shutting")
        with grpc.insecure_channel(server.address) as channel:
            stub = harness.service_pb2_grpc.GRPCInferenceServiceStub(channel)
            with refused(Code.UNAVAILABLE):
                stub.ModelInfer(harness.infer_request("tended.both", x=ROW), timeout=ANSWER_S)
        gate.open()
        assert future.result(ANSWER_S)
        assert server.wait() == 0


def test_sigint_ends_it_as_well(service, folder):
    with harness.Server(service, folder=folder) as server:
        os.kill(server.pid, signal.SIGINT)
        assert server.wait() == 0


def sockets_below(folder):
    return [path for path in pathlib.Path(folder).rglob("*") if path.is_socket()]


def test_kill_9_leaves_nothing_and_hinders_no_next_start(service, folder, journal):
    with harness.Server(service, folder=folder) as server:
        assert answers(server)
        workers = server.workers()
        # One of them in the midst of a call.
        future = server.infer_later("tended.hold", np.array([1], np.float32))
        assert journal.next().first == "1"
        server.kill()
        for worker in workers:
            assert worker.gone(END_S), f"{worker.cmdline} outlived its gateway"
        assert future.exception(ANSWER_S) is not None
    # Memory without a name: it is gone with the last process that knew it. What is left in the
    # runtime folder is swept by the next start.
    with harness.Server(service, folder=folder, address=server.address) as again:
        assert answers(again)
        assert len(again.workers()) == 2
        live = {pathlib.Path(worker.option("--listen").removeprefix("unix:"))
                for worker in again.workers()}
        stale = [path for path in sockets_below(again.runtime_dir)
                 if path not in live and path.with_suffix("") not in live]
        assert not stale, f"left by the killed one: {stale}"


def test_a_worker_ends_with_its_gateway_while_it_starts(service, folder):
    """The lifeline is held from the first moment on."""
    server = harness.Server(service, folder=folder)
    try:
        server.start()
        workers = harness.eventually(lambda: server.workers(), START_S, "the first worker")
        server.kill()
        for worker in workers:
            assert worker.gone(END_S)
    finally:
        server.close()


def test_the_runtime_folder_is_private(service, folder):
    with harness.Server(service, folder=folder) as server:
        subfolders = [path for path in server.runtime_dir.iterdir() if path.is_dir()]
        assert len(subfolders) == 1
        assert subfolders[0].stat().st_mode & 0o777 == 0o700
        for path in sockets_below(server.runtime_dir):
            assert len(str(path)) < 108


def test_two_servers_share_a_runtime_folder(service, folder):
    (folder / "a").mkdir()
    with harness.Server(service, folder=folder / "a") as first:
        with harness.Server(service, folder=folder / "a") as second:
            assert answers(first) and answers(second)
        assert answers(first)


def test_a_port_in_use_is_told_clearly(service, folder):
    with harness.Server(service, folder=folder) as first:
        (folder / "b").mkdir()
        second = harness.Server(service, folder=folder / "b", address=first.address)
        try:
            second.start()
            assert second.wait(START_S) in (1, 2)
            assert any(first.address in line for line in second.lines), second.lines
            assert not any("serving on" in line for line in second.lines)
            assert not harness.children(second.pid)
        finally:
            second.close()
        assert answers(first)


def test_a_port_of_another_program_is_told_clearly(service, folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        server = harness.Server(service, folder=folder, address=address)
        try:
            server.start()
            assert server.wait(START_S) in (1, 2)
            assert any(address in line for line in server.lines), server.lines
        finally:
            server.close()


def test_a_unix_socket_serves_and_is_not_taken_over(service, folder):
    address = f"unix:{folder}/front.sock"
    with harness.Server(service, folder=folder, address=address) as first:
        assert first.address == address
        assert answers(first)
        (folder / "b").mkdir()
        second = harness.Server(service, folder=folder / "b", address=address)
        try:
            second.start()
            assert second.wait(START_S) in (1, 2)
            assert any("front.sock" in line for line in second.lines), second.lines
        finally:
            second.close()
        first.channel.close()
        first._channel = None  # A new connection, to see who answers there now.
        assert answers(first)
    # A socket file left by a dead server is no obstacle.
    with harness.Server(service, folder=folder, address=address) as third:
        third.kill()
        assert pathlib.Path(folder / "front.sock").exists()
    with harness.Server(service, folder=folder, address=address) as fourth:
        assert answers(fourth)


def test_probe_tells_by_its_exit_code(service, folder):
    with harness.Server(service, folder=folder) as server:
        assert harness.run(harness.TIFFIN, "probe", server.address).returncode == 0
        assert harness.run(harness.TIFFIN, "probe", server.address, "tended").returncode == 0
        unknown = harness.run(harness.TIFFIN, "probe", server.address, "nobody")
        assert unknown.returncode == 1
        assert "nobody" in unknown.stderr
        address = server.address
        server.terminate()
        assert server.wait() == 0
    nobody = harness.run(harness.TIFFIN, "probe", address)
    assert nobody.returncode == 1
    assert address in nobody.stderr


def test_the_port_opens_only_when_all_runners_are_ready(service, folder):
    """The first request after the line needs no luck and no retry."""
    with harness.Server(service, folder=folder, address=f"unix:{folder}/s") as server:
        assert answers(server)
