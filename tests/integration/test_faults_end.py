"""The gateway's end under load: killed, it leaves nothing; told to end, it loses nothing."""

import signal
import time

import grpc
import pytest

import harness
from harness import ANSWER_S, END_S, eventually
from load import Load, unique
from prometheus_text import await_value

SERVICE = """
service: faults
runners:
  pre: {{backend: testing, options: {{behavior: identity, dtype: int64}}}}
  a: {{backend: testing, replicas: 2, options: {{behavior: delay, ms: 1, batchable: true,
      dtype: int64}}}}
  hold: {{backend: testing, options: {{behavior: delay, until: {gate}, ms: 60000, dtype: int64,
         journal: {journal}}}}}
apis:
  chain:
    input: {{x: "int64[-1]"}}
    steps:
      features: pre(x)
      left: a(features)
    output: {{left: left, features: features}}
  keep:
    input: {{x: "int64[-1]"}}
    steps:
      kept: hold(x)
    output: {{y: kept}}
"""

VARIANTS = {
    "express": ["--worker-transport", "express"],
    "grpc_two_loops": ["--worker-transport", "grpc", "--loops", "2"],
}


@pytest.fixture(params=VARIANTS)
def serve(folder, gate, journal, request):
    def make(**kwargs):
        text = SERVICE.format(gate=gate.path, journal=journal.path)
        return harness.Server(text, folder=folder, **kwargs,
                              args=[*VARIANTS[request.param], "--http-address", "127.0.0.1:0"])

    return make


def known_anywhere(inodes, pids):
    """Those of the segments that a process which is there still knows."""
    found = set()
    for pid in pids:
        try:
            found |= inodes & set(harness.segments(pid))
        except OSError:  # It has ended.
            continue
    return found


def test_a_killed_gateway_leaves_neither_workers_nor_memory(serve, journal):
    with serve() as server:
        load = Load(server, "faults.chain", deadline_s=5)
        with load:
            workers = server.workers()
            pids = [server.pid, *(worker.pid for worker in workers)]
            held = server.infer_later("faults.keep", x=unique((1 << 18,)))
            assert journal.next() is not None
            workers[0].kill(signal.SIGSTOP)  # One that can't see its lifeline end.
            inodes = set(harness.segments(*pids))
            assert inodes
            start = time.monotonic()
            server.kill()
            assert all(worker.gone(END_S) for worker in workers)
            took = time.monotonic() - start
            assert not known_anywhere(inodes, pids)
            assert held.exception(ANSWER_S).code() == grpc.StatusCode.UNAVAILABLE
            load.stop()
        print(f"all gone after {took:.3f} s")
        assert took < 1 * harness.SLOWNESS
    with serve(address=server.address) as again:
        with Load(again, "faults.chain") as load:
            load.await_more(50)
        assert load.failed == 0


def test_sigterm_under_load_completes_what_is_under_way(serve, gate, journal):
    with serve() as server:
        load = Load(server, "faults.chain", clients=12)
        with load:
            load.await_more(200)
            asked = [unique((1024,)) for _ in range(8)]
            held = [server.infer_later("faults.keep", x=x) for x in asked]
            assert journal.next() is not None
            await_value(server, len(held), "tiffin_requests_in_flight", api="keep")
            server.terminate()
            server.wait_for_line("draining: completing")
            probe = harness.run(harness.TIFFIN, "probe", server.address)
            assert probe.returncode == 1, "not ready any more, while requests are under way"
            before = load.failed
            eventually(lambda: load.failed > before + 20, what="refusals of new requests")
            load.stop()
            # A worker that dies now is none the less replaced, and its calls run again.
            server.worker("hold").kill()
            assert journal.next() is not None
            gate.open()
            for x, future in zip(asked, held, strict=True):
                assert harness.outputs_of(future.result(ANSWER_S))["y"].tolist() == x.tolist()
            assert server.wait() == 0
        # New ones are told; of those that were under way none failed for another reason.
        assert set(load.messages) == {"UNAVAILABLE: the server is shutting down"}, load.messages


def test_a_second_sigterm_under_load_ends_it_now(serve, journal):
    with serve() as server:
        workers = server.workers()
        # gRPC's server cancels what is under way when it is shut down.
        load = Load(server, "faults.chain", allowed=("UNAVAILABLE", "CANCELLED"))
        with load:
            held = [server.infer_later("faults.keep", x=unique((1024,))) for _ in range(8)]
            assert journal.next() is not None
            server.terminate()
            server.wait_for_line("draining: completing")
            start = time.monotonic()
            server.terminate()
            assert server.wait() == 0
            # A worker that executes has two seconds.
            assert time.monotonic() - start < 5 * harness.SLOWNESS
            assert all(worker.gone(END_S) for worker in workers)
            assert all(future.exception(ANSWER_S) is not None for future in held)
            load.stop()
