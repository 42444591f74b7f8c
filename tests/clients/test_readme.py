"""The README's commands and snippets, run as they stand; only the server's address is another, for
tests don't use fixed ports. (Those of its tutorial: test_tutorial.py.)"""

import contextlib
import os
import pathlib
import re
import shlex
import shutil
import sys
import xml.etree.ElementTree as xml

import pytest

import harness
from readme import ADDRESS, HTTP_ADDRESS, README, blocks, commands, kinds_of_blocks

SVG = "{http://www.w3.org/2000/svg}"
# The model is trained where the tests run: another kind of processor may round otherwise.
SCORE = r"(POSITIVE|NEGATIVE) [01]\.\d\d"
EXAMPLES = (harness.DIGITS_SERVICE, harness.SENTIMENT_SERVICE)
PYTHON_EXAMPLE = harness.ROOT / "deploy/examples/inference_graph_python"


@pytest.fixture(scope="module")
def both():
    with harness.Server(*EXAMPLES, args=["--http-address", "127.0.0.1:0"]) as server:
        yield server


def run_here(command, server=None, timeout=60, **env):
    """In the clone, with the programs under test."""
    if server is not None:
        command = command.replace(ADDRESS, server.address)
        command = command.replace(HTTP_ADDRESS, server.http_address)
        env["TIFFIN_ADDRESS"] = server.address
    command = command.replace("build/release/bin", str(harness.BIN))
    return harness.run("bash", "-euo", "pipefail", "-c", command, cwd=harness.ROOT,
                       timeout=timeout, env={**os.environ, **env})


def test_every_block_is_of_a_kind_that_is_tested():
    assert kinds_of_blocks(README) == {"", "cmake", "console", "cpp", "python", "sh", "yaml"}


def test_the_service_files_are_the_examples():
    def shown(file):
        """Without the line for editors."""
        return re.sub(r"\A# yaml-language-server: .*\n", "", file.read_text())

    assert blocks("yaml") == [
        shown(file) for file in (*EXAMPLES, PYTHON_EXAMPLE / "service.yaml")]
    assert (PYTHON_EXAMPLE / "preprocess.py").read_text() in blocks("python")


def test_the_cpp_is_that_of_projects_that_are_built():
    """By integration/test_cpp_sdk.py."""
    sources = [file.read_text() for folder in ("deploy/examples", "tests/sdk")
               for file in (harness.ROOT / folder).rglob("*")
               if file.name == "CMakeLists.txt" or file.suffix == ".cc"]
    for block in blocks("cmake") + blocks("cpp"):
        assert any(block in source for source in sources), block


@pytest.mark.parametrize("command, shown", [
    pair for block in blocks("console") for pair in commands(block)])
def test_a_command_shows_what_the_readme_says(command, shown, both):
    made = run_here(command, both)
    assert made.returncode == 0, made.stderr

    def tidy(text):
        """Without how many cores the machine has."""
        text = re.sub(r"there are \S+ by .*\)", "there are N)", text)
        return re.sub(SCORE, r"\1 S", text).strip()

    assert tidy(made.stdout) == tidy(shown)


@pytest.mark.parametrize("snippet", blocks("python"))
def test_a_snippet_runs(snippet, both, folder):
    snippet = snippet.replace(ADDRESS, both.address).replace('"build/models"', f'"{folder}"')
    package = {"PYTHONPATH": str(harness.ROOT / "common/python"), "TIFFIN": str(harness.TIFFIN)}
    made = harness.run(sys.executable, "-B", "-c", snippet, cwd=harness.ROOT,
                       env={**os.environ, **package}, timeout=150)  # PyTorch takes its time.
    assert made.returncode == 0, made.stderr


def shell_lines(of=blocks("sh")):
    """The commands of sh blocks, without their comments."""
    text = "\n".join(of).replace("\\\n", " ")
    lines = [re.sub(r"\s+#.*", "", line).strip() for line in text.splitlines()]
    return [line for line in lines if line]


def stored(model, file):
    return next((harness.MODELS / model).glob(f"*/{file}"))


def lines_of_block_with(word):
    (block,) = [block for block in blocks("sh") if word in block]
    return shell_lines([block])


def guarded_lines():
    """Those of the block about TLS and tokens."""
    return lines_of_block_with("--tls-certificate")


def lines_of_elsewhere():
    """Those of the block about a worker that is started by hand."""
    return lines_of_block_with("--listen")


def test_the_lines_about_security_work(folder):
    def here(line):
        return re.sub(r"build/(tls\.\w+|tokens\.yaml|token\b)", rf"{folder}/\1", line)

    lines = [here(line) for line in guarded_lines()]
    serving = next(index for index, line in enumerate(lines) if "tiffin serve" in line)
    for line in lines[:serving]:
        made = run_here(line)
        assert made.returncode == 0, made.stderr
    words = lines[serving].split()
    flags = words[words.index("--http-address"):]
    flags[1] = "127.0.0.1:0"
    with harness.Server(harness.DIGITS_SERVICE, args=flags) as server:
        for line in lines[serving + 1:]:
            made = run_here(line, server)
            assert made.returncode == 0, made.stderr
            assert "7 (agree" in made.stdout or "InferenceGraphDemo" in made.stdout
        (folder / "token").write_text("another")
        for line in lines[serving + 1:]:
            made = run_here(line, server)
            assert "7 (agree" not in made.stdout and "InferenceGraphDemo" not in made.stdout


@contextlib.contextmanager
def worker_by_hand(line, folder):
    """The worker that a line starts."""
    server = harness.Server(folder=folder)
    line = line.replace("build/release/bin", str(harness.BIN))
    server.command = ["bash", "-c", f"cd '{harness.ROOT}' && exec {line}"]
    try:
        server.start()
        server.wait_for_line(r"listening on \S+", harness.START_S)
        yield
    finally:
        server.close()


def test_the_lines_about_workers_elsewhere_work(folder):
    *starts, serve = [line.replace("$PWD/build", str(folder)) for line in lines_of_elsewhere()]
    with contextlib.ExitStack() as stack:
        for line in starts:
            stack.enter_context(worker_by_hand(line.removesuffix("&"), folder))
        program, command, file, *flags = shlex.split(serve)
        assert pathlib.PurePath(program).name == "tiffin" and command == "serve" and flags
        with harness.Server(harness.ROOT / file,
                            args=[*flags, "--http-address", "127.0.0.1:0"]) as server:
            assert server.workers() == []
            made = run_here("build/release/bin/tiffin call sentiment_analysis.classify "
                            "@build/images/sentiment/plain.png", server)
            assert re.search(SCORE, made.stdout), made.stderr


@pytest.mark.parametrize("line", [
    line for line in shell_lines()
    if "tiffin serve" in line and line not in guarded_lines() + lines_of_elsewhere()])
def test_a_line_that_serves_works(line):
    words = line.split()
    files = [harness.ROOT / word for word in words if word.endswith(".yaml")]
    # The harness has a store and ports of its own.
    flags = [word.replace(":8000", ":0") for word in words[words.index("serve") + 1:]
             if not word.endswith((".yaml", "build/models")) and word != "--store"]
    with harness.Server(*files, args=flags) as server:
        assert ("--http-address" in flags) == bool(server.http_address)


@pytest.mark.parametrize("line", [line for line in shell_lines() if "import" in line])
def test_a_line_that_imports_works(line, folder):
    line = line.replace("NAME", "mine").replace(" DIR", " build/sentiment")
    for file, model in (("model.ubj", "digits_xgboost"), ("model.pt", "digits_torch")):
        line = line.replace(f" {file}", f" {stored(model, file)}")
    if line.startswith("scripts/"):
        line += " --tiffin build/release/bin/tiffin"
    made = run_here(line, TIFFIN_STORE=str(folder))
    assert made.returncode == 0, made.stderr
    listed = run_here("build/release/bin/tiffin models list", TIFFIN_STORE=str(folder))
    assert "mine" in listed.stdout


@pytest.mark.parametrize("line", [line for line in shell_lines() if "tiffin tune" in line])
def test_a_line_that_tunes_works(line, folder):
    for model in ("digits_xgboost", "digits_torch"):
        shutil.copytree(harness.MODELS / model, folder / model)
    made = run_here(line.replace("build/models", str(folder)), timeout=240)
    assert made.returncode == 0, made.stderr
    assert "tiffin tune" in made.stdout


def test_no_other_shell_line_goes_untested():
    known = re.compile(r"scripts/(demo|test)$|.*tiffin (serve|tune|models (import|list))\b|"
                       r"scripts/import_transformers\b|"
                       # tests/deploy knows these.
                       r"scripts/image$|docker compose|kubectl apply -k")
    blocks_of_their_own = guarded_lines() + lines_of_elsewhere()
    assert [line for line in shell_lines()
            if not known.match(line) and line not in blocks_of_their_own] == []


def content(picture):
    """Nodes, arrows and words of an SVG; where they lie depends on the fonts of a machine."""
    return sorted(element.text for element in xml.parse(picture).iter()
                  if element.tag in (f"{SVG}title", f"{SVG}text"))


def test_the_pictures_are_of_the_graphs(folder):
    drawn = harness.run(harness.TIFFIN, "check", *EXAMPLES, "--store", harness.MODELS,
                        "--graph", folder)
    assert drawn.returncode == 0, drawn.stderr
    pictures = [harness.ROOT / path for path in re.findall(r"^!\[.*\]\((.*)\)$", README, re.M)]
    assert sorted(picture.name for picture in pictures) == sorted(
        picture.name for picture in folder.iterdir())
    for picture in pictures:
        assert content(picture) == content(folder / picture.name)


def test_the_demo_shows_what_the_readme_says(both):
    demo = (harness.ROOT / "scripts/demo").read_text()
    calls = re.findall(r'^"\$tiffin" (call .*)$', demo, re.M)
    assert len(calls) == len(EXAMPLES)
    shown_by_demo = ""
    for call in calls:
        made = run_here(f"build/release/bin/tiffin {call}", both)
        assert made.returncode == 0, made.stderr
        shown_by_demo += made.stdout

    def form(text):
        """Without what differs from run to run: times, and where the bars begin and end."""
        text = re.sub(r"^    (server|critical path): .*\n", "", text, flags=re.M)
        text = re.sub(r"  \((queue|batch|transport|compute) [^)]*\)$", "", text, flags=re.M)
        text = re.sub(r"\[\d+\.\d\d ms\]", "[MS]", text)
        text = re.sub(r"[.█#]{20,}", "BAR", text)
        text = re.sub(SCORE, r"\1 S", text)
        return re.sub(r" +\d+ us", " US", text)

    shown = [block for block in blocks("") if "█" in block]
    assert shown
    for block in shown:
        assert form(block) in form(shown_by_demo)
    # Both services, every image.
    images = [path.name for folder in (harness.IMAGES, harness.TEXT_IMAGES)
              for path in pathlib.Path(folder).iterdir()]
    for image in images:
        assert f"{image}: " in shown_by_demo
