import os
import pathlib
import shutil
import sys
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))

from containers import NEEDED, Podman  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--containers", metavar="FOLDER",
                     help="keep Podman's images here, and use those that are there")


@pytest.fixture(scope="session")
def podman(request):
    missing = [program for program in NEEDED if shutil.which(program) is None]
    assert not missing and os.geteuid() == 0, f"needs root; missing: {missing}"
    kept = request.config.getoption("containers")
    # Short: sockets of Podman's lie below it.
    folder = kept or tempfile.mkdtemp(prefix="deploy-", dir=ROOT / "build")
    engine = Podman(pathlib.Path(folder).resolve())
    try:
        engine.make_base()
        print(engine.build("--built"))
        yield engine
    finally:
        engine.clean_up(images=not kept)
