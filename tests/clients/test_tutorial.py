"""The README's tutorial, from `tiffin new` to the changed service: its commands in their order, in
one folder, as they stand but for the address, and what they show."""

import os
import re

import pytest

import harness
from readme import ADDRESS, TUTORIAL, blocks, commands, kinds_of_blocks

SERVING = "tiffin serve mood/service.yaml"


class Reader:
    """Follows the tutorial in a folder that looks like the clone."""

    def __init__(self, folder):
        self.folder = folder
        self.server = None
        self._exports = []
        for name in ("build/venv", "build/tools", "common"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).symlink_to(harness.ROOT / name)
        (folder / "build/release").mkdir()
        (folder / "build/release/bin").symlink_to(harness.BIN.resolve())

    def serve(self):
        """Ctrl-C, and the same line."""
        self.end()
        self.server = harness.Server(self.folder / SERVING.split()[-1]).__enter__()

    def end(self):
        if self.server is not None:
            self.server.close()

    def run(self, command):
        """What it says; what it exports, those behind it have too."""
        if command.startswith("export "):
            self._exports.append(command)
            return ""
        address = self.server.address if self.server is not None else ADDRESS
        lines = [*self._exports, f"export TIFFIN_ADDRESS={address}",
                 command.replace(ADDRESS, address)]
        # Some of what Python reads here is the clone's.
        env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        made = harness.run("bash", "-euc", "\n".join(lines), cwd=self.folder, env=env)
        assert made.returncode == 0, made.stderr
        return made.stdout


@pytest.fixture
def reader(folder):
    made = Reader(folder)
    yield made
    made.end()


def parts():
    """Its blocks in order: (language, text)."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", TUTORIAL, re.M | re.S)


def expect(said, shown):
    def tidy(text):
        return re.sub(r"in \d+\.\d+s", "in N s", text).strip()

    assert tidy(said) == tidy(shown)


def test_every_block_is_of_a_kind_that_is_tested():
    assert kinds_of_blocks(TUTORIAL) == {"console", "python", "sh", "yaml"}
    assert blocks("sh", TUTORIAL) == [SERVING + "\n"]


def test_it_works_word_by_word(reader):
    mood = reader.folder / "mood"
    ran = 0
    for language, text in parts():
        if language == "console":
            for command, shown in commands(text):
                # Of the server that was there before the change.
                if "neutral" in shown and "tiffin call" in command:
                    reader.serve()
                expect(reader.run(command), shown)
                ran += 1
        elif language == "sh":
            reader.serve()
        elif language == "yaml":
            assert text == (mood / "service.yaml").read_text()
        elif "Client(" in text:
            address = reader.server.address
            (reader.folder / "ask.py").write_text(text.replace(ADDRESS, address))
        else:
            assert text == (mood / "runner.py").read_text()
    assert ran == 9


def test_what_it_says_of_errors_is_so(reader):
    reader.run(commands(blocks("console", TUTORIAL)[0])[0][0])
    reader.run("tiffin new mood")
    runner = reader.folder / "mood/runner.py"
    runner.write_text(runner.read_text().replace("text: str", "text"))
    made = harness.run(harness.TIFFIN, "check", reader.folder / "mood/service.yaml")
    assert made.returncode == 2
    assert re.search(r"mood/service\.yaml:4:\d+: .*runner\.py:\d+: the parameter 'text'",
                     made.stderr), made.stderr
