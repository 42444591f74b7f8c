"""deploy/docker/compose.yaml in real containers, with test_pod.py: see compose.py for what of it
Podman needs otherwise. The containers' network and the ports published from it are as they are
written."""

import datetime
import pathlib
import re
import urllib.request

import grpc
import pytest
from tritonclient.grpc import service_pb2_grpc

import harness
from compose import SERVICES, Compose
from gateways import expect_gateway_back, expect_worker_back
from harness import eventually
from traffic import CLASSIFY

WORKERS = [service for service in SERVICES if service != "gateway"]
UNDER_WAY = 20
# Controller -> its file with version 1 of cgroups, and with version 2.
LIMITS = {"memory": ("memory.limit_in_bytes", "memory.max"), "pids": ("pids.max", "pids.max"),
          "cpu": ("cpu.cfs_quota_us", "cpu.max")}
CPU_PERIOD_US = 100_000


def everything(podman):
    """Containers, volumes, networks, and what is mounted."""
    mounts = {line.split()[1] for line in pathlib.Path("/proc/mounts").read_text().splitlines()}
    own = podman.folder / "graph/overlay"  # What Podman mounts for itself, whenever it likes.
    return {"containers": podman.run("ps", "--all", "--quiet").stdout,
            "volumes": podman.run("volume", "ls", "--quiet").stdout,
            "networks": podman.run("network", "ls", "--quiet").stdout,
            "mounts": {path for path in mounts - {str(own)} if path.startswith(str(podman.folder))}}


@pytest.fixture(scope="module")
def before(podman):
    return everything(podman)


@pytest.fixture(scope="module")
def composed(podman, before):
    with podman.api() as api, Compose(podman, api) as made:
        made.wait_until_ready()
        yield made


def moment(written):
    return datetime.datetime.fromisoformat(written)


def limit(pid, controller):
    """What the kernel allows the process' cgroup."""
    of_1, of_2 = LIMITS[controller]
    groups = {}
    for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        groups.update(dict.fromkeys(controllers.split(","), path.lstrip("/")))
    root = pathlib.Path("/sys/fs/cgroup")
    file = (root / controller / groups[controller] / of_1 if controller in groups else
            root / groups[""] / of_2)
    return int(file.read_text().split()[0])


def test_docker_compose_finds_nothing_wrong(composed):
    checked = composed.run("config", "--quiet")
    assert checked.stderr == ""


def test_the_gateway_starts_when_its_workers_are_healthy(composed):
    states = composed.states()
    for worker in WORKERS:
        checks = states[worker]["State"]["Health"]["Log"]
        healthy = min(moment(check["End"]) for check in checks if check["ExitCode"] == 0)
        assert healthy < moment(states["gateway"]["State"]["StartedAt"]), worker


def test_both_services_answer_from_outside(composed):
    composed.ask_both()
    with urllib.request.urlopen(f"http://{composed.http_address}/readyz",
                                timeout=harness.ANSWER_S) as answer:
        assert answer.status == 200


def test_what_runs_is_nobody_and_may_nothing(composed):
    for service in SERVICES:
        composed.podman.expect_no_rights(composed.container(service))


def test_what_runs_has_the_limits_that_are_written(composed):
    for service, pid in composed.pids().items():
        written = SERVICES[service]
        mebibytes = int(written["mem_limit"].removesuffix("m"))
        assert limit(pid, "memory") == mebibytes * harness.MIB
        assert limit(pid, "pids") == written["pids_limit"]
        assert limit(pid, "cpu") == written["cpus"] * CPU_PERIOD_US


def test_workers_have_no_network(composed):
    pids = composed.pids()
    for worker in WORKERS:
        devices = pathlib.Path(f"/proc/{pids[worker]}/net/dev").read_text()
        assert re.findall(r"^ *(\w+):", devices, flags=re.M) == ["lo"]


def test_tensors_are_shared_between_the_containers(composed):
    composed.ask_both()
    pids = composed.pids()
    of_workers = harness.segments(*(pids[worker] for worker in WORKERS))
    assert of_workers.keys() & harness.segments(pids["gateway"]).keys()


@pytest.mark.parametrize("worker", WORKERS)
def test_a_worker_that_is_killed_is_found_again(composed, worker):
    expect_worker_back(composed, worker)


def test_a_gateway_that_is_killed_finds_its_workers_again(composed):
    expect_gateway_back(composed)


# These two come last, and in this order: they end what the others use.


def test_stop_loses_no_request_that_is_under_way(composed):
    model, inputs, expected = CLASSIFY
    request = harness.infer_request(model, **inputs)
    sent = []

    def one_is_refused():
        """Until then, as many as ever are under way."""
        under_way = sum(not future.done() for future in sent)
        sent.extend(stub.ModelInfer.future(request, timeout=harness.ANSWER_S)
                    for _ in range(UNDER_WAY - under_way))
        return any(future.done() and future.exception() for future in sent)

    with grpc.insecure_channel(composed.address) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        assert not one_is_refused()
        with composed.start("stop") as stopping:
            eventually(one_is_refused, what="a refusal")
            waiting = {future for future in sent if not future.done()}
            refused = {future for future in sent if future.exception()}
    assert {(future.code(), future.details()) for future in refused} == {
        (grpc.StatusCode.UNAVAILABLE, "the server is shutting down")}
    assert waiting - refused  # The gateway still waited for these.
    assert all(harness.outputs_of(future.result()) == expected
               for future in sent if future not in refused)
    assert stopping.returncode == 0
    states = {name: state["State"] for name, state in composed.states().items()}
    assert {state["ExitCode"] for state in states.values()} == {0}
    assert min(states, key=lambda name: moment(states[name]["FinishedAt"])) == "gateway"


def test_down_leaves_nothing(before, composed):
    composed.run("down", "--volumes")
    assert everything(composed.podman) == before
