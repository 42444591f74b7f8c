"""`tiffin new`: the service that it writes works as it is, and nothing that is there is touched.
The one in C++ is built and run by test_cpp_sdk.py."""

import re
import tomllib

import pytest

import harness
import made_service

PYTHON_FILES = ["README.md", "requirements.txt", "runner.py", "service.yaml", "test_service.py"]


def new(*args, **kwargs):
    return harness.run(harness.TIFFIN, "new", *args, **kwargs)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def mood(module_folder):
    """A service with its runner in Python."""
    made_service.make(module_folder / "mood", "mood")
    return module_folder / "mood"


def test_it_works_as_it_is(mood):
    assert names_in(mood) == PYTHON_FILES
    made_service.expect_that_it_works(mood)


def test_its_test_sees_what_is_wrong(mood, folder):
    for file in mood.iterdir():
        text = file.read_text()
        if file.name == "runner.py":
            text = text.replace('"so-so"', '"good"')
        (folder / file.name).write_text(text)
    tested = made_service.run_its_test(folder)
    assert tested.returncode == 1
    assert "1 failed, 3 passed" in tested.stdout

    (folder / "runner.py").write_text("import nothing_of_that_name\n")
    tested = made_service.run_its_test(folder)
    assert "No module named 'nothing_of_that_name'" in tested.stdout


def test_its_test_says_where_it_looks_for_the_program(mood):
    tested = made_service.run_its_test(mood, TIFFIN="/nowhere/tiffin")
    assert tested.returncode != 0
    assert "there is no program '/nowhere/tiffin'" in tested.stdout


def test_it_tells_what_comes_next(folder):
    said = made_service.make(folder / "it's new", "mood")
    assert said.startswith(f"{folder}/it's new: {' '.join(PYTHON_FILES)}\nNext:\n")
    steps = re.findall(r"^  (.*?)(?: +#.*)?$", said, re.M)
    assert [step.split()[0] for step in steps] == ["export", "cd", "tiffin", "tiffin"]
    script = "\n".join(steps[:2]) + "\ntiffin check service.yaml"
    made = harness.run("bash", "-euc", script)
    assert made.returncode == 0, made.stderr
    with made_service.serve(folder / "it's new") as server:
        called = made_service.follow(folder / "it's new", steps[3], server)
        assert "good, by lovely" in called

    there = new("mood", cwd=folder, env=made_service.environment())
    assert there.stdout.partition("Next:\n")[2].startswith("  cd mood\n  tiffin serve")


def test_what_cpp_is_built_with_comes_first(folder):
    said = made_service.make(folder / "x", "mood", "--runner", "cpp")
    build = harness.BIN.resolve().parent
    assert ("Next:\n"
            f"  cmake --build {build} --target installable\n"
            f"  cmake --install {build} --prefix \"$PWD/installed\"\n"
            "  export PATH=\"$PWD/installed/bin:$PATH\"\n"
            f"  cd {folder}/x\n"
            "  cmake -B build && cmake --build build\n"
            "  tiffin serve service.yaml --worker-dir build\n") in said


def test_its_test_needs_what_the_package_needs(mood):
    project = tomllib.loads((harness.ROOT / "common/python/pyproject.toml").read_text())["project"]
    wanted = [line for line in (mood / "requirements.txt").read_text().splitlines()
              if not line.startswith("#")]
    assert [line for line in wanted if not line.startswith("pytest")] == project["dependencies"]
    assert len(wanted) == len(project["dependencies"]) + 1


@pytest.mark.parametrize("name", ["on", "import", "service", "tiffin", "python", "a_b_2"])
def test_any_name_will_do(name, folder):
    made_service.make(folder / "x", name)
    made = harness.run(harness.TIFFIN, "check", folder / "x/service.yaml")
    assert made.returncode == 0, made.stderr
    assert f"service {name}\n" in made.stdout


@pytest.mark.parametrize("name, words", [
    ("Mood", "'Mood' is no name for a service"), ("2nd", "a letter first"), ("a-b", "'a-b'"),
    ("../up", "'../up'"), ("", "''"), ("true", "a literal"), ("null", "nothing in YAML")])
def test_what_is_no_name_is_refused(name, words, folder):
    made = new(name, cwd=folder)
    assert made.returncode == 2
    assert words in made.stderr
    assert names_in(folder) == []


def test_a_language_that_is_not_known_is_refused(folder):
    made = new("mood", "--runner", "rust", cwd=folder)
    assert made.returncode == 2
    assert "rust not in {python,cpp}" in made.stderr
    assert names_in(folder) == []


def test_what_is_there_stays(folder):
    (folder / "mood").mkdir()
    (folder / "mood/service.yaml").write_text("mine")
    made = new("mood", cwd=folder)
    assert made.returncode == 1
    assert "the folder 'mood' is not empty (it has 'service.yaml')" in made.stderr
    assert "--into" in made.stderr
    assert names_in(folder / "mood") == ["service.yaml"]
    assert (folder / "mood/service.yaml").read_text() == "mine"

    file = new("mood", "--into", folder / "mood/service.yaml")
    assert file.returncode == 1 and "Not a directory" in file.stderr


@pytest.mark.parametrize("place", ["/proc/mood", "missing/mood"])
def test_where_nothing_can_be_written_is_told(place, folder):
    made = new("mood", "--into", place, cwd=folder)
    assert made.returncode == 1
    assert f"can't make the folder '{place}'" in made.stderr and "--into" in made.stderr
    assert names_in(folder) == []


@pytest.mark.parametrize("is_there", [True, False])
def test_a_failure_half_way_leaves_nothing(is_there, folder):
    if is_there:
        (folder / "mood").mkdir()
    # Of the files some are longer than a kilobyte.
    script = f"ulimit -f 1; trap '' XFSZ; {harness.TIFFIN} new mood"
    made = harness.run("bash", "-c", script, cwd=folder)
    assert made.returncode == 1
    assert "mood/" in made.stderr and "File too large" in made.stderr
    assert names_in(folder) == (["mood"] if is_there else [])
    if is_there:
        assert names_in(folder / "mood") == []
