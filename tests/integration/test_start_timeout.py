"""Workers that never get ready: `start_timeout` says how long they may load."""

import signal

import numpy as np

import harness
from harness import END_S, START_S, eventually

SERVICE = """
service: slow
runners:
  echo: {{backend: testing, start_timeout: {limit}s,
         options: {{behavior: identity, shape: [-1], load_until: {file}}}}}
"""

ROW = np.array([[1, 2]], np.float32)


def test_a_worker_that_is_stopped_while_it_loads_is_replaced(folder):
    loads = folder / "loads"
    loads.touch()
    service = SERVICE.format(limit=3 * harness.SLOWNESS, file=loads)
    with harness.Server(service, folder=folder) as server:
        first = server.worker("echo")
        loads.unlink()
        first.kill(signal.SIGKILL)
        assert first.gone(END_S)
        (stopped,) = eventually(lambda: server.workers("echo"), what="the next life")
        stopped.kill(signal.SIGSTOP)
        server.wait_for_line(rf"\(pid {stopped.pid}\) is not ready after .*, its start_timeout")
        assert stopped.gone(END_S)
        seen = len(server.lines)
        loads.touch()
        server.wait_for_line(r"slow\.echo \(pid \d+\) is ready", since=seen)
        assert np.array_equal(server.infer("slow.echo", INPUT0=ROW)["OUTPUT0"], ROW)


def test_a_start_that_takes_too_long_fails_and_says_why(folder):
    server = harness.Server(SERVICE.format(limit=0.5, file=folder / "never"), folder=folder)
    try:
        server.start()
        assert server.wait(START_S) == 1
        said = "\n".join(server.lines)
        assert "slow.echo" in said and "is not ready after 500ms, its start_timeout" in said, said
        assert f"{server.files[0]}:4:" in said and "before it was ready" in said, said
    finally:
        server.close()


def test_check_waits_no_longer_than_a_start_may_take(folder):
    file = folder / "service.yaml"
    file.write_text(SERVICE.format(limit=0.5, file=folder / "never"))
    checked = harness.run(harness.TIFFIN, "check", file)
    assert checked.returncode == 1, checked.stdout + checked.stderr
    assert "no answer after 500ms" in checked.stderr
