"""Workers that lie, on both carriers: their own calls fail, nobody else's, and the gateway lives.

The liar is a process that the gateway starts as a worker (lying_worker.py). A call's input names
the lie. Meanwhile another runner is called all the time, and each of its answers is checked.
"""

import re
import shutil
import sys
import urllib.request

import grpc
import numpy as np
import pytest

import harness
from harness import MIB, eventually

Code = grpc.StatusCode
SERVICE = """
service: w
runners:
  liar: {backend: lying}
  honest: {backend: testing, options: {behavior: identity, shape: [-1]}}
"""

# What becomes of the call. Nothing more than that is lost:
OF_THE_CALL = {
    **dict.fromkeys([
        "offset_beyond", "end_beyond", "offset_overflows", "end_overflows", "misaligned",
        "size_wrong", "size_huge", "dtype_wrong", "dtype_unknown", "rank_wrong", "rows_wrong",
        "dimension_negative", "shape_overflows", "dimensions_many", "inline_wrong", "outputs_none",
        "outputs_many", "error_with_outputs", "error_unknown", "error_of_garbage"], Code.INTERNAL),
    "segment_unknown": Code.DEADLINE_EXCEEDED,
    "silence": Code.DEADLINE_EXCEEDED,
    "times_absurd": None,
    "states_many": None,
}
# The session too, and the worker is replaced.
# The one that takes most memory comes first: a sanitizer gives it back by and by.
OF_THE_SESSION = [
    "hello_of_deep_json",
    "piece_unasked", "output_in_pieces", "result_unasked", "result_again", "results_parked",
    "frame_for_workers", "frame_empty", "hello_twice", "other_carrier", "stream_garbage",
    "stream_huge", "stream_ends", "socket_garbage", "socket_nonsense", "socket_length_absurd",
    "socket_piece_too_large",
    "socket_truncated", "segment_unsealed", "segment_writable", "segment_sparse",
    "segment_of_another_size", "segment_of_size_0", "segment_that_is_none",
    "segment_without_descriptor", "segment_of_another_session", "descriptors_two",
    "descriptors_many", "segments_many", "page_twice", "no_heartbeat", "stopped",
    "hello_of_no_json", "hello_of_another_version"]
# The worker may have had its reasons, and is only connected to again.
MAY_STAY = ["stream_ends", "socket_truncated"]
assert not set(OF_THE_CALL) & set(OF_THE_SESSION)


def level(server, metric):
    """The sum of a metric over all its labels."""
    with urllib.request.urlopen(f"http://{server.http_address}/metrics", timeout=20) as page:
        text = page.read().decode()
    return sum(float(line.split()[-1]) for line in text.splitlines()
               if re.match(metric + r"[ {]", line))


@pytest.fixture(scope="module")
def programs(module_folder):
    """A folder with the gateway, an honest worker and the liar."""
    for name in ("tiffin", "tiffin-worker-testing"):
        shutil.copy(harness.BIN / name, module_folder)
    liar = module_folder / "tiffin-worker-lying"
    script = harness.ROOT / "tests/integration/lying_worker.py"
    liar.write_text(f'#!/bin/sh\nexec "{sys.executable}" -B "{script}" "$@"\n')
    liar.chmod(0o755)
    return module_folder


@pytest.fixture(scope="module")
def server(programs, carrier):
    started = harness.Server(SERVICE, args=["--http-address", "127.0.0.1:0", *carrier])
    started.command[0] = programs / "tiffin"
    with started:
        yield started


def tell(server, name, timeout=20):
    """The status that the liar's call ends with; None is success."""
    content = np.frombuffer(f"{name}:lie".encode(), np.uint8)[None]
    try:
        server.infer("w.liar", content, timeout=timeout)
    except grpc.RpcError as error:
        assert len(error.details()) <= 1024
        return error.code()
    return None


def check_liar_is_honest(server):
    array = np.arange(5000, dtype=np.uint8)[None]

    def answers():
        try:
            return np.array_equal(server.infer("w.liar", array, timeout=20)["OUTPUT0"], array)
        except grpc.RpcError as error:
            # While its next life comes up.
            assert error.code() in (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED), error.details()
            return False

    eventually(answers, timeout=60, what="an honest answer of the liar")


def test_lies_cost_the_calls_they_are_about_and_nothing_else(server):
    liar = server.worker("liar")
    check_liar_is_honest(server)
    with harness.GoodClient(server, "w.honest") as honest:
        for name, code in OF_THE_CALL.items():
            quick = code == Code.DEADLINE_EXCEEDED
            assert tell(server, name, timeout=1 if quick else 20) == code, name
            check_liar_is_honest(server)
    assert not honest.failures and honest.answers > 0
    assert server.worker("liar").pid == liar.pid, "it was replaced"


def test_lies_about_the_session_cost_the_liars_calls_only(server):
    check_liar_is_honest(server)
    # Of each session that ends gRPC may keep a socket; nothing else stays.
    descriptors = harness.open_descriptors(server.pid) + len(OF_THE_SESSION) + 4
    segments, before = len(harness.segments(server.pid)), harness.memory(server.pid)
    gateway, neighbour = server.pid, server.worker("honest").pid
    with harness.GoodClient(server, "w.honest") as honest:
        for name in OF_THE_SESSION:
            liar = server.worker("liar").pid
            assert tell(server, name) == Code.UNAVAILABLE, name
            check_liar_is_honest(server)
            assert name in MAY_STAY or server.worker("liar").pid != liar, name
    assert not honest.failures and honest.answers > 0
    assert (server.pid, server.worker("honest").pid) == (gateway, neighbour)

    eventually(lambda: harness.open_descriptors(server.pid) <= descriptors, what="descriptors")
    eventually(lambda: len(harness.segments(server.pid)) <= segments, what="segments")
    eventually(lambda: level(server, "tiffin_worker_leases") == 0, what="no lease")
    eventually(lambda: harness.memory(server.pid) < before + 64 * MIB + harness.REMEMBERED,
               what="memory")
