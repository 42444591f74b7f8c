"""What is wrong with a runner in Python is told at the start, with its place and the fix."""

import json
import shutil
import subprocess

import pytest

import harness
from harness import BIN, MODELS, ROOT, TIFFIN, Server

VENV = ROOT / "build/venv"

GOOD = "class R:\n    def run(self, text: str) -> str:\n        return text\n"


def write(folder, source, options="", environment=None):
    (folder / "runner.py").write_text(source)
    environment = f", environment: {environment}" if environment else ""
    file = folder / "service.yaml"
    file.write_text('service: py\nrunners:\n'
                    f'  r: {{python: "runner.py:R"{environment}{options}}}\n')
    return file


def describe(file):
    return harness.run(BIN / "tiffin-worker-python", "--service", file, "--runner", "r",
                       "--describe")


@pytest.mark.parametrize("source, words", [
    ("def f(:\n", ["runner.py:1: SyntaxError: "]),
    ("x = 1\n  y = 2\n", ["runner.py:2: IndentationError: unexpected indent"]),
    ("import json\nimport no_such_module\n" + GOOD,
     ["runner.py:2: importing it failed: ModuleNotFoundError: No module named 'no_such_module'",
      "env/bin/pip install no_such_module, and 'environment: env' beside 'python'"]),
    ("1 / 0\n" + GOOD, ["runner.py:1: importing it failed: ZeroDivisionError: division by zero"]),
    ("raise SystemExit(0)\n", ["runner.py:1: importing it failed: SystemExit: 0"]),
    ("class Other: pass\n", ["no class 'R' (has Other)", "correct 'python' in the service file"]),
    ("R = 3\n", ["'R' is no class but a int"]),
    ("class R:\n    pass\n", ["runner.py:1: the class 'R' has no step; write a method 'run'"]),
    ("class R:\n    def run(self, text) -> str: pass\n",
     ["runner.py:2: the parameter 'text' of 'run' has no hint; write str, bytes"]),
    ("class R:\n    def run(self, text: str): pass\n",
     ["runner.py:2: what 'run' returns has no hint"]),
    ("class R:\n    def run(self, n: int) -> str: pass\n",
     ["runner.py:2: the parameter 'n' of 'run' is hinted as int; write str"]),
    ("class R:\n    def run(self, *texts: str) -> str: pass\n",
     ["runner.py:2: the parameter '*texts: str' of 'run' must be a plain one"]),
    ("class R:\n    def run(self, text: str = '') -> str: pass\n", ["no default"]),
    ("class R:\n    def run(self) -> str: pass\n", ["runner.py:2: 'run' has no inputs"]),
    ("class R:\n    async def run(self, text: str) -> str: pass\n",
     ["runner.py:2: 'run' is a coroutine or a generator"]),
    ("class R:\n    def run(self, text: 'Missing') -> str: pass\n",
     ["runner.py:2: the hints of 'run' can't be read", "Missing"]),
    ("import tiffin\nclass R:\n    @tiffin.method(inputs={'y': 'text'})\n"
     "    def run(self, x) -> str: pass\n",
     ["runner.py:3: 'run' has the parameters (x) and the inputs (y)"]),
    ("import tiffin\nclass R:\n    @tiffin.method(batchable=True)\n"
     "    def run(self, x: str) -> str: pass\n",
     ["runner.py:3: the parameter 'x' of 'run' is hinted as str, and a batchable method has rows",
      "list[str]"]),
    ("import tiffin\nclass R:\n    @tiffin.method(inputs={'x': 'text'}, outputs={'y': 'texd'})\n"
     "    def run(self, x): pass\n", ["runner.py:3: 'y': type 'texd': unknown"]),
    ("import tiffin\nclass R:\n    @tiffin.method(inputs={'x': 3}, outputs={'y': 'text'})\n"
     "    def run(self, x): pass\n", ["runner.py:3: the input 'x' of 'run' is 3; write a type"]),
    ("import tiffin\nclass R:\n    def run(self, x: str) -> tiffin.Image: pass\n",
     ["runner.py:3: the output 'output' of 'run' can't be tiffin.Image"]),
    ("import tiffin\nclass R:\n    @tiffin.method\n    def load(self, options): pass\n",
     ["runner.py:3: 'load' is called by the server and can be no step"]),
    (GOOD + "    def __init__(self):\n        self.x = undefined\n",
     ["runner.py:5: R() failed: NameError: name 'undefined' is not defined"]),
    (GOOD + "    def load(self, options):\n        open('/no/such')\n",
     ["runner.py:5: R.load failed: FileNotFoundError"]),
    (GOOD + "    def load(self, options):\n        import json\n        json.loads('{')\n",
     ["runner.py:6: R.load failed: JSONDecodeError", "(raised in ", "json/decoder.py:"]),
    ("import tiffin\nclass R:\n    @tiffin.method(inputs={'x': 'fp32[1]'}, outputs={'y': 'text'})\n"
     "    def run(self, x): pass\n",
     ["runner.py:3: 'run' needs numpy, and 'import numpy' fails in /usr",
      "env/bin/pip install numpy"]),
    ("import tiffin\nclass R:\n    def run(self, x: tiffin.Image) -> str: pass\n",
     ["needs numpy"]),
])
def test_what_is_wrong_has_its_place_and_the_fix(folder, source, words):
    # In Debian's own environment, which has neither numpy nor Pillow here.
    made = describe(write(folder, source))
    assert made.returncode == 2, made.stdout
    assert len(made.stderr.strip().splitlines()) == 1, made.stderr
    for word in words:
        assert word in made.stderr
    assert made.stdout == ""


def test_check_tells_it_at_the_runner(folder):
    file = write(folder, "class R:\n    def run(self, text) -> str: pass\n")
    made = harness.run(TIFFIN, "check", file, "--store", MODELS)
    assert made.returncode != 0
    assert f"{file}:3:" in made.stderr and "runner.py:2: the parameter 'text'" in made.stderr


def test_check_knows_the_signature(folder):
    file = write(folder, GOOD)
    file.write_text(file.read_text() + "apis:\n  go:\n    input: {n: \"fp32[3]\"}\n"
                    "    steps: {a: r(n)}\n    output: {a: a}\n")
    made = harness.run(TIFFIN, "check", file, "--store", MODELS)
    assert made.returncode != 0 and "'text'" in made.stderr and "fp32[3]" in made.stderr


def test_options_need_someone_who_takes_them(folder):
    made = describe(write(folder, GOOD, options=", options: {a: 1}"))
    assert made.returncode == 2
    assert "runner.py:1: 'options' is written, and 'R' has no method load" in made.stderr


@pytest.mark.parametrize("written, words", [
    ("none", ["none': no such folder", "python3.11 -m venv"]),
    (".", ["is no virtual environment: it has no pyvenv.cfg"])])
def test_an_environment_that_is_none(folder, written, words):
    made = describe(write(folder, GOOD, environment=written))
    assert made.returncode == 2
    for word in words:
        assert word in made.stderr


def test_an_environment_of_another_python(folder):
    (folder / "venv").mkdir()
    (folder / "venv/pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.9.2\n")
    made = describe(write(folder, GOOD, environment="venv"))
    assert made.returncode == 2
    assert "is of Python 3.9.2, and this worker has Python 3.11" in made.stderr


def make_venv(folder):
    """Without pip and without the network."""
    subprocess.run([VENV / "bin/python", "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python3.11/site-packages")
    return packages


def test_packages_are_those_of_the_environment(folder):
    packages = make_venv(folder / "venv")
    (packages / "only_here.py").write_text("WORD = 'from the environment'\n")
    # What is in the environment doesn't replace what the worker brings.
    (packages / "tiffin.py").write_text("raise ImportError('the wrong one')\n")
    source = ("import sys, tiffin, only_here, neighbour\nclass R:\n"
              "    def run(self, text: str) -> tiffin.Json:\n"
              "        return [only_here.WORD, neighbour.WORD, sys.prefix, sys.flags.isolated,"
              " sys.dont_write_bytecode, sys.executable]\n")
    (folder / "neighbour.py").write_text("WORD = 'beside it'\n")
    file = write(folder, source, environment="venv")
    # What steers a Python of the user's has no say here.
    with Server(file, env={"PYTHONPATH": "/nowhere", "PYTHONHOME": "/nowhere",
                           "PYTHONSTARTUP": "/nowhere"}) as server:
        told = json.loads(server.infer("py.r", text="x")["output"][0])
    assert told == ["from the environment", "beside it", str(folder / "venv"), 1, True,
                    str(folder / "venv/bin/python")]
    assert not list(folder.glob("**/__pycache__/neighbour*"))


def test_without_an_environment_it_is_debians(folder):
    source = ("import sys, tiffin\nclass R:\n    def run(self, text: str) -> tiffin.Json:\n"
              "        return [sys.prefix, sys.executable,\n"
              "                any('dist-packages' in path for path in sys.path)]\n")
    with Server(write(folder, source)) as server:
        assert json.loads(server.infer("py.r", text="x")["output"][0]) == [
            "/usr", "/usr/bin/python3.11", True]


def test_what_is_printed_while_it_loads_is_not_in_the_description(folder):
    source = ("import os, subprocess\nprint('printed')\nos.write(1, b'written\\n')\n"
              "subprocess.run(['echo', 'by a child'])\n" + GOOD)
    made = describe(write(folder, source))
    assert json.loads(made.stdout)["backend"] == "python"
    for word in ("printed", "written", "by a child"):
        assert word in made.stderr


def test_it_is_found_where_it_is_installed(folder):
    """The modules lie beside the programs."""
    (folder / "bin").mkdir()
    shutil.copy2(BIN / "tiffin-worker-python", folder / "bin")
    file = write(folder, GOOD)
    program = folder / "bin/tiffin-worker-python"
    missing = harness.run(program, "--service", file, "--runner", "r", "--describe")
    assert missing.returncode == 2 and f"{folder}/lib/tiffin/python" in missing.stderr
    shutil.copytree(BIN.parent / "lib/tiffin/python", folder / "lib/tiffin/python")
    found = harness.run(program, "--service", file, "--runner", "r", "--describe")
    assert found.returncode == 0, found.stderr
