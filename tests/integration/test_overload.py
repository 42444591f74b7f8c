"""More than a runner can do, all the time: it says so, and harms nobody else."""

import threading

import grpc
import numpy as np
import pytest

import harness
from harness import ANSWER_S

Code = grpc.StatusCode

SERVICE = """
service: {name}
runners:
  slow: {{backend: testing, queue: {{max: 8}}, options: {{behavior: delay, ms: 20, shape: [-1]}}}}
  quick: {{backend: testing, options: {{behavior: identity, shape: [-1]}}}}
apis:
  work:
    input: {{x: "fp32[-1]"}}
    steps:
      y: slow(x)
    output: {{y: y}}
  echo:
    input: {{x: "fp32[rows,-1]"}}
    steps:
      y: quick(x)
    output: {{y: y}}
"""

ONE = np.array([7], np.float32)
ROW = np.array([[1, 2]], np.float32)
CALLS = 64  # At any time; the runner and its queue take nine.


class Overload:
    """Keeps CALLS calls of the api `work` under way, each followed by another however it ended."""

    def __init__(self, server):
        self._server = server
        self._stopped = threading.Event()
        self._changed = threading.Condition()
        self._under_way = 0
        self.ended = {}

    def start(self):
        for _ in range(CALLS):
            self._start_one()
        return self

    def stop(self):
        self._stopped.set()
        with self._changed:
            assert self._changed.wait_for(lambda: self._under_way == 0, ANSWER_S)

    def wait_for(self, code, count):
        with self._changed:
            assert self._changed.wait_for(
                lambda: self.ended.get(code, 0) >= count, ANSWER_S), self.ended

    def _start_one(self):
        with self._changed:
            self._under_way += 1
        self._server.infer_later("first.work", x=ONE).add_done_callback(self._on_end)

    def _on_end(self, future):
        with self._changed:
            self._under_way -= 1
            self.ended[future.code()] = self.ended.get(future.code(), 0) + 1
            self._changed.notify_all()
        if not self._stopped.is_set():
            self._start_one()


@pytest.mark.parametrize("loops", [1, 2])
def test_an_overloaded_runner_refuses_and_others_answer(folder, carrier, loops):
    services = [SERVICE.format(name=name) for name in ("first", "second")]
    with harness.Server(*services, folder=folder,
                        args=[*carrier, "--loops", str(loops)]) as server:
        overload = Overload(server).start()
        try:
            for turn in range(1, 6):
                overload.wait_for(Code.RESOURCE_EXHAUSTED, 50 * turn)
                for model in ("first.echo", "second.echo", "first.quick", "second.quick"):
                    name = "INPUT0" if model.endswith("quick") else "x"
                    (answer,) = server.infer(model, **{name: ROW}).values()
                    assert np.array_equal(answer, ROW)
                (answer,) = server.infer("second.work", x=ONE).values()
                assert answer.tolist() == [7]
                overload.wait_for(Code.OK, turn)
        finally:
            overload.stop()
        assert set(overload.ended) == {Code.OK, Code.RESOURCE_EXHAUSTED}, overload.ended
        # It is over as soon as the last call has ended.
        (answer,) = server.infer("first.work", x=ONE).values()
        assert answer.tolist() == [7]
