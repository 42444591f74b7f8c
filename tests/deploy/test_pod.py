"""The pod overlay in real containers: scripts/test --deploy runs it, and no other test does.

Needs root, Podman and Debian's archive: the base image and then all others are made here.
"""

import shutil

import pytest

import harness
import kustomize
from gateways import expect_gateway_back, expect_worker_back
from harness import eventually
from pods import GatewayPod
from traffic import CLASSIFY, PREDICT, Traffic

OVERLAY = harness.ROOT / "deploy/kubernetes/overlays/pod"
WORKERS = ["inference-graph-demo-preprocess", "inference-graph-demo-model-a",
           "inference-graph-demo-model-b", "sentiment-analysis-ocr",
           "sentiment-analysis-sentiment"]


@pytest.fixture(scope="session")
def new_pod(podman):
    objects = kustomize.render(OVERLAY)
    numbers = iter(range(100))

    def make():
        return GatewayPod(podman, objects, f"tiffin{next(numbers)}",
                          folders={"models": harness.MODELS.resolve()})

    return make


@pytest.fixture(scope="module")
def pod(new_pod):
    with new_pod() as made:
        made.wait_until_ready()
        yield made


def test_both_services_answer_from_outside(pod):
    pod.ask_both()


def test_what_runs_is_nobody_and_may_nothing(pod):
    for container in pod.pids():
        pod.podman.expect_no_rights(f"{pod.name}-{container}")


def test_tensors_are_shared_between_the_containers(pod):
    pod.ask_both()
    pids = pod.pids()
    of_workers = harness.segments(*(pids[name] for name in WORKERS))
    assert of_workers.keys() & harness.segments(pids["gateway"]).keys()


@pytest.mark.parametrize("worker", WORKERS)
def test_a_worker_that_is_killed_is_found_again(pod, worker):
    expect_worker_back(pod, worker)


def test_a_gateway_that_is_killed_finds_its_workers_again(pod):
    expect_gateway_back(pod)


def test_a_pod_is_replaced_under_load_and_no_request_fails(pod, new_pod):
    """As a Deployment does it with maxSurge 1: the new pod is ready, the old one is told to end and
    taken off the list, clients hear of that while preStop waits, and then it drains."""
    with Traffic([pod.address], [PREDICT, PREDICT, PREDICT, CLASSIFY]) as traffic:
        for _ in range(2):
            eventually(lambda: traffic.count(pod.address) > 20, what="traffic")
            with new_pod() as after:
                after.wait_until_ready()
                traffic.route([pod.address, after.address])
                eventually(lambda: traffic.count(after.address) > 20, what="traffic")
                ended = after.terminate(meanwhile=lambda: traffic.route([pod.address]))
                assert set(ended.values()) == {0}, ended
    assert traffic.failed == []


def test_a_volume_with_another_file_is_refused(podman, new_pod, tmp_path):
    store = tmp_path / "models"
    shutil.copytree(harness.MODELS, store, symlinks=False)
    model = next((store / "digits_xgboost").glob("*/model.ubj"))
    with model.open("ab") as file:
        file.write(b"x")
    for path in [tmp_path, *tmp_path.parents[:3]]:
        path.chmod(0o755)
    ended = podman.run("run", "--rm", "--network=host", "--no-healthcheck", "--volume",
                       f"{store}:/models:ro", "localhost/tiffin-gateway:0.1.0", "models", "verify",
                       check=False)
    assert ended.returncode == 1
    assert "model.ubj: is not the file that was imported" in ended.stderr
