"""The pod of a service of one's own in real containers, with test_pod.py: as it is in deploy/, and
with a runner in Python, whose image is made as deploy/README.md does."""

import re
import shutil

import pytest

import harness
import kustomize
import policy
from manifests import DEPLOY, KUBERNETES, OVERLAYS, VERSION, gateway_of
from pods import GatewayPod
from traffic import DIGIT

PYTHON = DEPLOY / "examples/inference_graph_python/preprocess.py"


def new_pod(podman, folder, name):
    return GatewayPod(podman, kustomize.render(folder), name,
                      folders={"models": harness.MODELS.resolve()})


def expect_a_digit(pod):
    assert pod.infer("digits.read", image=DIGIT)["digit"].item() == 7


@pytest.fixture(scope="module")
def pod(podman):
    with new_pod(podman, OVERLAYS["own_pod"], "own") as made:
        made.wait_until_ready()
        yield made


def test_it_answers(pod):
    expect_a_digit(pod)


def test_probes_find_the_workers(pod):
    """The commands of the manifest, which Podman itself doesn't run."""
    written = gateway_of(kustomize.render(OVERLAYS["own_pod"]))
    workers = [container for container in policy.serves(written) if policy.is_worker(container)]
    assert len(workers) == 2
    for container in workers:
        for probe in ("startupProbe", "livenessProbe"):
            command = container[probe]["exec"]["command"]
            ended = pod.podman.run("exec", f"{pod.name}-{container['name']}", *command, check=False)
            assert ended.returncode == 0, ended.stderr


def with_python(folder):
    """Makes the runner `preprocess` of the folder one in Python."""
    shutil.copy(PYTHON, folder)
    changes = {
        "service.yaml": (
            r"preprocess: \{.*\}",
            'preprocess: {python: "preprocess.py:Preprocess", options: {size: [8, 8]}}'),
        "workers.yaml": (r"tiffin-worker-image:", "digits-preprocess:"),
        "kustomization.yaml": (r"files: \[service.yaml\]", "files: [service.yaml, preprocess.py]")}
    for name, (old, new) in changes.items():
        text = (folder / name).read_text()
        assert re.search(old, text)
        (folder / name).write_text(re.sub(old, new, text))


def test_a_runner_in_python_has_an_image_with_what_it_imports(podman, tmp_path):
    (dockerfile,) = re.findall(r"```dockerfile\n(.*?)```", (DEPLOY / "README.md").read_text(),
                               flags=re.S)
    (tmp_path / "Dockerfile").write_text(dockerfile)
    podman.run("build", "--network=host", "--pull=never", "--tag", f"digits-preprocess:{VERSION}",
               tmp_path)
    folder = tmp_path / "kubernetes/overlays/mine"
    shutil.copytree(KUBERNETES, tmp_path / "kubernetes")
    shutil.copytree(OVERLAYS["own_pod"], folder)
    with_python(folder)
    with new_pod(podman, folder, "python") as made:
        made.wait_until_ready()
        expect_a_digit(made)
