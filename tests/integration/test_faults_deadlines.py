"""Storms of requests that expire or are cancelled: nothing of them executes, and nothing stays."""

import time

import grpc
import numpy as np
import pytest

import faults
import harness
from harness import ANSWER_S
from load import Footprint, await_rest, unique
from prometheus_text import await_value

STORM = 1000

SERVICE = """
service: faults
runners:
  hold: {{backend: testing, queue: {{max: 4096}},
         options: {{behavior: delay, until: {gate}, ms: 60000, dtype: int64, batchable: true,
                   journal: {journal}}}}}
apis:
  keep:
    input: {{x: "int64[-1]"}}
    steps:
      kept: hold(x)
    output: {{y: kept}}
"""


@pytest.fixture(params=faults.VARIANTS)
def server(folder, gate, journal, request):
    args = faults.VARIANTS[request.param]
    with faults.serve(folder, gate, journal, args, service=SERVICE) as made:
        yield made


@pytest.mark.parametrize("end", ["expire", "cancel"])
def test_a_storm_that_nobody_waits_for_is_never_executed(server, gate, journal, end):
    storm(server, gate, journal, end)  # So many at once take memory, which is kept for the next.
    before = Footprint(server)
    storm(server, gate, journal, end)
    before.check(server)


def storm(server, gate, journal, end):
    gate.close()
    first = unique((1024,))
    held = server.infer_later("faults.keep", x=first)
    assert journal.next().first == str(first[0])

    futures = []
    for _ in range(STORM):
        request = harness.infer_request("faults.keep", x=unique((1024,)))
        if end == "expire":
            request.parameters["timeout"].int64_param = 200_000
        futures.append(server.kserve.ModelInfer.future(request, timeout=ANSWER_S))
    if end == "cancel":
        for future in futures:
            future.cancel()
    wanted = {grpc.StatusCode.DEADLINE_EXCEEDED if end == "expire" else grpc.StatusCode.CANCELLED}
    assert {future.code() for future in futures} == wanted

    # A client doesn't wait for the server to hear of it; the worker has ended all but one by then.
    await_value(server, 1, "tiffin_replica_calls_in_flight")
    gate.open()
    assert np.array_equal(harness.outputs_of(held.result(ANSWER_S))["y"], first)
    start = time.monotonic()
    fresh = unique((1024,))
    assert np.array_equal(server.infer("faults.keep", x=fresh)["y"], fresh)
    assert time.monotonic() - start < 1 * harness.SLOWNESS
    assert [entry.first for entry in journal.all_so_far()] == [str(fresh[0])], "dead work was done"
    await_rest(server)
