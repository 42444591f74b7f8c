"""Starts the service on a free port, and looks at what it answers."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading

import pytest

HERE = pathlib.Path(__file__).resolve().parent
NAMED = os.environ.get("TIFFIN", "tiffin")
PROGRAM = shutil.which(NAMED)
assert PROGRAM, f"there is no program '{NAMED}'; add its folder to $PATH, or name it in $TIFFIN"
# The package tiffin lies beside the program.
sys.path.insert(0, str(pathlib.Path(PROGRAM).resolve().parents[1] / "lib/tiffin/python"))

import tiffin  # noqa: E402 - found by the line above.


@pytest.fixture(scope="module")
def client():
    """Of a server that is up as long as these tests run."""
    command = [PROGRAM, "serve", HERE / "service.yaml", "--grpc-address", "127.0.0.1:0"{{flags}}]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            said = []
            for line in server.stderr:
                said.append(line)
                if serving := re.search(r"serving on (\S+)", line):
                    break
            else:
                pytest.fail("".join(said))
            # What else it says is read and dropped.
            threading.Thread(target=server.stderr.read, daemon=True).start()
            with tiffin.Client(serving[1], timeout=10) as connected:
                yield connected
        finally:
            server.terminate()


@pytest.mark.parametrize("text, label, sentence", [
    ("What a lovely dinner!", "good", "good, by lovely"),
    ("The soup was COLD,\nthe waiter was rude, the room was warm.", "bad",
     "bad, by cold rude warm"),
    ("It is Monday.", "so-so", "so-so, by no word that it knows"),
])
def test_a_text_is_judged(client, text, label, sentence):
    reply = client.service("{{name}}").predict(text=text)
    assert reply.label == label
    assert reply.sentence == sentence


def test_a_text_without_words_is_refused(client):
    with pytest.raises(tiffin.InvalidArgument, match="no words"):
        client.service("{{name}}").predict(text=" ... ")
