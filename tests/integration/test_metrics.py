"""What operators are told: GET /metrics of a real server, and the files in deploy/observability."""

import re
import subprocess
import time

import grpc
import numpy as np
import pytest
import yaml

import harness
from harness import ANSWER_S, refused
from prometheus_text import Scrape, await_value, metrics_text

Code = grpc.StatusCode
OBSERVABILITY = harness.ROOT / "deploy/observability"

SERVICE = """
service: demo
runners:
  same: {{backend: testing, options: {{behavior: identity, shape: [-1]}}}}
  hold: {{backend: testing,
         options: {{behavior: delay, until: {gate}, ms: 60000, journal: {journal}}},
         queue: {{max: 1}}}}
  fails: {{backend: testing, options: {{behavior: fail, code: UNAVAILABLE, ms: 0}}}}
apis:
  echo:
    input: {{x: "fp32[rows,-1]"}}
    steps:
      a: same(x)
      b: same(a)
    output: {{y: b}}
  wait:
    input: {{x: "fp32[-1]"}}
    steps:
      a: hold(x)
    output: {{y: a}}
"""

ROW = np.array([[1, 2]], np.float32)
BIG = np.ones((1, 65536), np.float32)
ONE = np.array([1], np.float32)


@pytest.fixture
def server(folder, gate, journal):
    text = SERVICE.format(gate=gate.path, journal=journal.path)
    with harness.Server(text, args=["--http-address", "127.0.0.1:0"]) as made:
        yield made


def promtool(*args, text=None):
    ended = subprocess.run(["promtool", *map(str, args)], input=text, capture_output=True,
                           text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def test_promtool_finds_nothing_wrong_with_the_exposition(server):
    server.infer("demo.echo", x=ROW)
    assert promtool("check", "metrics", text=metrics_text(server)).strip() == ""


def test_requests_are_counted_with_their_latencies(server):
    for _ in range(3):
        server.infer("demo.echo", x=ROW)
    server.infer("demo.same", ROW)
    scrape = Scrape(server)
    echo = {"service": "demo", "api": "echo"}
    assert scrape.value("tiffin_requests_total", **echo, code="OK") == 3
    assert scrape.value("tiffin_requests_total", **echo) == 3
    assert scrape.value("tiffin_requests_total", service="demo", api="same", code="OK") == 1
    assert scrape.value("tiffin_request_duration_seconds_count", **echo) == 3
    assert 0 < scrape.value("tiffin_request_duration_seconds_sum", **echo) < 3 * ANSWER_S
    for step in "a", "b":
        assert scrape.value("tiffin_step_duration_seconds_count", **echo, step=step) == 3
    same = {"service": "demo", "runner": "same"}
    assert scrape.value("tiffin_runner_calls_total", **same, code="OK") == 7
    for part in "call_duration", "queue", "batch_wait", "compute", "transport":
        assert scrape.value(f"tiffin_runner_{part}_seconds_count", **same) == 7
    whole, *parts = (scrape.value(f"tiffin_runner_{part}_seconds_sum", **same)
                     for part in ("call_duration", "queue", "batch_wait", "compute", "transport"))
    assert sum(parts) == pytest.approx(whole, abs=1e-5)
    assert scrape.value("tiffin_runner_batch_rows_sum", **same) == 7
    assert scrape.value("tiffin_requests_in_flight") == 0


def test_refused_requests_are_counted_by_their_code(server, gate, journal):
    with refused(Code.INVALID_ARGUMENT):
        server.infer("demo.echo", x=np.array([[1]], np.int32))
    scrape = Scrape(server)
    echo = {"service": "demo", "api": "echo"}
    assert scrape.value("tiffin_requests_total", **echo, code="INVALID_ARGUMENT") == 1
    assert scrape.value("tiffin_request_duration_seconds_count", **echo) == 0

    with refused(Code.UNAVAILABLE):
        server.infer("demo.fails", ROW[0])
    assert Scrape(server).value("tiffin_requests_total", api="fails", code="UNAVAILABLE") == 1

    # One executes, one waits: the third finds the queue full.
    held = [server.infer_later("demo.wait", x=ONE)]
    assert journal.next().first == "1"
    held.append(server.infer_later("demo.wait", x=ONE))
    hold = {"service": "demo", "runner": "hold"}
    await_value(server, 2, "tiffin_requests_in_flight", api="wait")
    await_value(server, 2, "tiffin_replica_calls_in_flight", **hold)
    await_value(server, 1, "tiffin_replica_calls_queued", **hold)
    assert Scrape(server).value("tiffin_runner_calls_limit", **hold) == 2
    with refused(Code.RESOURCE_EXHAUSTED):
        server.infer("demo.wait", x=ONE)
    scrape = Scrape(server)
    assert scrape.value("tiffin_requests_total", api="wait", code="RESOURCE_EXHAUSTED") == 1
    assert scrape.value("tiffin_runner_calls_total", **hold, code="RESOURCE_EXHAUSTED") == 1
    gate.open()
    for future in held:
        future.result(ANSWER_S)
    assert Scrape(server).value("tiffin_requests_total", api="wait", code="OK") == 2
    await_value(server, 0, "tiffin_replica_calls_queued", **hold)


def test_cancelled_and_late_requests_are_told_apart(server, journal):
    future = server.infer_later("demo.wait", x=ONE)
    journal.next()
    future.cancel()
    await_value(server, 1, "tiffin_requests_total", api="wait", code="CANCELLED")
    with refused(Code.DEADLINE_EXCEEDED):
        server.infer("demo.wait", x=ONE, timeout=0.3)
    await_value(server, 1, "tiffin_requests_total", api="wait", code="DEADLINE_EXCEEDED")
    scrape = Scrape(server)
    assert scrape.value("tiffin_requests_total", api="wait") == 2
    assert scrape.value("tiffin_requests_in_flight") == 0


def test_a_draining_server_counts_what_it_refuses(server, gate, journal):
    future = server.infer_later("demo.wait", x=ONE)
    journal.next()
    server.terminate()
    server.wait_for_line("draining")
    with refused(Code.UNAVAILABLE), grpc.insecure_channel(server.address) as channel:
        harness.service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(
            harness.infer_request("demo.echo", x=ROW), timeout=ANSWER_S)
    scrape = Scrape(server)
    assert scrape.value("tiffin_requests_total", api="echo", code="UNAVAILABLE") == 1
    assert scrape.value("tiffin_service_ready", service="demo") == 0
    assert scrape.value("tiffin_runner_ready", runner="same") == 1
    gate.open()
    future.result(ANSWER_S)


def test_a_killed_worker_is_counted_and_so_is_what_runs_again(server, gate, journal):
    future = server.infer_later("demo.wait", x=ONE)
    journal.next()
    hold = {"service": "demo", "runner": "hold"}
    scrape = Scrape(server)
    assert scrape.value("tiffin_worker_restarts_total", **hold) == 0
    assert scrape.value("tiffin_worker_resident_memory_bytes", **hold) > 1 << 20
    server.worker("hold").kill()
    journal.next()  # It runs again.
    scrape = Scrape(server)
    assert scrape.value("tiffin_worker_restarts_total", **hold, replica="0") == 1
    assert scrape.value("tiffin_worker_restarts_total", runner="same") == 0
    assert scrape.value("tiffin_runner_retries_total", **hold) == 1
    assert scrape.value("tiffin_replica_ready", **hold) == 1
    assert scrape.value("tiffin_replica_up", **hold) == 1
    assert scrape.value("tiffin_replica_calls_in_flight", **hold) == 1
    gate.open()
    future.result(ANSWER_S)
    assert Scrape(server).value("tiffin_runner_calls_total", **hold, code="OK") == 1


def test_memory_and_leases_return_to_nothing(server):
    server.infer("demo.echo", x=BIG)
    assert Scrape(server).value("tiffin_worker_segment_bytes", runner="same") >= BIG.nbytes
    assert Scrape(server).value("tiffin_gateway_segment_bytes") >= BIG.nbytes
    await_value(server, 0, "tiffin_worker_leases")
    await_value(server, 0, "tiffin_worker_leased_bytes")
    await_value(server, 0, "tiffin_gateway_tensor_bytes")
    # Idle ones are dropped after ten seconds.
    await_value(server, 0, "tiffin_worker_segment_bytes")
    await_value(server, 0, "tiffin_gateway_segment_bytes")


def test_clients_can_add_no_series(server):
    before = Scrape(server).series()
    for index in range(5):
        with refused(Code.NOT_FOUND):
            server.infer(f"demo.unknown{index}", ROW)
        with refused(Code.INVALID_ARGUMENT):
            server.infer("demo.echo", **{f"strange{index}": ROW},
                         metadata=[("x-request-id", f"id-{index}")])
    after = Scrape(server)
    assert after.series() == before
    assert after.value("tiffin_unmatched_requests_total", code="NOT_FOUND") == 5
    assert after.value("tiffin_requests_total", api="echo", code="INVALID_ARGUMENT") == 5
    names = {"demo", "same", "hold", "fails", "echo", "wait", "a", "b", "0"}
    for sample in after.samples:
        for label, value in sample.labels.items():
            assert label in ("le", "code", "version") or value in names, sample


def test_processes_and_the_build_are_told(server):
    scrape = Scrape(server)
    assert scrape.value("tiffin_build_info") == 1
    assert abs(scrape.value("process_start_time_seconds") - time.time()) < 120
    assert scrape.value("process_cpu_seconds_total") > 0
    assert scrape.value("process_resident_memory_bytes") > 1 << 20
    assert scrape.value("tiffin_worker_cpu_seconds_total", runner="same") >= 0
    assert scrape.value("tiffin_replica_up") == 3


def test_every_metric_is_in_the_table(server):
    server.infer("demo.echo", x=ROW)
    scrape = Scrape(server)
    told = {}
    for family in scrape.families.values():
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        told[name] = (family.type, labels, family.documentation)
    written = {}
    for line in (OBSERVABILITY / "README.md").read_text().splitlines():
        if found := re.fullmatch(r"\| `(\w+)` \| (\w+) \| (.*?) \| (.*) \|", line):
            name, kind, labels, meaning = found.groups()
            written[name] = (kind, set(re.findall(r"\w+", labels)), meaning)
    assert written == told


def test_promtool_takes_the_configuration_and_the_rules():
    promtool("check", "config", OBSERVABILITY / "prometheus.yml")
    promtool("check", "rules", OBSERVABILITY / "alerts.yml")
    promtool("test", "rules", OBSERVABILITY / "alerts_test.yml")


def test_the_alerts_name_what_the_server_has(server):
    scrape = Scrape(server)
    labels_of = {}
    for sample in scrape.samples:
        labels_of.setdefault(sample.name, set()).update(sample.labels)
    labels_of["up"] = {"job", "instance"}
    rules = [rule for group in yaml.safe_load((OBSERVABILITY / "alerts.yml").read_text())["groups"]
             for rule in group["rules"]]
    assert rules
    for rule in rules:
        names = re.findall(r"\b((?:tiffin|process)_\w+|up)\b", rule["expr"])
        assert names, rule
        seen = set().union(*(labels_of[name] for name in names))  # KeyError: no such metric.
        named = set()
        for group in re.findall(r"\b(?:by|on|ignoring|without)\s*\(([^)]*)\)", rule["expr"]):
            named.update(re.findall(r"\w+", group))
        for matchers in re.findall(r"\{([^}]*)\}", rule["expr"]):
            named.update(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
        for text in rule["annotations"].values():
            named.update(re.findall(r"\$labels\.(\w+)", text))
        assert named <= seen | {"job", "instance"}, rule


def test_metrics_are_asked_by_get(server):
    said = harness.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST",
                       f"http://{server.http_address}/metrics").stdout
    assert said == "405"
