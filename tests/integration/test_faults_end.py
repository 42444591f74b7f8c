"""The gateway's end under load: killed, it leaves nothing; told to end, it loses nothing."""

import concurrent.futures
import functools
import http.client
import json
import signal
import time

import grpc
import pytest

import faults
import harness
from harness import ANSWER_S, END_S, eventually, refused
from load import Load, unique
from prometheus_text import await_value


@pytest.fixture(params=faults.VARIANTS)
def serve(folder, gate, journal, request):
    return functools.partial(faults.serve, folder, gate, journal, faults.VARIANTS[request.param])


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
        load = Load(server, "faults.fan", deadline_s=5)
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
        with Load(again, "faults.fan") as load:
            load.await_more(50)
        assert load.failed == 0


def test_sigterm_under_load_completes_what_is_under_way(serve, gate, journal):
    with serve() as server:
        load = Load(server, "faults.fan", clients=12)
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


def ask_over_http(server):
    """The status and the body of what a held call is answered."""
    connection = http.client.HTTPConnection(server.http_address, timeout=ANSWER_S)
    body = {"inputs": [{"name": "x", "datatype": "INT64", "shape": [1], "data": [1]}]}
    connection.request("POST", "/v2/models/faults.keep/infer", body=json.dumps(body))
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_a_second_sigterm_under_load_ends_it_now(serve, journal):
    with serve() as server, concurrent.futures.ThreadPoolExecutor(1) as others:
        workers = server.workers()
        # Those of the load that come while gRPC closes its connections are cancelled by it.
        load = Load(server, "faults.fan", allowed=("UNAVAILABLE", "CANCELLED"))
        with load:
            held = [server.infer_later("faults.keep", x=unique((1024,))) for _ in range(8)]
            held_over_http = others.submit(ask_over_http, server)
            assert journal.next() is not None
            await_value(server, len(held) + 1, "tiffin_requests_in_flight", api="keep")
            server.terminate()
            server.wait_for_line("draining: completing")
            start = time.monotonic()
            server.terminate()
            assert server.wait() == 0
            # A worker that executes has two seconds.
            assert time.monotonic() - start < 5 * harness.SLOWNESS
            assert all(worker.gone(END_S) for worker in workers)
            for future in held:
                with refused(grpc.StatusCode.UNAVAILABLE, "the server is shutting down"):
                    future.result(ANSWER_S)
            status, body = held_over_http.result(ANSWER_S)
            assert status == 503 and "the server is shutting down" in body, (status, body)
            load.stop()
