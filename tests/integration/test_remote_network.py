"""Workers behind a network that delays, loses, is slow, and is cut, also in one direction only."""

import contextlib
import time

import grpc
import numpy as np
import pytest

import harness
from cable import CUT, Cable, NotPermitted, Way
from harness import ANSWER_S, MIB, eventually, refused
from load import await_rest
from prometheus_text import Scrape
from remote import LARGE, ROW, Load, Worker, answers, service

Code = grpc.StatusCode


class FarWorker(Worker):
    def __init__(self, cable, folder, args=()):
        super().__init__("echo", f"{cable.far}:0", folder=folder, args=["--insecure", *args])
        self.prefix = cable.prefix


@pytest.fixture
def cable():
    with contextlib.ExitStack() as stack:
        try:
            made = stack.enter_context(Cable())
        except NotPermitted as error:
            pytest.skip(f"no cable can be laid here: {error}")
        yield made


def both(way):
    return {"out": way, "back": way}


def test_delay_and_loss_lose_nothing(cable, folder):
    cable.carry(**both(Way(delay=0.001, jitter=0.0005, loss=0.02)))
    with (FarWorker(cable, folder) as far,
          harness.Server(service(echo=far.address)) as server):
        server.wait_for_line(f"attached to the worker at ipv4:{far.address}")
        with (Load(server, clients=3, array=LARGE) as large,
              Load(server, clients=2, array=ROW) as small):
            large.more(10)
            small.more(20)
        assert large.failures == small.failures == []
        assert not [line for line in server.lines if "lost the worker" in line]
    assert all(way["lost"] > 50 for way in cable.traffic().values())


@pytest.mark.parametrize("how", [both(CUT), {"out": CUT}, {"back": CUT}, None],
                         ids=["both ways", "out", "back", "unplugged"])
def test_a_cut_is_noticed_and_what_was_there_goes_elsewhere(cable, folder, how):
    delayed = both(Way(delay=0.005))  # So that there is always a call under way.
    cable.carry(**delayed)
    with (FarWorker(cable, folder) as far, Worker("echo", "127.0.0.1:0", folder=folder) as near,
          harness.Server(service(echo=[far.address, near.address]),
                         args=["--http-address", "127.0.0.1:0"]) as server):
        server.wait_for_line(f"attached to the worker at ipv4:{far.address}")
        with Load(server, clients=4, array=LARGE) as load:
            load.more()
            seen = len(server.lines)
            if how is None:
                cable.unplug()
            else:
                cable.carry(**delayed | how)
            server.wait_for_line(f"lost the worker at ipv4:{far.address}",
                                 timeout=8 * harness.SLOWNESS, since=seen)
            load.more()
            cable.plug_in()
            cable.carry(**delayed)
            server.wait_for_line(f"attached to the worker at ipv4:{far.address}", since=seen)
            load.more()
        assert load.failures == []
        assert Scrape(server).value("tiffin_runner_retries_total") >= 1


def test_cut_for_a_moment_again_and_again_nothing_is_lost(cable, folder):
    def sent():
        return cable.traffic()["out"]["carried"]

    with (FarWorker(cable, folder) as far, Worker("echo", "127.0.0.1:0", folder=folder) as near,
          harness.Server(service(echo=[far.address, near.address])) as server):
        server.wait_for_line(f"attached to the worker at ipv4:{far.address}")
        with Load(server, clients=4, array=LARGE) as load:
            for how in [both(CUT), {"out": CUT}, {"back": CUT}] * 3:
                cable.carry(**how)
                load.more()
                cable.carry()
                # More than all clients have under way: the far worker answers again.
                enough = sent() + 5 * LARGE.nbytes
                eventually(lambda: sent() > enough, what="calls of the far worker")
        assert load.failures == []


def test_a_host_that_vanishes_costs_bounded_time(cable, folder):
    with (FarWorker(cable, folder) as far,
          harness.Server(service(echo=far.address)) as server):
        assert answers(server, LARGE)
        cable.carry(**both(CUT))  # No packet comes from there, not even that it is gone.
        start = time.monotonic()
        with refused(Code.UNAVAILABLE):
            answers(server, LARGE)
        # Two seconds of silence, and five of hope.
        assert time.monotonic() - start < 12 * harness.SLOWNESS
        with refused(Code.UNAVAILABLE, within=2):
            answers(server, LARGE)
        server.terminate()
        assert server.wait(10) == 0  # What was on its way there does not hold it up.


HUGE = np.arange(4 * MIB, dtype=np.float32).reshape(1, -1)


@pytest.fixture(params=["out", "back"])
def slow(request):
    """The direction that is."""
    return request.param


def test_a_slow_link_holds_up_no_other_worker(cable, folder, slow):
    with (FarWorker(cable, folder) as far,
          Worker("hold", "127.0.0.1:0", folder=folder, gate=folder) as near,  # Open: an echo.
          harness.Server(service(echo=far.address, hold=near.address)) as server):
        for worker in (far, near):
            server.wait_for_line(f"attached to the worker at ipv4:{worker.address}")
        cable.carry(**{slow: Way(delay=0.001, rate=MIB)})  # 48 s, and a quarter for each piece.
        under_way = [server.infer_later("away.call_echo", x=HUGE) for _ in range(3)]
        for array in [LARGE] * 10 + [HUGE]:
            assert answers(server, array, api="away.call_hold")
        # Nor a small call to the same one, which overtakes them.
        assert answers(server, ROW, api="away.call_echo")
        assert not any(call.done() for call in under_way)
        for call in under_way:
            call.cancel()


@pytest.mark.parametrize("late", [True, False], ids=["late", "cancelled"])
def test_what_nobody_waits_for_frees_a_slow_link_and_its_memory(cable, folder, slow, late):
    array = HUGE[:, :2 * MIB]
    # Each side has memory for two such calls: the worker takes inputs in a half of its own.
    limit = ["--segment-limit", str(4 * array.nbytes)]
    with (FarWorker(cable, folder, args=limit) as far,
          harness.Server(service(echo=far.address),
                         args=["--http-address", "127.0.0.1:0", *limit]) as server):
        server.wait_for_line(f"attached to the worker at ipv4:{far.address}")

        def two(timeout=ANSWER_S):
            return [server.infer_later("away.call_echo", x=array, timeout=timeout)
                    for _ in range(2)]

        def carried():
            return cable.traffic()[slow]["carried"]

        cable.carry(**{slow: Way(delay=0.001, rate=4 * MIB / harness.SLOWNESS)})
        before = carried()
        if late:
            for call in two(timeout=1 * harness.SLOWNESS):
                assert call.exception(ANSWER_S).code() == Code.DEADLINE_EXCEEDED
        else:
            calls = two()
            eventually(lambda: carried() > before + MIB, what="tensors on their way")
            for call in calls:
                call.cancel()
        await_rest(server)
        cable.carry()
        for call in two():
            assert np.array_equal(harness.outputs_of(call.result(ANSWER_S))["y"], array)
        # These two, and of the others what was on its way.
        assert carried() < before + 3.5 * array.nbytes
        assert not [line for line in server.lines if "lost the worker" in line]
