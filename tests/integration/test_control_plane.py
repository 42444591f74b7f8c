"""How requests run: in parallel, in time, once, and without harm to one another."""

import time

import grpc
import numpy as np
import pytest

import harness
from harness import ANSWER_S, refused

Code = grpc.StatusCode

# Runners and APIs with one fp32[-1] in and out. {folder}: of the test.
SERVICE = """
service: control
runners:
  echo: {{backend: testing, options: {{behavior: identity, shape: [-1], journal: {echo_journal}}}}}
  left: {{backend: testing, options: {{behavior: barrier, path: {folder}/barrier}}}}
  right: {{backend: testing, options: {{behavior: barrier, path: {folder}/barrier}}}}
  lonely: {{backend: testing, options: {{behavior: barrier, path: {folder}/lonely, ms: 200}}}}
  pair: {{backend: testing, replicas: 2, options: {{behavior: barrier, path: {folder}/pair}}}}
  hold: {{backend: testing, queue: {{max: 4}},
         options: {{behavior: delay, until: {gate}, ms: 60000, journal: {hold_journal}}}}}
  broken: {{backend: testing, options: {{behavior: fail, code: FAILED_PRECONDITION,
           journal: {fail_journal}}}}}
  shaky: {{backend: testing, options: {{behavior: fail, code: UNAVAILABLE, times: 1,
          journal: {fail_journal}}}}}
  shakier: {{backend: testing, options: {{behavior: fail, code: UNAVAILABLE, times: 2,
            journal: {fail_journal}}}}}
  unsafe: {{backend: testing, options: {{behavior: fail, code: UNAVAILABLE, times: 1,
           retry_safe: false, journal: {fail_journal}}}}}
  deadly: {{backend: testing, options: {{behavior: crash, content: 13}}}}
apis:
  overlap:
    input: {{x: "fp32[-1]"}}
    steps:
      l: left(x)
      r: right(x)
      both: select(l, r, index=1)
    output: {{y: both}}
  sequence:
    input: {{x: "fp32[-1]"}}
    steps:
      first: lonely(x)
      second: lonely(first)
    output: {{y: second}}
  fail_fast:
    input: {{x: "fp32[-1]"}}
    steps:
      slow: hold(x)
      bad: broken(x)
      both: select(slow, bad, index=0)
    output: {{y: both}}
  short:
    input: {{x: "fp32[-1]"}}
    steps:
      slow: hold(x)
    output: {{y: slow}}
    timeout: 150ms
  short_step:
    input: {{x: "fp32[-1]"}}
    steps:
      slow: {{run: "hold(x)", timeout: 150ms}}
    output: {{y: slow}}
  retried:
    input: {{x: "fp32[-1]"}}
    steps:
      out: shaky(x)
    output: {{y: out}}
  retried_twice:
    input: {{x: "fp32[-1]"}}
    steps:
      out: {{run: shakier(x), retries: 2}}
    output: {{y: out}}
  unsafe_once:
    input: {{x: "fp32[-1]"}}
    steps:
      out: unsafe(x)
    output: {{y: out}}
  batched_rows:
    input: {{x: "fp32[rows,-1]"}}
    steps:
      out: echo(x)
    output: {{y: out}}
  single_rows:
    input: {{x: "fp32[rows,-1]"}}
    steps:
      out: hold(x)
    output: {{y: out}}
  rest:
    input: {{x: "fp32[-1]"}}
    steps:
      p: pair(x)
      out: deadly(p)
    output: {{y: out}}
"""

ONE = np.array([1.0], np.float32)


class Parts:
    """The server, and what its runners wait for and write to."""

    def __init__(self, folder):
        self.gate = harness.Gate(folder)
        self.echo = harness.Journal(folder)
        self.hold = harness.Journal(folder)
        self.fail = harness.Journal(folder)
        for name in ("barrier", "lonely", "pair"):
            (folder / name).mkdir()
        self.service = SERVICE.format(
            folder=folder, gate=self.gate.path, echo_journal=self.echo.path,
            hold_journal=self.hold.path, fail_journal=self.fail.path)
        self.server = None


@pytest.fixture(scope="module")
def module_parts(module_folder, carrier):
    folder = module_folder / carrier[-1]
    folder.mkdir()
    made = Parts(folder)
    with harness.Server(made.service, args=carrier) as server:
        made.server = server
        yield made
        made.gate.open()


@pytest.fixture
def parts(module_parts):
    """With the gate closed and empty journals; whatever the test held is let go at its end."""
    module_parts.gate.close()
    yield module_parts
    module_parts.gate.open()
    # After one more answer nothing of the test is left in the queue, which may be full until then.
    harness.eventually(lambda: answers(module_parts.server), what="an answer of hold")
    for journal in (module_parts.echo, module_parts.hold, module_parts.fail):
        journal.all_so_far()


def answers(server):
    try:
        return server.infer("control.hold", ONE)
    except grpc.RpcError as error:
        assert error.code() == Code.RESOURCE_EXHAUSTED
        return None


def x(*values):
    return np.array(values, np.float32)


# Branches.


def test_two_branches_run_at_the_same_time(parts):
    # Each returns only when both are executing.
    assert parts.server.infer("control.overlap", x=x(5))["y"].tolist() == [5]


def test_the_barrier_would_notice_steps_that_run_one_after_the_other(parts):
    with refused(Code.DEADLINE_EXCEEDED, "first", "lonely"):
        parts.server.infer("control.sequence", x=x(5))


def test_replicas_run_calls_of_one_runner_at_the_same_time(parts):
    assert len(parts.server.workers("pair")) == 2
    futures = [parts.server.infer_later("control.pair", x(value)) for value in (1, 2)]
    assert [harness.outputs_of(future.result())["OUTPUT0"].tolist() for future in futures] == [
        [1], [2]]


def test_a_failing_branch_ends_the_request_while_its_sibling_still_runs(parts):
    with refused(Code.FAILED_PRECONDITION, "bad", "broken"):
        parts.server.infer("control.fail_fast", x=x(1))
    # The gate was closed all the time: the sibling could not have ended, and others run on.
    assert not parts.gate.path.exists()
    assert parts.server.infer("control.echo", x(2)[None])["OUTPUT0"].tolist() == [[2]]


# Queues and deadlines.


def test_expired_and_cancelled_requests_that_wait_never_execute(parts):
    def code_of_one_that_expires():
        # Longer for the client than for the server, so that the answer is the server's.
        request = harness.infer_request("control.hold", x(2))
        request.parameters["timeout"].int64_param = 200_000
        return parts.server.kserve.ModelInfer.future(request, timeout=ANSWER_S).code()

    first = parts.server.infer_later("control.hold", x(1))
    assert parts.hold.next().first == "1"
    cancelled = parts.server.infer_later("control.hold", x(3))
    others = [parts.server.infer_later("control.hold", x(value)) for value in (4, 5, 6)]
    assert code_of_one_that_expires() == Code.RESOURCE_EXHAUSTED, "4 wait: the queue is full"
    cancelled.cancel()
    # There is room as soon as the worker has dropped the cancelled one, and then this one waits.
    harness.eventually(lambda: code_of_one_that_expires() == Code.DEADLINE_EXCEEDED)
    parts.gate.open()
    assert first.result() and all(other.result() for other in others)
    assert [entry.first for entry in parts.hold.all_so_far()] == ["4", "5", "6"]


def test_a_full_queue_refuses_at_once(parts):
    futures = [parts.server.infer_later("control.hold", x(value)) for value in range(9)]
    refusals = [future for future in futures[5:] if future.exception(ANSWER_S) is not None]
    assert len(refusals) == 4, "4 wait, 1 may execute; the gate is closed"
    for future in refusals:
        assert future.code() == Code.RESOURCE_EXHAUSTED
        assert "hold" in future.details() and "4" in future.details()
    parts.gate.open()
    answered = [future for future in futures if future.exception(ANSWER_S) is None]
    assert 4 <= len(answered) <= 5
    assert parts.server.infer("control.hold", x(1))


def test_the_clients_deadline_ends_a_request(parts):
    # Longer for the client than for the server, so that the answer is the server's.
    request = harness.infer_request("control.hold", x(1))
    request.parameters["timeout"].int64_param = 150_000
    start = time.monotonic()
    with refused(Code.DEADLINE_EXCEEDED):
        parts.server.kserve.ModelInfer(request, timeout=ANSWER_S)
    assert 0.14 < time.monotonic() - start < 10 * harness.SLOWNESS


def test_an_apis_timeout_ends_a_request(parts):
    with refused(Code.DEADLINE_EXCEEDED, "slow", within=10):
        parts.server.infer("control.short", x=x(1))


def test_a_steps_timeout_ends_a_request(parts):
    with refused(Code.DEADLINE_EXCEEDED, "slow", "hold", within=10):
        parts.server.infer("control.short_step", x=x(1))


def test_a_deadline_that_has_passed_is_told_at_once(parts):
    request = harness.infer_request("control.hold", x(1))
    request.parameters["timeout"].int64_param = 1
    with refused(Code.DEADLINE_EXCEEDED, within=10):
        parts.server.kserve.ModelInfer(request, timeout=ANSWER_S)


# Retries.


def test_unavailable_is_retried_once_where_that_is_safe(parts):
    assert parts.server.infer("control.retried", x=x(7))["y"].tolist() == [7]
    assert [entry.first for entry in parts.fail.all_so_far()] == ["7", "7"]


def test_retries_says_how_often(parts):
    assert parts.server.infer("control.retried_twice", x=x(8))["y"].tolist() == [8]
    assert [entry.first for entry in parts.fail.all_so_far()] == ["8", "8", "8"]


def test_what_is_not_safe_to_retry_is_not_retried(parts):
    with refused(Code.UNAVAILABLE, "unsafe", "out"):
        parts.server.infer("control.unsafe_once", x=x(9))
    assert [entry.first for entry in parts.fail.all_so_far()] == ["9"]


def test_other_errors_are_not_retried(parts):
    with refused(Code.FAILED_PRECONDITION):
        parts.server.infer("control.broken", x(10))
    assert [entry.first for entry in parts.fail.all_so_far()] == ["10"]


# Rows.


def test_rows_meet_a_batchable_method_together(parts):
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    assert np.array_equal(parts.server.infer("control.batched_rows", x=rows)["y"], rows)
    assert [entry.rows for entry in parts.echo.all_so_far()] == [4]


def test_rows_meet_other_methods_one_by_one_and_come_back_in_order(parts):
    parts.gate.open()
    rows = np.array([[10, 0], [11, 0], [12, 0]], np.float32)
    assert np.array_equal(parts.server.infer("control.single_rows", x=rows)["y"], rows)
    entries = parts.hold.all_so_far()
    assert sorted(entry.first for entry in entries) == ["10", "11", "12"]
    assert {entry.rows for entry in entries} == {1}


def test_more_rows_than_the_queue_holds_go_there_as_it_has_room(parts):
    parts.gate.open()
    rows = np.arange(40, dtype=np.float32).reshape(20, 2)
    assert np.array_equal(parts.server.infer("control.single_rows", x=rows)["y"], rows)
    assert len(parts.hold.all_so_far()) == 20


# Crashes.


def test_a_crash_hurts_its_own_calls_only(parts):
    server = parts.server
    bystander = server.infer_later("control.hold", x(1))
    assert parts.hold.next().first == "1"
    others = {worker.pid for worker in server.workers() if worker.option("--runner") != "deadly"}
    victim = server.worker("deadly")

    with refused(Code.INVALID_ARGUMENT, "deadly", "ended the model's worker twice"):
        server.infer("control.deadly", x(13))

    assert victim.gone(ANSWER_S)
    assert server.infer("control.echo", x(3)[None])["OUTPUT0"].tolist() == [[3]]
    parts.gate.open()
    assert bystander.result()
    assert others <= server.worker_pids()
    # It is back by itself.
    server.kserve.ModelInfer(
        harness.infer_request("control.deadly", x(1)), timeout=ANSWER_S, wait_for_ready=True)


def test_many_calls_at_once_come_back_to_their_callers(parts):
    futures = [parts.server.infer_later("control.echo", x(value, value + 0.5)[None])
               for value in range(300)]
    for value, future in enumerate(futures):
        assert harness.outputs_of(future.result())["OUTPUT0"].tolist() == [[value, value + 0.5]]
