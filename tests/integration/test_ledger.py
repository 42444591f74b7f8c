"""Where the time of a request went (`tiffin-timing: 1`): its parts add up to the whole."""

import http.client
import json
import time

import numpy as np
import pytest

import harness
from harness import ANSWER_S

# Waits of such lengths are told apart from all else on a busy machine.
SHORT_MS = 5
LONG_MS = 60

SERVICE = f"""
service: shapes
runners:
  first: {{backend: testing, options: {{behavior: identity, shape: [4]}}}}
  short: {{backend: testing, options: {{behavior: delay, shape: [4], ms: {SHORT_MS}}}}}
  long: {{backend: testing, options: {{behavior: delay, shape: [4], ms: {LONG_MS}}}}}
  narrow: {{backend: testing, options: {{behavior: delay, shape: [4], ms: {SHORT_MS}}},
           queue: {{max: 1}}}}
  shaky: {{backend: testing, options: {{behavior: fail, shape: [4], code: UNAVAILABLE, times: 1,
          ms: {LONG_MS}}}}}
apis:
  chain:
    input: {{x: "fp32[4]"}}
    steps: {{one: first(x), two: short(one), three: long(two)}}
    output: {{y: three}}
  fan_out:
    input: {{x: "fp32[4]"}}
    steps: {{pre: first(x), left: short(pre), right: long(pre), sum: "concat(left, right)"}}
    output: {{y: sum, also: pre}}
  retried:
    input: {{x: "fp32[4]"}}
    steps: {{one: {{run: shaky(x), retries: 1}}}}
    output: {{y: one}}
  split:
    input: {{x: "fp32[rows,4]"}}
    steps: {{one: narrow(x)}}
    output: {{y: one}}
"""
ONES = np.ones((1, 4), np.float32)


@pytest.fixture(scope="module")
def server(carrier):
    with harness.Server(harness.DIGITS_SERVICE, harness.SENTIMENT_SERVICE, SERVICE,
                        args=[*carrier, "--http-address", "127.0.0.1:0"]) as made:
        yield made


def over_grpc(server, model, **inputs):
    started = time.monotonic()
    _, call = server.kserve.ModelInfer.with_call(
        harness.infer_request(model, **inputs), timeout=ANSWER_S,
        metadata=[("tiffin-timing", "1")])
    took = time.monotonic() - started
    return checked(dict(call.trailing_metadata())["tiffin-timing"], took)


def over_http(server, path, body, content_type):
    connection = http.client.HTTPConnection(server.http_address, timeout=ANSWER_S)
    started = time.monotonic()
    connection.request("POST", path, body, {"content-type": content_type, "tiffin-timing": "1"})
    response = connection.getresponse()
    response.read()
    took = time.monotonic() - started
    connection.close()
    assert response.status == 200
    return checked(response.headers["tiffin-timing"], took)


def checked(text, took_s):
    """The ledger, and its steps by name; what holds for each is checked."""
    ledger = json.loads(text)
    steps = {step["name"]: step for step in ledger["steps"]}
    assert ledger["total_us"] <= took_s * 1e6
    path = [steps[name] for name in ledger["critical_path"]]
    for step in steps.values():
        for key, value in step.items():
            assert key in ("name", "runner") or value >= 0, step
        parts = sum(step.get(key, 0) for key in
                    ("queue_us", "batch_us", "compute_us", "transport_us", "retry_us"))
        # Each part is rounded.
        assert abs(parts - (step["end_us"] - step["start_us"])) <= 6, step
    for before, after in zip(path, path[1:], strict=False):
        assert before["end_us"] <= after["start_us"]
    whole = (ledger["parse_us"] + ledger["dispatch_us"] + ledger["gather_us"]
             + sum(step["end_us"] - step["start_us"] for step in path))
    assert abs(whole - ledger["total_us"]) <= 0.05 * ledger["total_us"]
    assert min(ledger["parse_us"], ledger["dispatch_us"], ledger["gather_us"]) >= 0
    return ledger, steps


def test_the_digits_service(server):
    image = next(harness.IMAGES.glob("*.png")).read_bytes()
    for ledger, steps in (
            over_grpc(server, "inference_graph_demo.predict", input_image=image),
            over_http(server, "/inference_graph_demo/predict", image, "image/png")):
        last = max("ab", key=lambda name: steps[name]["end_us"])
        assert ledger["critical_path"] == ["features", last, "verdict"]


def test_the_sentiment_service(server):
    image = next(harness.TEXT_IMAGES.glob("*.png")).read_bytes()
    for ledger, steps in (
            over_grpc(server, "sentiment_analysis.classify", image=image),
            over_http(server, "/sentiment_analysis/classify", image, "image/png")):
        assert ledger["critical_path"] == list(steps)


def test_a_chain(server):
    ledger, steps = over_grpc(server, "shapes.chain", x=ONES[0])
    assert ledger["critical_path"] == ["one", "two", "three"]
    assert steps["two"]["compute_us"] >= SHORT_MS * 1000
    assert steps["three"]["compute_us"] >= LONG_MS * 1000
    over_http(server, "/shapes/chain", json.dumps({"x": [1, 1, 1, 1]}), "application/json")


def test_a_fan_out_is_explained_by_its_longer_branch(server):
    ledger, _ = over_grpc(server, "shapes.fan_out", x=ONES[0])
    assert ledger["critical_path"] == ["pre", "right", "sum"]


def test_a_runner_called_by_itself(server):
    ledger, _ = over_grpc(server, "shapes.short", INPUT0=ONES[0])
    assert ledger["critical_path"] == ["short"]


def test_the_attempt_that_failed_is_told_apart(server):
    _, steps = over_grpc(server, "shapes.retried", x=ONES[0])
    step = steps["one"]
    assert step["retries"] == 1
    assert step["retry_us"] >= LONG_MS * 1000
    assert step["compute_us"] >= LONG_MS * 1000
    assert step["transport_us"] < LONG_MS * 1000


def test_rows_that_go_one_by_one_are_not_counted_side_by_side(server):
    # A replica, and one call that waits for it.
    ledger, steps = over_grpc(server, "shapes.split", x=np.ones((6, 4), np.float32))
    step = steps["one"]
    assert step["calls"] == 6
    spent = step["compute_us"] + step["queue_us"] + step["transport_us"]
    assert 6 * SHORT_MS * 1000 <= spent <= ledger["total_us"]
