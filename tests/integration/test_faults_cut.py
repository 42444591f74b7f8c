"""Sessions that are cut with gateway and worker alive: nobody reads memory that was used again, and
nothing stays behind.

`TIFFIN_CUTS=100` cuts that often; by default it is a few times.
"""

import os

import numpy as np
import pytest

import faults
import harness
from cut import cut
from harness import ANSWER_S
from load import Footprint, Load, await_rest, some_random, unique

CUTS = int(os.environ.get("TIFFIN_CUTS", "12"))

CARRIERS = {
    "express": ["--worker-transport", "express"],
    "grpc": ["--worker-transport", "grpc"],
    "two_loops": ["--loops", "2"],
}


@pytest.fixture(params=CARRIERS)
def server(folder, gate, journal, request):
    with faults.serve(folder, gate, journal, CARRIERS[request.param]) as made:
        yield made


@pytest.mark.parametrize("which", ["stream", "socket"])
def test_cuts_cost_no_answer_and_leave_nothing(server, which):
    rng = some_random()
    with Load(server, "faults.fan") as load:
        load.await_more(200)
    before = Footprint(server)
    workers = server.worker_pids()
    made = 0
    with Load(server, "faults.fan", clients=12) as load:
        for _ in range(CUTS):
            load.await_more(rng.randrange(40))
            made += cut(server, rng.choice(server.workers()), which)
        load.await_more(100)
    print(f"{made} connections cut")
    assert made >= CUTS / 2
    assert server.worker_pids() == workers, "a cut is no reason to replace a worker"
    with Load(server, "faults.fan") as load:
        load.await_more(50)
    assert load.failed == 0
    before.check(server)


@pytest.mark.parametrize("which", ["stream", "socket"])
def test_a_call_that_a_cut_left_executing_gives_back_what_it_held(server, gate, journal, which):
    """Its session is gone; it goes on, and its request with another session of the same worker."""
    x = unique((1 << 16,))
    with Load(server, "faults.fan") as load:
        load.await_more(50)
        futures = [server.infer_later("faults.keep", x=x)]
        assert journal.next().first == str(x[0])
        worker = server.worker("hold")
        assert cut(server, worker, which) >= 1
        load.await_more(200)  # Others, with whatever memory is free.
        # It waits behind the one that still executes.
        assert not futures[0].done()
        gate.open()
        assert journal.next().first == str(x[0]), "run again, with the same contents"
        assert np.array_equal(harness.outputs_of(futures[0].result(ANSWER_S))["y"], x)
        assert server.worker("hold").pid == worker.pid
    await_rest(server)


