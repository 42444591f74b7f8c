"""The Dockerfile, without building it: what it installs, and how its images run."""

import re
import subprocess

import pytest

import harness

DOCKERFILE = harness.ROOT / "deploy/docker/Dockerfile"
# What a minimal Debian has anyway.
IN_BASE = {"libc6", "libgcc-s1", "zlib1g"}
# Loaded by name, not linked: languages, and Python's own program, which sys.executable is.
NOT_LINKED = {"tesseract-ocr-eng", "python3.11-minimal"}


def stages():
    """Name -> (what it is made from, its text)."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.M).replace("\\\n", " ")
    parts = re.split(r"^FROM (\S+) AS (\S+)$", text, flags=re.M)[1:]
    return {name: (base, body) for base, name, body in zip(parts[::3], parts[1::3], parts[2::3])}


def packages(stage):
    base, body = stages()[stage]
    own = set()
    for installed in re.findall(r"apt-get install -y --no-install-recommends ([^&]+)", body):
        own |= set(installed.split())
    return own | (packages(base) if base in stages() else set())


def linked(program):
    """The packages of the libraries that the program names itself."""
    needed = re.findall(r"\(NEEDED\).*\[(.+)\]", harness.run("readelf", "-d", program).stdout)
    paths = dict(re.findall(r"(\S+) => (/\S+)", harness.run("ldd", program).stdout))
    # Some packages still say /lib, which is /usr/lib. Engines are in none.
    names = [prefix + paths[library] for library in needed for prefix in ("", "/usr")]
    owners = subprocess.run(["dpkg", "-S", *names], text=True, capture_output=True, check=False)
    return {line.split(":")[0] for line in owners.stdout.splitlines()}


def targets():
    return [name for name, (base, _) in stages().items() if base == "runtime"]


def program(target):
    return "tiffin" if target == "gateway" else f"tiffin-{target}"


@pytest.mark.parametrize("target", targets())
def test_an_image_has_the_libraries_of_its_program_and_no_others(target):
    wanted = linked(harness.BIN / program(target))
    assert len(wanted) > 5
    assert wanted - IN_BASE <= packages(target)
    assert packages(target) - IN_BASE - NOT_LINKED <= wanted


@pytest.mark.parametrize("target", targets())
def test_an_image_runs_its_program_as_nobody(target):
    _, body = stages()[target]
    _, runtime = stages()["runtime"]
    users = re.findall(r"^USER (\S+)$", runtime + body, flags=re.M)
    assert users[-1] == "65532:65532"
    assert f'ENTRYPOINT ["{program(target)}"]' in body
    # By which probes find it, whichever worker it is.
    assert target == "gateway" or f"ENV TIFFIN_WORKER={program(target)}\n" in body
    assert "org.opencontainers.image.title" in body


def test_there_is_an_image_for_each_worker_that_is_installed():
    text = "".join(path.read_text() for path in harness.ROOT.glob("worker/*/CMakeLists.txt"))
    workers = re.findall(r"^install\(TARGETS (tiffin-worker-\S+)\)", text, flags=re.M)
    assert sorted(map(program, targets())) == sorted(["tiffin", *workers])


def test_scripts_image_knows_the_targets():
    script = (harness.ROOT / "scripts/image").read_text()
    listed = re.search(r"all_targets=\((.+)\)", script).group(1).split()
    assert sorted(listed) == sorted(targets())
    assert harness.run(harness.ROOT / "scripts/image", "--help").returncode == 0
    wrong = harness.run(harness.ROOT / "scripts/image", "--tool", "podman", "worker-mine")
    assert wrong.returncode == 2
    assert "there is no target 'worker-mine'" in wrong.stderr
