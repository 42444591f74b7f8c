"""What a wrong configuration says: file:line:column, what, and the fix; all errors in one run."""

import re
import shutil

import pytest

import harness

RUNNERS = """service: faulty
runners:
  echo: {backend: testing, options: {behavior: identity, shape: [-1]}}
  adder: {backend: testing, options: {behavior: add_sub}}
"""

API = """apis:
  go:
    input: {x: "fp32[rows,-1]"}
    steps:
      a: echo(x)
    output: {y: a}
  rest:
    input: {n: "int32[rows,16]"}
    steps:
      s: adder(n, n)
    output: {s: s.OUTPUT0, d: s.OUTPUT1}
"""

# name: (the file, line, words that its message must have)
FAULTS = {
    "unknown key at the top": ("surprise: 1\n" + RUNNERS + API, 1, ["surprise"]),
    "unknown key of a runner": (
        RUNNERS + "  odd: {backend: testing, flavor: sweet, options: {behavior: identity}}\n" + API,
        5, ["flavor"]),
    "batching of a method that takes one row": (
        RUNNERS + "  odd: {backend: testing, batching: {max_batch_size: 8}, "
        "options: {behavior: delay}}\n" + API, 5, ["odd", "batching", "one row"]),
    "device does not work yet": (
        RUNNERS + "  odd: {backend: testing, device: cuda, options: {behavior: identity}}\n" + API,
        5, ["device"]),
    "unknown key of an api": (RUNNERS + API + "    color: red\n", 16, ["color"]),
    "duplicate key": (RUNNERS + API + "    timeout: 1s\n    timeout: 2s\n", 17, ["timeout"]),
    "unknown name": (RUNNERS + API.replace("echo(x)", "echo(why)"), 9, ["why"]),
    "unknown callee": (RUNNERS + API.replace("echo(x)", "ecko(x)"), 9, ["ecko", "echo"]),
    "unknown method": (RUNNERS + API.replace("echo(x)", "echo.walk(x)"), 9, ["walk"]),
    "arity": (RUNNERS + API.replace("echo(x)", "echo(x, x)"), 9, ["echo"]),
    "cycle": (
        RUNNERS + API.replace("a: echo(x)", "a: echo(b)\n      b: echo(a)"), 9,
        ["cycle", "a", "b"]),
    "unused step": (
        RUNNERS + API.replace("a: echo(x)", "a: echo(x)\n      b: echo(x)"), 10, ["b"]),
    "dtype mismatch": (RUNNERS + API.replace("fp32", "int64"), 9, ["int64", "fp32"]),
    "shape mismatch": (
        RUNNERS + API.replace("fp32[rows,-1]", "int32[rows,4]")
        .replace("a: echo(x)", "a: adder(x, x)").replace("{y: a}", "{y: a.OUTPUT0}"),
        9, ["int32[4]", "int32[16]"]),
    "unknown type": (RUNNERS + API.replace("fp32[rows,-1]", "float[3]"), 7, ["float"]),
    "bad name": (RUNNERS.replace("echo", "Echo") + API, 3, ["Echo"]),
    "name clash of an api and a runner": (RUNNERS + API.replace("go:", "echo:"), 6, ["echo"]),
    "missing model": (
        RUNNERS + '  ghost: {model: "no_such_model:3"}\n' + API, 5, ["ghost", "no_such_model"]),
    "missing version": (
        RUNNERS + '  ghost: {model: "digits_torch:4711"}\n' + API, 5, ["ghost", "4711"]),
    "unknown backend": (RUNNERS + "  ghost: {backend: oracle}\n" + API, 5, ["oracle", "testing"]),
    "unknown option": (
        RUNNERS + "  odd: {backend: image, options: {colour: gray}}\n" + API, 5,
        ["colour", "color"]),
    "bad duration": (RUNNERS + API + "    timeout: soon\n", 16, ["timeout", "soon"]),
    "retries of what is not safe": (
        RUNNERS + "  once: {backend: testing, options: {behavior: identity, shape: [-1], "
        "retry_safe: false}}\n" + API.replace("a: echo(x)", "a: {run: once(x), retries: 1}"),
        10, ["retries"]),
    "not YAML": (RUNNERS + "apis: [\n", 5, []),
}


def write(folder, text):
    file = folder / "service.yaml"
    file.write_text(text)
    return file


def check(file, *args):
    return harness.run(harness.TIFFIN, "check", file, "--store", harness.MODELS, *args)


@pytest.mark.parametrize("fault", FAULTS)
def test_check_names_place_thing_and_fix(fault, folder):
    text, line, words = FAULTS[fault]
    file = write(folder, text)
    checked = check(file)
    assert checked.returncode == 2, checked.stdout + checked.stderr
    said = [message for message in checked.stderr.splitlines()
            if re.match(rf"(.*: )?{re.escape(str(file))}:\d+:\d+: .", message)]
    assert said, checked.stderr
    at = [message for message in said
          if re.search(rf"{re.escape(str(file))}:{line}:\d+: ", message)]
    assert fault == "not YAML" or at, f"not at line {line}: {checked.stderr}"
    for word in words:
        assert any(word in message for message in at), f"'{word}' is missing in {at}"


def test_the_file_without_faults_is_good(folder):
    checked = check(write(folder, RUNNERS + API))
    # `adder` is a runner of its own right; clients may call it.
    assert checked.returncode == 0, checked.stderr


def test_serve_says_the_same_and_starts_nothing(folder):
    text, line, words = FAULTS["cycle"]
    server = harness.Server(text, folder=folder)
    try:
        server.start()
        assert server.wait(harness.START_S) == 2
        said = [message for message in server.lines if f"{server.files[0]}:{line}:" in message]
        assert said and all(word in said[0] for word in words), server.lines
    finally:
        server.close()


def test_all_errors_come_in_one_run(folder):
    text = (RUNNERS + '  ghost: {model: "no_such_model:3"}\n' +
            "  odd: {backend: testing, flavor: sweet, options: {behavior: identity}}\n" +
            API.replace("a: echo(x)", "a: echo(b)\n      b: echo(a)\n      c: echo(why)"))
    checked = check(write(folder, text))
    assert checked.returncode == 2
    for word in ("no_such_model", "flavor", "cycle", "why"):
        assert word in checked.stderr, checked.stderr


def test_the_errors_of_several_files_are_whole_lines(folder):
    files = []
    for name in ("a", "b"):
        (folder / name).mkdir()
        files.append(write(folder / name, RUNNERS.replace("faulty", f"faulty_{name}") +
                           API.replace("echo(x)", "echo(why)")))
    said = check(*files).stderr.splitlines()
    places = [line.partition(": ")[0] for line in [said[0].removeprefix("tiffin: "), *said[1:]]]
    assert places == [f"{file}:{place}" for file in files for place in ("7:13", "9:15")], said
    assert said[1].endswith("unknown value 'why'; values: x, a"), said
    assert said[3].endswith("unknown value 'why'; values: x, a"), said


def test_a_missing_file_is_named(folder):
    for command in ("check", "serve"):
        made = harness.run(harness.TIFFIN, command, folder / "nothing.yaml")
        assert made.returncode == 2
        assert "nothing.yaml" in made.stderr


def test_two_services_of_one_name_are_refused(folder):
    (folder / "a").mkdir()
    (folder / "b").mkdir()
    files = [write(folder / name, RUNNERS + API) for name in ("a", "b")]
    server = harness.Server(*files, folder=folder)
    try:
        server.start()
        assert server.wait(harness.START_S) == 2
        assert any("faulty" in line for line in server.lines), server.lines
    finally:
        server.close()


@pytest.mark.parametrize("model", ["digits_torch", "digits_xgboost"])
@pytest.mark.parametrize("damage", ["cut", "garbage", "missing"])
def test_a_corrupt_model_file_is_named(model, damage, folder):
    store = folder / "store"
    shutil.copytree(harness.MODELS / model, store / model)
    version = max((path for path in (store / model).iterdir() if path.name.isdigit()),
                  key=lambda path: int(path.name))
    (file,) = [path for path in version.rglob("*")
               if path.is_file() and path.name != "model.yaml"]
    file.chmod(0o644)
    if damage == "missing":
        file.unlink()
    else:
        content = file.read_bytes()
        file.write_bytes(content[:len(content) // 2] if damage == "cut" else b"x" * len(content))
    server = harness.Server(f'service: faulty\nrunners:\n  damaged: {{model: "{model}:latest"}}\n'
                            f"{damaged_api(model)}", folder=folder, store=store)
    try:
        server.start()
        assert server.wait(harness.START_S) == 2
        said = "\n".join(server.lines)
        assert f"{server.files[0]}:3:" in said, said
        assert "damaged" in said and file.name in said, said
        assert not any("serving on" in line for line in server.lines)
    finally:
        server.close()


def damaged_api(model):
    return """apis:
  go:
    input: {x: "fp32[rows,64]"}
    steps:
      a: damaged(x)
    output: {y: a}
"""


@pytest.mark.parametrize("args", [["serve"], ["--no-such-flag"], ["no_such_command"], []])
def test_wrong_usage_exits_with_2(args):
    assert harness.run(harness.TIFFIN, *args).returncode == 2
