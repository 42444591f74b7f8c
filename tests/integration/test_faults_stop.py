"""Processes that are stopped (SIGSTOP): a worker is found out and replaced, a gateway that slept
blames nobody.

`TIFFIN_STOP_S=10` stops the gateway for that long; by default it is a little more than the silence
for which a worker is replaced.
"""

import contextlib
import os
import pathlib
import re
import signal
import time

import pytest

import faults
import harness
from harness import END_S, eventually
from load import SLACK_S, Footprint, Load, await_rest

SILENCE_S = 2
STOP_S = float(os.environ.get("TIFFIN_STOP_S", "3"))

SERVICE = """
service: faults
runners:
  pre: {backend: testing, options: {behavior: identity, dtype: int64}}
  a: {backend: testing, replicas: 2, batching: off,
      options: {behavior: delay, ms: 1, batchable: true, dtype: int64}}
apis:
  chain:
    input: {x: "int64[-1]"}
    steps:
      features: pre(x)
      left: a(features)
    output: {left: left, features: features}
"""


@pytest.fixture(params=faults.VARIANTS)
def server(folder, request):
    args = [*faults.VARIANTS[request.param], "--http-address", "127.0.0.1:0"]
    with harness.Server(SERVICE, folder=folder, args=args) as made:
        yield made


def await_state(pid, state):
    """Until all threads of the process are in it."""
    def all_are():
        tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
        return all((task / "stat").read_text().rpartition(")")[2].split()[0] == state
                   for task in tasks)

    eventually(all_are, what=f"state {state} of {pid}")


@contextlib.contextmanager
def stopped(process):
    process.kill(signal.SIGSTOP)
    try:
        await_state(process.pid, "T")
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill(signal.SIGCONT)


def test_a_stopped_worker_is_replaced_and_its_requests_are_answered(server):
    before = Footprint(server)
    patient = Load(server, "faults.chain", deadline_s=20)
    hurried = Load(server, "faults.chain", deadline_s=1, clients=4)
    with patient, hurried:
        for runner in ("a", "pre"):
            victim = server.workers(runner)[0]
            start = time.monotonic()
            victim.kill(signal.SIGSTOP)
            assert victim.gone(END_S)
            took = time.monotonic() - start
            server.wait_for_line(rf"worker \S+ \(pid {victim.pid}\) ended")
            patient.await_more(50)
            hurried.await_more(50)
            print(f"{runner}: gone after {took:.2f} s")
            assert SILENCE_S * 0.7 < took < SILENCE_S + SLACK_S
    # Those that have the time are run again; the others are told in time.
    assert patient.failed == 0, patient.messages
    assert hurried.ended["DEADLINE_EXCEEDED"] > 0
    assert len(re.findall("replacing a worker", "\n".join(server.lines))) == 2
    before.check(server)


def test_a_gateway_that_slept_loses_nothing_but_what_expired(server):
    gateway = harness.Process(server.pid)
    workers = server.worker_pids()
    patient = Load(server, "faults.chain", deadline_s=STOP_S + 20)
    # It can't answer while it sleeps.
    hurried = Load(server, "faults.chain", deadline_s=1, clients=4, slack_s=STOP_S + SLACK_S)
    with patient, hurried:
        with stopped(gateway):
            assert not gateway.gone(STOP_S)  # The fault is the time that passes.
        patient.await_more(100)
        hurried.await_more(100)
        # Longer than silence takes to be noticed.
        assert not gateway.gone(SILENCE_S + 1)
    assert patient.failed == 0, patient.messages
    assert set(hurried.ended) <= {"OK", "DEADLINE_EXCEEDED"}, hurried.messages
    assert server.worker_pids() == workers
    assert not any("replacing a worker" in line or "ended" in line for line in server.lines)
    await_rest(server)


def test_an_idle_gateway_that_slept_blames_nobody(server):
    gateway = harness.Process(server.pid)
    workers = server.worker_pids()
    with stopped(gateway):
        assert not gateway.gone(STOP_S)
    with Load(server, "faults.chain") as load:
        load.await_more(100)
    assert load.failed == 0
    assert server.worker_pids() == workers
