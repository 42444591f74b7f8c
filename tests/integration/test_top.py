"""`tiffin top` in a real terminal (tmux), and its output elsewhere."""

import json
import os
import subprocess
import threading

import numpy as np
import pytest

import harness

SERVICE = """
service: demo
runners:
  same: {backend: testing, options: {behavior: identity, shape: [-1]}}
apis:
  echo:
    input: {x: "fp32[rows,-1]"}
    steps:
      a: same(x)
    output: {y: a}
"""

ROW = np.array([[1, 2]], np.float32)


@pytest.fixture(scope="module")
def server(module_folder):
    with harness.Server(SERVICE, folder=module_folder,
                        args=["--http-address", "127.0.0.1:0"]) as made:
        yield made


@pytest.fixture
def load(server):
    """Requests, one after the other, as long as the test runs."""
    ended = threading.Event()

    def run():
        while not ended.is_set():
            server.infer("demo.echo", x=ROW)

    thread = threading.Thread(target=run)
    thread.start()
    yield
    ended.set()
    thread.join()


class Tmux:
    """A terminal of its own, on a socket of its own, with a plain shell in it."""

    def __init__(self, folder):
        self._socket = folder / "tmux"
        self._run("-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "40",
                  "env PS1='shell> ' sh")

    def _run(self, *args):
        env = {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        return subprocess.run(["tmux", "-S", self._socket, *args], capture_output=True, text=True,
                              timeout=30, check=True, env=env).stdout

    def type(self, *keys):
        self._run("send-keys", *keys)

    def resize(self, columns, lines):
        self._run("resize-window", "-x", str(columns), "-y", str(lines))

    def screen(self, *options):
        return self._run("capture-pane", "-p", *options)

    def ask(self, what):
        return self._run("display-message", "-p", f"#{{{what}}}").strip()

    def await_text(self, *words):
        def found():
            screen = self.screen()
            return screen if all(word in screen for word in words) else None
        try:
            return harness.eventually(found, what=f"{words} on the screen")
        except AssertionError as error:
            raise AssertionError(f"{error}:\n{self.screen()}") from None

    def close(self):
        self._run("kill-server")


@pytest.fixture
def tmux(folder):
    made = Tmux(folder)
    yield made
    made.close()


def url(server):
    return f"http://{server.http_address}"


def rate_of(screen, name):
    (line,) = [line for line in screen.splitlines() if line.startswith(name + " ")]
    return float(line.split()[1])


@pytest.mark.parametrize("quit_by", ["q", "C-c"])
def test_a_live_table_that_leaves_the_terminal_as_it_was(server, load, tmux, quit_by):
    tmux.type("stty -g > /dev/null; echo before-$((40 + 2))", "Enter")
    tmux.await_text("before-42")
    tmux.type(f"{harness.TIFFIN} top {url(server)} --interval 0.3", "Enter")
    screen = tmux.await_text("SERVICE.API", "demo.same#0", "ready")
    assert "before-42" not in screen
    assert tmux.ask("alternate_on") == "1"
    assert tmux.ask("cursor_flag") == "0"
    harness.eventually(lambda: rate_of(tmux.screen(), "demo.echo") > 0, what="a rate")

    tmux.resize(30, 8)
    harness.eventually(lambda: tmux.screen().splitlines()[0].startswith("tiffin ")
                       and "REPLICA" not in tmux.screen(), what="a table of eight lines")
    tmux.resize(120, 40)
    tmux.await_text("RESTARTS", "BATCH", "IN FLIGHT")

    tmux.type(quit_by)
    tmux.await_text("before-42", "shell>")
    assert tmux.ask("alternate_on") == "0"
    assert tmux.ask("cursor_flag") == "1"
    tmux.type("stty -a | grep -o -w -e '-*icanon' -e '-*echo'; echo ended-$?", "Enter")
    screen = tmux.await_text("ended-0")
    # The prompt stands before the first line if it was typed before the shell was back.
    lines = [line.strip().removeprefix("shell> ") for line in screen.splitlines()]
    assert "-icanon" not in lines and "icanon" in lines and "echo" in lines


def test_a_server_that_goes_away_is_told_on_one_line_and_without_colours(tmux):
    with harness.Server(SERVICE, args=["--http-address", "127.0.0.1:0"]) as own:
        tmux.resize(60, 12)
        tmux.type(f"NO_COLOR=1 {harness.TIFFIN} top {url(own)} --interval 0.3", "Enter")
        tmux.await_text("SERVICE.API", "ready")
        assert "\x1b" not in tmux.screen("-e")
        own.kill()
        lines = tmux.await_text("nobody answers").splitlines()
    assert lines[0].startswith("nobody answers") and lines[0].endswith("..."), lines
    assert lines[1] == "" and lines[2].startswith("tiffin "), lines


def test_one_table_for_a_pipe_has_no_colours(server, load):
    ended = harness.run(harness.TIFFIN, "top", url(server), "--once", "--interval", "0.5")
    assert ended.returncode == 0, ended.stderr
    assert "\x1b" not in ended.stdout
    assert rate_of(ended.stdout, "demo.echo") > 0
    assert rate_of(ended.stdout, "demo.same") > 0
    assert "demo.same#0" in ended.stdout


def test_json_is_one_object_for_each_interval(server, load):
    top = subprocess.Popen([harness.TIFFIN, "top", url(server), "--json", "--interval", "0.2"],
                           stdout=subprocess.PIPE, text=True)
    objects = [json.loads(top.stdout.readline()) for _ in range(3)]
    top.terminate()
    assert top.wait(harness.END_S) == 0
    top.stdout.close()
    for told in objects:
        (api,) = told["apis"]
        assert api["name"] == "demo.echo"
        assert api["requests_per_second"] > 0
        assert 0 < api["p50_seconds"] <= api["p99_seconds"]
        (replica,) = told["replicas"]
        assert replica["state"] == "ready"
        assert replica["memory_bytes"] > 1 << 20


def test_a_killed_worker_is_seen(server):
    server.worker("same").kill()
    harness.eventually(lambda: server.workers("same"))

    def told():
        ended = harness.run(harness.TIFFIN, "top", url(server), "--once", "--json", "--interval",
                            "0.1")
        (replica,) = json.loads(ended.stdout)["replicas"]
        return replica["restarts"] == 1 and replica["state"] == "ready"
    harness.eventually(told, what="a restart")


@pytest.mark.parametrize("where", ["nobody", "grpc", "no url", "no metrics"])
def test_errors_say_what_to_do(server, where):
    target, word, code = {
        "nobody": ("http://127.0.0.1:1", "--http-address", 1),
        "grpc": (f"http://{server.address}", "--http-address", 1),
        "no url": ("127.0.0.1:8000", "http://127.0.0.1:8000", 2),
        "no metrics": (f"{url(server)}/healthz", "text format", 2)}[where]
    ended = harness.run(harness.TIFFIN, "top", target, "--once", "--interval", "0.1")
    assert ended.returncode == code, ended.stderr
    assert word in ended.stderr
    assert ended.stdout == ""
