"""Workers killed at random moments, under load: every request is answered, and rightly.

`TIFFIN_KILLS=200` kills that many of each server; by default it is a few.
"""

import contextlib
import os
import re
import time

import numpy as np
import pytest

import harness
from harness import END_S, eventually
from load import Footprint, Load, some_random, unique

KILLS = int(os.environ.get("TIFFIN_KILLS", "16"))

SERVICE = """
service: faults
runners:
  pre: {{backend: testing, options: {{behavior: identity, dtype: int64}}}}
  a: {{backend: testing, replicas: 2, batching: {batching},
      options: {{behavior: delay, ms: {ms}, batchable: true, dtype: int64, journal: {journal}}}}}
  b: {{backend: testing, batching: off, options: {{behavior: identity, dtype: int64}}}}
apis:
  fan:
    input: {{x: "int64[-1]"}}
    steps:
      features: pre(x)
      left: a(features)
      right: b(features)
    output: {{left: left, right: right}}
"""

BATCHES = "{policy: fixed, max_batch_size: 8, max_delay: 5ms}"
VARIANTS = {
    "express": (["--worker-transport", "express"], "off"),
    "grpc": (["--worker-transport", "grpc"], "off"),
    "two_loops": (["--loops", "2"], "off"),
    "batches": ([], BATCHES),
    "batches_grpc": (["--worker-transport", "grpc"], BATCHES),
}


@pytest.fixture(params=VARIANTS)
def variant(request):
    return VARIANTS[request.param]


@pytest.fixture
def server(folder, variant):
    args, batching = variant
    text = SERVICE.format(batching=batching, journal=folder / "journal",
                          ms=1 if batching == "off" else 8)
    with harness.Server(text, folder=folder, args=[*args, "--http-address", "127.0.0.1:0"]) as made:
        yield made


def await_ready(server):
    eventually(lambda: harness.run(harness.TIFFIN, "probe", server.address).returncode == 0 and
               len(server.workers()) == 4, what="all workers")


def kill_and_time_return(server, victim):
    """Kills a worker that serves. Seconds until its next life serves."""
    since = len(server.lines)
    start = time.monotonic()
    victim.kill()
    ended = server.wait_for_line(rf"worker \S+ \(pid {victim.pid}\) ended", since=since)
    name = re.search(r"worker (\S+) ", ended).group(1)
    server.wait_for_line(rf"worker {re.escape(name)} \(pid \d+\) is ready", since=since)
    return time.monotonic() - start


def test_kills_at_random_moments_cost_no_answer(server, folder, variant):
    rng = some_random()
    sizes = Load.SIZES if variant[1] == "off" else (1024,)  # Those of one size share a batch.
    with Load(server, "faults.fan", sizes=sizes) as load:
        load.await_more(300)
    before = Footprint(server)
    before_kills = len(server.lines)
    returns = []
    with Load(server, "faults.fan", clients=12, sizes=sizes) as load:
        for number in range(KILLS):
            load.await_more(rng.randrange(40))
            victim = rng.choice(server.workers())
            if number % 4 == 0:  # One of a whole set; the others may just be starting.
                await_ready(server)
                returns.append(kill_and_time_return(server, rng.choice(server.workers())))
            else:
                with contextlib.suppress(ProcessLookupError):
                    victim.kill()
        await_ready(server)
        load.await_more(100)
    print(f"{KILLS} kills, ready again after {max(returns):.3f} s at most")
    assert max(returns) < 1 * harness.SLOWNESS
    rows = [int(line.split()[1]) for line in (folder / "journal").read_text().splitlines()]
    assert variant[1] == "off" or max(rows) > 1, "nothing was batched"
    # Kills from outside make nothing suspect.
    assert not any("died of" in line for line in server.lines[before_kills:])
    with Load(server, "faults.fan", sizes=sizes) as load:
        load.await_more(100)
    assert load.failed == 0
    before.check(server)


def test_kills_of_idle_workers_cost_no_answer(server):
    def ask():
        x = unique((1024,))
        found = server.infer("faults.fan", x=x)
        assert np.array_equal(found["left"], x) and np.array_equal(found["right"], x)

    ask()
    before = Footprint(server)
    for victim in server.workers():
        victim.kill()
        ask()  # At once, whether or not the death was seen.
    await_ready(server)
    before.check(server)
