"""Workers behind a network that delays, loses, is slow, and is cut, in both directions and in one."""

import itertools
import time

import grpc
import numpy as np
import pytest

import harness
from cable import CUT, PERFECT, Cable, NotPermitted, Way
from harness import MIB, eventually, refused
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
    try:
        made = Cable().__enter__()
    except NotPermitted as error:
        pytest.skip(f"no cable can be laid here: {error}")
    with made:
        yield made


def both(way):
    return {"out": way, "back": way}


def test_delay_and_loss_lose_nothing(cable, folder):
    cable.carry(**both(Way(delay=0.002, jitter=0.001, loss=0.02)))
    with (FarWorker(cable, folder) as far,
          harness.Server(service(echo=far.address)) as server):
        server.wait_for_line(f"attached to the worker at ipv4:{far.address}")
        with (Load(server, clients=4, array=LARGE) as large,
              Load(server, clients=2, array=ROW) as small):
            large.more(40)
            small.more(40)
        assert large.failures == small.failures == []
        assert not [line for line in server.lines if "lost the worker" in line]
    assert min(cable.lost().values()) > 50


@pytest.mark.parametrize("how", [both(CUT), {"out": CUT}, {"back": CUT}],
                         ids=["both ways", "out", "back"])
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
            cable.carry(**delayed | how)
            server.wait_for_line(f"lost the worker at ipv4:{far.address}",
                                 timeout=8 * harness.SLOWNESS, since=seen)
            load.more()
            cable.carry(**delayed)
            server.wait_for_line(f"attached to the worker at ipv4:{far.address}", since=seen)
            load.more()
        assert load.failures == []
        assert Scrape(server).value("tiffin_runner_retries_total") >= 1


def test_cut_and_mended_again_and_again_nothing_is_lost(cable, folder):
    """Each time for a moment: most of them nobody notices."""
    with (FarWorker(cable, folder) as far, Worker("echo", "127.0.0.1:0", folder=folder) as near,
          harness.Server(service(echo=[far.address, near.address])) as server):
        server.wait_for_line(f"attached to the worker at ipv4:{far.address}")
        with Load(server, clients=4, array=LARGE) as load:
            for how in [both(CUT), {"out": CUT}, {"back": CUT}] * 3:
                cable.carry(**how)
                load.more()
                cable.carry()
                load.more()
            near.kill()
            load.more()  # The far one is as good as before.
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


# A slow link: 16 MiB need 4 s.
SLOW = Way(delay=0.001, rate=4 * MIB)
HUGE = np.arange(4 * MIB, dtype=np.float32).reshape(1, -1)


@pytest.mark.parametrize("slow", [{"out": SLOW}, {"back": SLOW}], ids=["out", "back"])
def test_a_slow_link_holds_up_no_other_worker(cable, folder, slow):
    cable.carry(**slow)
    with (FarWorker(cable, folder) as far, Worker("echo", "127.0.0.1:0", folder=folder) as near,
          harness.Server(service(far=far.address, near=near.address),
                         args=["--http-address", "127.0.0.1:0"]) as server):
        server.wait_for_line(f"attached to the worker at ipv4:{far.address}")
        server.wait_for_line(f"attached to the worker at ipv4:{near.address}")
        under_way = [server.infer_later("away.call_far", x=HUGE) for _ in range(3)]
        for _ in range(30):
            assert answers(server, LARGE, api="away.call_near")
        assert answers(server, HUGE, api="away.call_near")
        assert not any(call.done() for call in under_way)
        for call in under_way:
            call.cancel()
        await_rest(server)
        assert answers(server, LARGE, api="away.call_far")
        assert not [line for line in server.lines if "lost the worker" in line]
