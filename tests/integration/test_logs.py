"""What an operator finds of single requests: log lines of both programs, by trace and request."""

import contextlib
import http.client
import json
import re
import signal
import subprocess

import grpc
import numpy as np
import pytest

import harness
from harness import ANSWER_S

SERVICE = """
service: watched
runners:
  same: {backend: testing, options: {behavior: identity, shape: [-1]}}
  bad: {backend: testing, options: {behavior: fail, shape: [-1], code: INTERNAL, ms: 0}}
  text: {backend: testing, options: {behavior: identity, dtype: bytes, shape: [1]}}
apis:
  echo:
    input: {x: "fp32[2]"}
    steps: {a: same(x)}
    output: {y: a}
  broken:
    input: {x: "fp32[2]"}
    steps: {a: bad(x)}
    output: {y: a}
  both:
    input: {x: "fp32[2]"}
    steps: {a: same(x), b: same(x), verdict: "compare(a, b)"}
    output: {verdict: verdict}
"""
ONES = np.ones(2, np.float32)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"
RETURNED = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-0[0-3]")


def serve(*args):
    return harness.Server(SERVICE, args=["--http-address", "127.0.0.1:0", "--log-format", "json",
                                         *args])


@pytest.fixture(scope="module")
def server():
    """With a line for each request."""
    with serve("--access-log") as made:
        yield made


def call(server, model="watched.echo", metadata=(), **inputs):
    """The trailing metadata of a call, whether it succeeds or not."""
    try:
        _, done = server.kserve.ModelInfer.with_call(
            harness.infer_request(model, **(inputs or {"x": ONES})), timeout=ANSWER_S,
            metadata=metadata)
        return dict(done.trailing_metadata())
    except grpc.RpcError as error:
        return dict(error.trailing_metadata())


def over_http(server, fields, path="/watched/echo", body='{"x": [1, 1]}'):
    connection = http.client.HTTPConnection(server.http_address, timeout=ANSWER_S)
    with contextlib.closing(connection):
        connection.putrequest("POST", path)
        for name, value in [("content-type", "application/json"),
                            ("content-length", str(len(body))), *fields]:
            connection.putheader(name, value)
        connection.endheaders(body.encode())
        response = connection.getresponse()
        response.read()
        return dict(response.headers)


def line(server, event, request_id):
    """The line of an event for a request, once it is there."""
    return json.loads(server.wait_for_line(f'"event":"{event}".*"request_id":"{request_id}"'))


# Lines.


def test_every_line_is_json(server):
    call(server, "watched.broken")
    for model in ("watched.echo", "watched.both"):
        call(server, model)
    lines = [json.loads(text) for text in server.lines]
    assert {"serving", "serving_http", "worker_ready"} <= {record.get("event") for record in lines}
    gateway = server.pid
    workers = server.worker_pids()
    for record in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", record["time"])
        assert record["level"] in ("debug", "info", "warning", "error")
        assert record["message"]
        assert record["pid"] in workers | {gateway}
        assert ("worker" in record) == (record["pid"] != gateway) or "worker_" in record["event"]


def test_a_request_has_one_line(server):
    call(server, metadata=[("x-request-id", "one-line"), ("traceparent", TRACEPARENT)])
    record = line(server, "request", "one-line")
    assert record["level"] == "info"
    assert record["service"] == "watched" and record["api"] == "echo"
    assert record["method"] == "/inference.GRPCInferenceService/ModelInfer"
    assert record["code"] == "OK" and record["rows"] == 1
    assert 0 < record["duration_us"] < ANSWER_S * 1e6
    assert record["trace_id"] == TRACE and record["parent_span_id"] == SPAN
    call(server, "watched.same", [("x-request-id", "a-runner")], INPUT0=np.ones((1, 2), np.float32))
    assert line(server, "request", "a-runner")["runner"] == "same"
    over_http(server, [("x-request-id", "over-http")])
    assert line(server, "request", "over-http")["method"] == "/watched/echo"
    for name in ("one-line", "a-runner", "over-http"):
        seen = [text for text in server.lines if name in text and '"event":"request"' in text]
        assert len(seen) == 1


def test_what_a_client_sent_is_in_no_line(server):
    secret = "mysecretmeal"
    call(server, "watched.text", [("x-request-id", "eats")], INPUT0=secret)
    over_http(server, [("x-request-id", "eats-badly")], body=f'{{"x": {secret}}}')
    call(server, "watched.echo", [("x-request-id", "eats-worse")], x=secret)
    for name in ("eats", "eats-badly", "eats-worse"):
        line(server, "request", name)
    assert secret not in "\n".join(server.lines)


def test_refused_requests_have_a_line_too(server):
    call(server, "watched.nothing", [("x-request-id", "lost")])
    record = line(server, "request", "lost")
    assert record["code"] == "NOT_FOUND" and "nothing" in record["error"]


def test_a_stream_has_a_line_for_each_request(server):
    requests = [harness.infer_request("watched.echo", x=ONES) for _ in range(3)]
    for index, request in enumerate(requests):
        request.id = f"streamed-{index}"
    list(server.kserve.ModelStreamInfer(iter(requests), timeout=ANSWER_S,
                                        metadata=[("traceparent", TRACEPARENT)]))
    records = [line(server, "request", f"streamed-{index}") for index in range(3)]
    assert {record["trace_id"] for record in records} == {TRACE}
    assert len({record["span_id"] for record in records}) == 3


def test_a_failed_call_has_a_line_of_its_worker(server):
    call(server, "watched.broken", [("x-request-id", "sick"), ("traceparent", TRACEPARENT)])
    record = line(server, "call_failed", "sick")
    assert record["worker"] == "watched.bad"
    assert record["trace_id"] == TRACE and record["code"] == "INTERNAL"
    request = line(server, "request", "sick")
    assert request["level"] == "error" and request["code"] == "INTERNAL"
    assert request["span_id"] == record["span_id"]
    assert "step 'a'" in request["error"]


def test_functions_log_with_the_trace(server):
    call(server, "watched.both", [("x-request-id", "compared"), ("traceparent", TRACEPARENT)])
    record = line(server, "compare", "compared")
    assert record["trace_id"] == TRACE and record["agree"] is True
    assert record["span_id"] == line(server, "request", "compared")["span_id"]


# Levels.


def events(server, name):
    """Which of these lines there are of a request, by event."""
    return {json.loads(text)["event"] for text in server.lines if f'"request_id":"{name}"' in text}


def test_signals_change_the_level_of_gateway_and_workers():
    with serve() as server:
        call(server, metadata=[("x-request-id", "before")])
        server.signal(signal.SIGUSR1)
        server.wait_for_line("SIGUSR1")
        # The signals are on their way to the workers: one of these calls finds its worker changed.
        for index in range(1000):
            call(server, metadata=[("x-request-id", f"during-{index}")])
            line(server, "request", f"during-{index}")
            if "call" in events(server, f"during-{index}"):
                break
        assert line(server, "call", f"during-{index}")["level"] == "debug"
        assert not events(server, "before")

        # The next life of a worker does as the others.
        worker = server.worker("same")
        worker.kill()
        assert worker.gone(ANSWER_S)
        call(server, metadata=[("x-request-id", "revived")])
        assert line(server, "call", "revived")["pid"] == server.worker("same").pid

        server.signal(signal.SIGUSR2)
        server.wait_for_line("SIGUSR2")
        for index in range(1000):
            call(server, metadata=[("x-request-id", f"after-{index}")])
            call(server, "watched.broken", [("x-request-id", f"marker-{index}")])
            line(server, "request", f"marker-{index}")
            if not events(server, f"after-{index}"):
                break
        assert not events(server, f"after-{index}")
        assert server.worker("same").gone() is False


def test_a_stderr_that_nobody_reads_holds_nobody_up(folder):
    file = folder / "service.yaml"
    file.write_text(SERVICE)
    address = f"unix:{folder}/s"
    command = [harness.TIFFIN, "serve", file, "--grpc-address", address, "--runtime-dir",
               folder / "run", "--log-format", "json", "--access-log"]
    with subprocess.Popen([str(part) for part in command], stderr=subprocess.PIPE) as server:
        try:
            harness.eventually(
                lambda: harness.run(harness.TIFFIN, "probe", address).returncode == 0,
                harness.START_S, "the server's health")
            with grpc.insecure_channel(address) as channel:
                stub = harness.service_pb2_grpc.GRPCInferenceServiceStub(channel)
                request = harness.infer_request("watched.echo", x=ONES)
                # Many times what a pipe holds, and more than waits in the gateway.
                for _ in range(80):
                    calls = [stub.ModelInfer.future(request, timeout=ANSWER_S) for _ in range(100)]
                    for answered in calls:
                        answered.result()
            server.terminate()
            assert server.wait(harness.END_S) == 0
        finally:
            server.kill()
        for text in server.stderr.read().decode().splitlines()[:-1]:
            json.loads(text)


def test_a_start_that_fails_says_so_in_json_at_any_level(folder):
    file = folder / "service.yaml"
    file.write_text("service: s\nrunners:\n  r: {backend: testing, options: {behavior: nothing}}\n")
    failed = harness.run(harness.TIFFIN, "serve", file, "--log-format", "json", "--log-level",
                         "error", "--grpc-address", "127.0.0.1:0", "--runtime-dir", folder / "run")
    assert failed.returncode == 2
    records = [json.loads(text) for text in failed.stderr.splitlines()]
    assert {record["level"] for record in records} == {"error"}
    assert records[-1]["event"] == "failed"
    assert f"{file}:3:" in records[-1]["message"]
    assert any(record.get("worker") == "s.r" and "behavior" in record["message"]
               for record in records)


@pytest.mark.parametrize("flag", [["--log-format", "xml"], ["--log-level", "loud"]])
def test_flags_are_checked(flag):
    failed = harness.run(harness.TIFFIN, "serve", harness.DIGITS_SERVICE, *flag)
    assert failed.returncode == 2 and flag[0] in failed.stderr


# Trace context.


@pytest.mark.parametrize("ask", [call, lambda server, metadata: over_http(server, metadata)],
                         ids=["grpc", "http"])
def test_a_trace_goes_on(server, ask):
    returned = ask(server, metadata=[("traceparent", TRACEPARENT), ("tracestate", "a=1 , b=2"),
                                     ("tracestate", "c=3")])
    trace, span = RETURNED.fullmatch(returned["traceparent"]).groups()
    assert trace == TRACE and span != SPAN
    assert returned["tracestate"] == "a=1,b=2,c=3"
    again = ask(server, metadata=[("traceparent", TRACEPARENT)])
    assert RETURNED.fullmatch(again["traceparent"]).group(2) != span
    assert "tracestate" not in again


@pytest.mark.parametrize("ask", [call, lambda server, metadata: over_http(server, metadata)],
                         ids=["grpc", "http"])
@pytest.mark.parametrize("sent", [
    [],
    [("traceparent", TRACEPARENT.replace(TRACE, "0" * 32))],
    [("traceparent", TRACEPARENT.upper())],
    [("traceparent", TRACEPARENT + "-more")],
])
def test_without_a_good_traceparent_a_trace_begins(server, ask, sent):
    returned = ask(server, metadata=[*sent, ("tracestate", "a=1")])
    trace, _ = RETURNED.fullmatch(returned["traceparent"]).groups()
    assert trace != TRACE and trace != "0" * 32
    assert "tracestate" not in returned
    other, _ = RETURNED.fullmatch(ask(server, metadata=sent)["traceparent"]).groups()
    assert other != trace


def test_two_traceparents_are_none(server):
    # Over gRPC the library keeps the last one.
    returned = over_http(server, [("traceparent", TRACEPARENT), ("traceparent", TRACEPARENT)])
    assert RETURNED.fullmatch(returned["traceparent"]).group(1) != TRACE


def test_failures_come_back_with_their_trace(server):
    for model in ("watched.broken", "watched.nothing"):
        returned = call(server, model, [("traceparent", TRACEPARENT)])
        assert RETURNED.fullmatch(returned["traceparent"]).group(1) == TRACE
    returned = over_http(server, [("traceparent", TRACEPARENT)], path="/nowhere")
    assert RETURNED.fullmatch(returned["traceparent"]).group(1) == TRACE


def test_both_carriers_bring_the_trace_to_the_workers(carrier):
    with serve(*carrier) as made:
        call(made, "watched.broken", [("x-request-id", "sick"), ("traceparent", TRACEPARENT)])
        record = line(made, "call_failed", "sick")
        assert record["trace_id"] == TRACE and record["span_id"] != SPAN
