"""The fleet overlay in real containers, with test_pod.py: each runner's pods listen on loopback
addresses of their own, which the gateway's pod finds by the names that the manifests have."""

import contextlib
import random
import subprocess

import pytest

import harness
import kustomize
from harness import eventually
from pods import GatewayPod, Pod
from traffic import CLASSIFY, PREDICT, Traffic

OVERLAY = harness.ROOT / "deploy/kubernetes/overlays/fleet"
RUNNERS = ["inference-graph-demo-preprocess", "inference-graph-demo-model-a",
           "inference-graph-demo-model-b", "sentiment-analysis-ocr",
           "sentiment-analysis-sentiment"]
TWICE = "inference-graph-demo-model-b"


class WorkerPod(Pod):
    """A pod of a runner's Deployment."""

    def __init__(self, podman, objects, runner, name, *, folders):
        self.ip = ".".join(["127", *(str(random.randrange(1, 255)) for _ in range(3))])
        super().__init__(podman, objects, f"tiffin-worker-{runner}", name, folders=folders,
                         arguments=[("--listen=0.0.0.0:9000", f"--listen={self.ip}:9000")])


@pytest.fixture(scope="module")
def secrets(tmp_path_factory):
    """The two Secrets, as deploy/README.md makes them."""
    folder = tmp_path_factory.mktemp("secrets")
    made = {"tokens": folder / "tokens", "token": folder / "token"}
    for path in made.values():
        path.mkdir()
    token = harness.run(harness.TIFFIN, "token", "gateway", "--service", "inference_graph_demo",
                        "--service", "sentiment_analysis", "--append",
                        made["tokens"] / "tokens.yaml")
    assert token.returncode == 0, token.stderr
    (made["token"] / "token").write_text(token.stdout)
    (made["tokens"] / "tokens.yaml").chmod(0o444)  # As the volume's defaultMode has it.
    for path in [folder, *list(folder.parents)[:2]]:
        path.chmod(0o755)
    return made


@pytest.fixture(scope="module")
def fleet(podman, secrets):
    """The gateway's pod, and those of the workers by runner."""
    objects = kustomize.render(OVERLAY)
    folders = {"models": harness.MODELS.resolve(), **secrets}
    with contextlib.ExitStack() as stack:
        workers = {}
        for number, runner in enumerate([*RUNNERS, TWICE]):
            pod = WorkerPod(podman, objects, runner, f"worker{number}", folders=folders)
            workers.setdefault(runner, []).append(stack.enter_context(pod))
        gateway = GatewayPod(podman, objects, "gateway", folders=folders)
        gateway.add_file("/etc/hosts", "127.0.0.1 localhost\n" + "".join(
            f"{pod.ip} tiffin-worker-{runner}\n"
            for runner, pods in workers.items() for pod in pods))
        stack.enter_context(gateway)
        gateway.wait_until_ready()
        yield gateway, workers


def test_both_services_answer_over_tcp(fleet):
    gateway, _ = fleet
    gateway.ask_both()


def test_no_memory_is_shared(fleet):
    gateway, workers = fleet
    gateways = harness.segments(gateway.pids()["gateway"])
    for pods in workers.values():
        for pod in pods:
            assert not gateways.keys() & harness.segments(pod.pids()["worker"]).keys()


def test_health_is_told_without_a_token(fleet):
    _, workers = fleet
    pod = workers[TWICE][0]
    for name in ("", "liveness"):
        asked = subprocess.run([harness.TIFFIN, "probe", f"{pod.ip}:9000", *filter(None, [name])],
                               capture_output=True, check=False)
        assert asked.returncode == 0, asked.stderr


def test_a_worker_is_killed_and_another_replaced_under_load(fleet):
    """One of two that do the same: no request fails."""
    gateway, workers = fleet
    first, second = workers[TWICE]
    with Traffic([gateway.address], [PREDICT]) as traffic:
        eventually(lambda: traffic.count(gateway.address) > 20, what="traffic")
        first.kill("worker")
        before = traffic.count(gateway.address)
        eventually(lambda: traffic.count(gateway.address) > before + 100, what="traffic")
        ended = second.terminate(meanwhile=lambda: None)
        before = traffic.count(gateway.address)
        eventually(lambda: traffic.count(gateway.address) > before + 100, what="traffic")
    assert traffic.failed == []
    assert set(ended.values()) == {0}
