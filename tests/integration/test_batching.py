"""Calls of several clients run as one execution, and nobody notices but by the time."""

import concurrent.futures
import json
import random

import grpc
import numpy as np
import pytest

import harness
from harness import ANSWER_S, refused

Code = grpc.StatusCode

SERVICE = """
service: batch
runners:
  together: {{backend: testing, batching: {{max_batch_size: 8, max_delay: 5ms}},
             options: {{behavior: delay, batchable: true, until: {gate}, ms: 60000, shape: [-1],
                       journal: {journal}}}}}
  expiring: {{backend: testing,
             options: {{behavior: delay, batchable: true, until: {gate}, ms: 60000, shape: [-1],
                       journal: {journal}}}}}
  texts: {{backend: testing,
          options: {{behavior: delay, batchable: true, until: {gate}, ms: 60000, dtype: bytes,
                    shape: [], journal: {journal}}}}}
  single: {{backend: testing, batching: off,
           options: {{behavior: delay, batchable: true, until: {gate}, ms: 60000, shape: [-1],
                     journal: {journal}}}}}
  picky: {{backend: testing,
          options: {{behavior: fail, batchable: true, until: {gate}, ms: 60000, content: 13,
                    code: INVALID_ARGUMENT, journal: {journal}}}}}
  window: {{backend: testing, batching: {{policy: fixed, max_batch_size: 3, max_delay: 1h}},
           options: {{behavior: delay, batchable: true, ms: 0, shape: [-1], journal: {journal}}}}}
  echo: {{backend: testing, replicas: 2, options: {{behavior: identity, shape: [-1]}}}}
apis:
  split:
    input: {{x: "fp32[rows,-1]"}}
    steps: {{y: together(x)}}
    output: {{y: y}}
"""


class Parts:
    """The server, and what its runners wait for and write to."""

    def __init__(self, folder):
        self.gate = harness.Gate(folder)
        self.journal = harness.Journal(folder)
        self.service = SERVICE.format(gate=self.gate.path, journal=self.journal.path)
        self.server = None


@pytest.fixture(scope="module")
def module_parts(module_folder):
    made = Parts(module_folder)
    with harness.Server(made.service) as server:
        made.server = server
        yield made
        made.gate.open()


@pytest.fixture
def parts(module_parts):
    """With the gate closed and an empty journal."""
    module_parts.gate.close()
    yield module_parts
    module_parts.gate.open()
    for runner in ("together", "expiring", "single", "picky"):
        module_parts.server.infer(f"batch.{runner}", row(0))
    module_parts.journal.all_so_far()


def row(*values):
    return np.array([values], np.float32)


def occupy(parts, runner, value):
    """A call that executes until the gate is opened."""
    future = parts.server.infer_later(f"batch.{runner}", value)
    assert parts.journal.next().rows == 1
    return future


def queue(parts, runner, values):
    """Calls that have reached the worker, behind one that executes."""
    futures = [parts.server.infer_later(f"batch.{runner}", value) for value in values]
    reach(parts, runner)
    return futures


def reach(parts, runner):
    """Returns when what was sent to the runner so far has come to its worker's queue."""
    # The gateway has read all of it, for it reads a connection in order.
    parts.server.infer("batch.echo", row(0))
    # And so has the worker's loop when it answers somebody who comes only now.
    address = parts.server.worker(runner).option("--listen")
    probed = harness.run(harness.BIN / "tiffin-worker-testing", "--probe", address, "liveness")
    assert probed.returncode == 0, probed.stderr


def answers(futures):
    return [harness.outputs_of(future.result(ANSWER_S))["OUTPUT0"] for future in futures]


def rows_of(entries):
    return [entry.rows for entry in entries]


def test_calls_that_wait_run_as_one_execution(parts):
    first = occupy(parts, "together", row(0, 0))
    futures = queue(parts, "together", [row(value, value) for value in range(1, 6)])
    parts.gate.open()
    assert [answer.tolist() for answer in answers([first, *futures])] == [
        [[value, value]] for value in range(6)]
    assert rows_of(parts.journal.all_so_far()) == [5]


def test_rows_are_counted_and_never_above_the_limit(parts):
    first = occupy(parts, "together", row(0, 0))
    values = [np.full((3, 2), value, np.float32) for value in range(1, 6)]
    futures = queue(parts, "together", values)
    parts.gate.open()
    assert all(np.array_equal(*pair) for pair in zip(answers(futures), values, strict=True))
    assert first.result(ANSWER_S)
    assert rows_of(parts.journal.all_so_far()) == [6, 6, 3]


def test_large_rows_are_views_or_copies_and_right_in_any_case(parts):
    # 1,024 bytes a row lie on the boundary that a reference needs, 4,004 don't.
    for width in (256, 1001):
        parts.gate.close()
        first = occupy(parts, "together", np.zeros((1, width), np.float32))
        values = [np.random.default_rng(seed).random((rows, width), np.float32)
                  for seed, rows in enumerate((1, 3, 2))]
        futures = queue(parts, "together", values)
        parts.gate.open()
        assert all(np.array_equal(*pair) for pair in zip(answers(futures), values, strict=True))
        assert first.result(ANSWER_S)
        assert rows_of(parts.journal.all_so_far()) == [6]


def test_other_shapes_run_apart(parts):
    first = occupy(parts, "together", row(0))
    values = [row(1), row(2, 2), row(3), row(4, 4)]
    futures = queue(parts, "together", values)
    parts.gate.open()
    assert [answer.tolist() for answer in answers(futures)] == [value.tolist() for value in values]
    assert first.result(ANSWER_S)
    entries = parts.journal.all_so_far()
    assert [(entry.rows, entry.first) for entry in entries] == [(2, "1"), (2, "2")]


def texts(*elements):
    request = harness.service_pb2.ModelInferRequest(model_name="batch.texts")
    framed = harness.frame(*(element.encode() for element in elements))
    harness.add_input(request, "INPUT0", "BYTES", [len(elements)], framed)
    return request


def test_texts_run_together_too(parts):
    stub = parts.server.kserve
    first = stub.ModelInfer.future(texts("first"), timeout=ANSWER_S)
    assert parts.journal.next().rows == 1
    wanted = [["a"], ["", "longer than the others" * 50], ["ä"], ["x" * 600]]
    futures = [stub.ModelInfer.future(texts(*elements), timeout=ANSWER_S) for elements in wanted]
    reach(parts, "texts")
    parts.gate.open()
    assert [[element.decode() for element in answer] for answer in answers(futures)] == wanted
    assert first.result(ANSWER_S)
    assert rows_of(parts.journal.all_so_far()) == [5]


def test_off_means_one_by_one(parts):
    first = occupy(parts, "single", row(0))
    futures = queue(parts, "single", [row(value) for value in (1, 2, 3)])
    parts.gate.open()
    assert [answer.tolist() for answer in answers(futures)] == [[[1]], [[2]], [[3]]]
    assert first.result(ANSWER_S)
    assert rows_of(parts.journal.all_so_far()) == [1, 1, 1]


def test_a_failing_row_fails_alone(parts):
    first = occupy(parts, "picky", row(0))
    futures = queue(parts, "picky", [row(1), row(13), row(2)])
    parts.gate.open()
    assert first.result(ANSWER_S)
    assert [answer.tolist() for answer in answers([futures[0], futures[2]])] == [[[1]], [[2]]]
    with refused(Code.INVALID_ARGUMENT, "picky"):
        futures[1].result(ANSWER_S)
    assert rows_of(parts.journal.all_so_far()) == [3, 1, 1, 1]


def test_cancelled_and_expired_calls_never_execute(parts):
    # A runner of its own: one that was held up lately refuses what would expire.
    first = occupy(parts, "expiring", row(0))
    futures = queue(parts, "expiring", [row(value) for value in (1, 2, 3)])
    futures[1].cancel()
    request = harness.infer_request("batch.expiring", row(4))
    request.parameters["timeout"].int64_param = 100_000
    with refused(Code.DEADLINE_EXCEEDED):
        parts.server.kserve.ModelInfer(request, timeout=ANSWER_S)
    reach(parts, "expiring")
    parts.gate.open()
    assert [answer.tolist() for answer in answers([futures[0], futures[2]])] == [[[1]], [[3]]]
    assert first.result(ANSWER_S)
    assert rows_of(parts.journal.all_so_far()) == [2]


def test_any_mix_of_calls_comes_back_to_its_callers(parts):
    def client(seed):
        rng = random.Random(seed)
        for _ in range(60):
            rows, width = rng.randint(1, 5), rng.choice([1, 2, 16, 64, 100, 300, 1001])
            value = np.array([[rng.random() for _ in range(width)] for _ in range(rows)],
                             np.float32)
            assert np.array_equal(parts.server.infer("batch.echo", value)["OUTPUT0"], value)

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        for done in [pool.submit(client, seed) for seed in range(12)]:
            done.result()


def test_a_fixed_window_lasts_until_the_batch_is_full(parts):
    futures = queue(parts, "window", [row(1), row(2)])
    assert not any(future.done() for future in futures)
    futures.append(parts.server.infer_later("batch.window", row(3)))
    assert [answer.tolist() for answer in answers(futures)] == [[[1]], [[2]], [[3]]]
    assert rows_of(parts.journal.all_so_far()) == [3]


def test_more_rows_than_the_limit_are_refused_or_split(parts):
    rows = np.random.default_rng(1).random((19, 256), np.float32)
    with refused(Code.INVALID_ARGUMENT, "batch.together", "at most 8 rows", "not 19"):
        parts.server.infer("batch.together", rows)
    with refused(Code.INVALID_ARGUMENT, "batch.echo", "at most 32 rows", "not 33"):
        parts.server.infer("batch.echo", np.zeros((33, 1), np.float32))
    parts.gate.open()
    assert np.array_equal(parts.server.infer("batch.split", x=rows)["y"], rows)
    split = rows_of(parts.journal.all_so_far())
    assert sum(split) == 19
    assert max(split) <= 8


def test_off_means_no_limit_to_a_request_either(parts):
    parts.gate.open()
    rows = np.random.default_rng(1).random((100, 4), np.float32)
    assert np.array_equal(parts.server.infer("batch.single", rows)["OUTPUT0"], rows)
    assert rows_of(parts.journal.all_so_far()) == [100]


def test_a_call_alone_is_not_held_back(parts):
    response, call = parts.server.kserve.ModelInfer.with_call(
        harness.infer_request("batch.echo", row(1)), metadata=[("tiffin-timing", "1")],
        timeout=ANSWER_S)
    assert response
    timing = json.loads(dict(call.trailing_metadata())["tiffin-timing"])
    (step,) = timing["steps"]
    assert step["batch_us"] == 0


def test_a_method_that_takes_one_row_can_not_be_batched(folder):
    file = folder / "service.yaml"
    file.write_text("service: s\nrunners:\n  r: {backend: testing, options: {behavior: delay}, "
                    "batching: {max_batch_size: 4}}\n")
    worker = harness.BIN / "tiffin-worker-testing"
    for how in (["--describe"], ["--listen", f"unix:{folder}/s"]):
        ended = harness.run(worker, "--service", file, "--runner", "r", *how)
        assert ended.returncode == 2
        assert "batching" in ended.stderr and "one row" in ended.stderr
