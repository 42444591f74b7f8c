"""The Python package itself: what importing it costs, how it installs, who has room beside it."""

import os
import re
import shutil
import subprocess
import sys

import fixtures
import harness
from python_clients import server  # noqa: F401 - a fixture.
from python_package import PACKAGE


def python(code, *path, **env):
    made = subprocess.run(
        [sys.executable, "-B", "-c", code], text=True, capture_output=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), **env})
    assert made.returncode == 0, made.stderr
    return made.stdout


def test_importing_it_imports_nothing_else():
    heavy = python(
        "import sys, tiffin; "
        "print([name for name in ('grpc', 'numpy', 'google.protobuf', 'asyncio') "
        "if name in sys.modules])", PACKAGE)
    assert heavy.strip() == "[]"
    asked = python("import sys, tiffin; tiffin.Timing, tiffin.ModelError; "
                   "print('grpc' in sys.modules)", PACKAGE)
    assert asked.strip() == "False"


def test_what_it_exports_is_there():
    python("import tiffin\nfor name in tiffin.__all__: getattr(tiffin, name)\n"
           "assert set(tiffin.__all__) <= set(dir(tiffin))\n"
           "try: tiffin.nothing\nexcept AttributeError: pass\nelse: raise SystemExit(1)", PACKAGE)


def test_generated_stubs_have_room_beside_it(server, folder):
    protos = fixtures.write_protos(folder, *server.files)
    modules = folder / "stubs"
    modules.mkdir()
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={protos}",
         f"--python_out={modules}", f"--grpc_python_out={modules}",
         "tiffin/v1/tensor.proto", "tiffin/services/kinds/service.proto"], check=True, cwd=protos)
    python("import tiffin\n"
           "from tiffin.services.kinds import service_pb2\nfrom tiffin.v1 import tensor_pb2\n"
           f"with tiffin.Client({server.address!r}) as client:\n"
           "    client.infer('kinds.echo', {'INPUT0': [[1]]})\n", modules, PACKAGE)


def test_its_version_is_the_servers():
    versions = [re.search(pattern, (harness.ROOT / file).read_text(), re.M).group(1)
                for file, pattern in (("common/version.h", r'kVersion.* = "(.+)"'),
                                      ("common/python/pyproject.toml", r'^version = "(.+)"'))]
    assert versions[0] == versions[1]


def test_it_installs_from_the_clone(server, folder):
    # A copy, for setuptools builds beside the sources.
    source = shutil.copytree(PACKAGE, folder / "python", ignore=shutil.ignore_patterns(
        "__pycache__", "build", "*.egg-info"))
    venv = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    (venv / "lib" / f"python3.{sys.version_info.minor}" / "site-packages/outer.pth").write_text(
        "\n".join(path for path in sys.path if path.endswith("site-packages")))
    made = harness.run(
        sys.executable, "-m", "pip", "--python", venv / "bin/python", "install", "--no-deps",
        "--no-build-isolation", "--no-index", "--disable-pip-version-check", source)
    assert made.returncode == 0, made.stderr
    code = ("import pathlib, sys, tiffin; here = pathlib.Path(tiffin.__file__).parent; "
            "assert (here / 'py.typed').is_file(); assert sys.prefix in str(here); "
            f"print(tiffin.Client({server.address!r}).services())")
    made = harness.run(venv / "bin/python", "-c", code, cwd=folder)
    assert (made.returncode, made.stdout) == (0, "['kinds', 'names']\n"), made.stderr
