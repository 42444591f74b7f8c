"""What the tests of this folder and of ../clients share; a conftest.py imports all of it."""

import os
import subprocess
import sys

import pytest

import harness


@pytest.fixture
def folder(tmp_path_factory):
    """A new folder with a short path, for Unix sockets."""
    return tmp_path_factory.mktemp("t")


@pytest.fixture(scope="module")
def module_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("m")


@pytest.fixture(scope="module", params=["express", "grpc"])
def carrier(request):
    """Both carriers of calls between the gateway and its workers, one after the other, as arguments
    of `tiffin serve`."""
    return ["--worker-transport", request.param]


@pytest.fixture
def gate(folder):
    """Opened at the end in any case, so that no worker waits longer than its test."""
    made = harness.Gate(folder)
    yield made
    made.open()


@pytest.fixture
def journal(folder):
    made = harness.Journal(folder)
    yield made
    made.close()


@pytest.fixture(scope="module")
def module_gate(module_folder):
    made = harness.Gate(module_folder)
    yield made
    made.open()


@pytest.fixture(scope="module")
def module_journal(module_folder):
    made = harness.Journal(module_folder)
    yield made
    made.close()


@pytest.fixture(scope="module")
def digits():
    """The digits service."""
    with harness.Server(harness.DIGITS_SERVICE) as server:
        yield server


@pytest.fixture(scope="module")
def sentiment():
    """The sentiment service."""
    with harness.Server(harness.SENTIMENT_SERVICE) as server:
        yield server


def write_protos(folder, *service_files):
    """Writes the .proto files of services with `tiffin check --proto` to a folder, and names it."""
    protos = folder / "protos"
    made = harness.run(harness.TIFFIN, "check", *service_files, "--store", harness.MODELS,
                       "--proto", protos)
    assert made.returncode == 0, made.stderr
    return protos


def generate_stubs(folder, *service_files):
    """Writes the .proto files of services, compiles them with protoc, and makes the Python modules
    importable."""
    protos = write_protos(folder, *service_files)
    modules = folder / "modules"
    modules.mkdir()
    files = sorted(str(file.relative_to(protos)) for file in protos.rglob("*.proto"))
    # Python's protobuf brings its own.
    files = [file for file in files if not file.startswith("google/")]
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={protos}",
         f"--python_out={modules}", f"--grpc_python_out={modules}", *files],
        check=True, cwd=protos)
    sys.path.insert(0, os.fspath(modules))
    if "tiffin" in sys.modules:
        # The package of that name, if a test has imported it, has looked where its parts are.
        sys.modules["tiffin"].__path__.append(os.fspath(modules / "tiffin"))
    return protos


@pytest.fixture(scope="session")
def digits_stubs(tmp_path_factory):
    """Modules service_pb2 and service_pb2_grpc of the digits service."""
    generate_stubs(tmp_path_factory.mktemp("stubs"), harness.DIGITS_SERVICE)
    # pylint: disable=import-outside-toplevel
    from tiffin.services.inference_graph_demo import service_pb2, service_pb2_grpc

    return service_pb2, service_pb2_grpc
