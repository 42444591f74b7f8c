"""What the cases are held against."""

import os
import re

from bench import Bench
from cases import Case
from report import Measurement
from servers import Failure, Server

# Of the measuring time, to find the batch size that is best.
TRIAL_SHARE = 0.3


class EchoReference:
    """A bare gRPC server that sends the same bytes back."""

    name = "echo"

    def __init__(self, bench: Bench, case: Case, in_flight: int, echo: Server):
        self._bench = bench
        self._case = case
        self._in_flight = in_flight
        self._echo = echo

    def expected_replies(self) -> list[bytes]:
        return list(self._case.expect or ())

    def measure(self) -> Measurement:
        flags = [*self._bench.echo_flags(self._case), "--in-flight", str(self._in_flight)]
        return self._bench.load(self._echo, flags, self._bench.seconds(self._case))


class InProcessReference:
    """The same engine calls in one process: with one request in flight one at a time, with more on
    as many threads as there are cores (or as the workers have), with the best batch size."""

    def __init__(self, bench: Bench, case: Case, in_flight: int, gateway: Server):
        self._bench = bench
        self._case = case
        threads = [1] * (os.cpu_count() or 1)
        if case.in_process.like_runner:
            threads = gateway.worker_threads(case.in_process.like_runner)
        self._engine_threads = max(threads)
        self._threads = min(len(threads), in_flight)
        self._batch = 1
        self._replies = self._answer()
        if in_flight > 1:
            self._batch = self._best_batch(in_flight)

    @property
    def name(self) -> str:
        return f"in process, {self._threads}x{self._engine_threads}, batch {self._batch}"

    def _run(self, batch: int, seconds: float) -> tuple[Measurement, list[bytes]]:
        return self._bench.in_process(self._case, self._threads, self._engine_threads, batch,
                                      seconds)

    def _answer(self) -> list[bytes]:
        """What it answers, once that was found to be right."""
        _, replies = self._run(1, 0.001)
        for number, reply in enumerate(replies):
            answer = reply[4:].decode()
            known = self._case.expect is None or reply == self._case.expect[number]
            if not known or not re.fullmatch(self._case.answers, answer):
                raise Failure(f"{self._case.name}: bench-in-process answers request {number} with "
                              f"{answer!r}, which is wrong")
        return replies

    def _best_batch(self, in_flight: int) -> int:
        sizes = [2**n for n in range(in_flight.bit_length()) if 2**n <= in_flight]
        seconds = TRIAL_SHARE * self._bench.seconds(self._case)
        return max(sizes, key=lambda size: self._run(size, seconds)[0].throughput)

    def expected_replies(self) -> list[bytes]:
        return self._replies

    def measure(self) -> Measurement:
        measurement, replies = self._run(self._batch, self._bench.seconds(self._case))
        if replies != self._replies:
            raise Failure(f"{self._case.name}: bench-in-process changed its answers")
        return measurement


def reference_of(bench: Bench, case: Case, in_flight: int, echo: Server,
                 gateway: Server) -> EchoReference | InProcessReference:
    if case.in_process is None:
        return EchoReference(bench, case, in_flight, echo)
    return InProcessReference(bench, case, in_flight, gateway)
