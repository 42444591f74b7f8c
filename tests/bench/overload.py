"""What becomes of goodput when ten times as many calls come as a service can answer.

The peak is measured first, by a closed loop; then calls come by chance, whether or not there was a
reply: at a share of the peak, at ten times the peak, and at that share again. Each has a deadline.
"""

import dataclasses

from bench import Bench
from cases import SERVICES, Case, floats
from report import Result, make_row

SATURATED = 32  # Calls in flight to measure the peak.
TIMES = 10  # The peak: what comes while there is too much.
SHARE = 0.8  # Of the peak: what comes before and after it.
OVERLOAD_SECONDS = 3  # So many times as long as what comes before and after.


@dataclasses.dataclass(frozen=True)
class Overload:
    name: str
    case: Case
    deadline_ms: int

    @property
    def needs_models(self) -> bool:
        return self.case.needs_models

    def measured(self) -> set[tuple[str, int]]:
        """The rows' case and in_flight; an open loop has no number in flight."""
        return {(self.name, 0)}

    def measure(self, bench: Bench, repetitions: int) -> list[Result]:
        seconds = bench.seconds(self.case)
        peaks, phases = [], []
        with bench.gateway(self.case.service_file) as gateway:
            flags = bench.infer_flags(self.case, list(self.case.expect))
            for repetition in range(repetitions):
                peak = bench.load(gateway, [*flags, "--in-flight", str(SATURATED)], seconds)
                peaks.append(peak.throughput)
                phases.append(bench.phases(
                    gateway, [*flags, "--seed", str(repetition + 1)], self.deadline_ms,
                    [(SHARE * peak.throughput, seconds),
                     (TIMES * peak.throughput, OVERLOAD_SECONDS * seconds),
                     (SHARE * peak.throughput, seconds)]))
        return self._results(peaks, phases)

    def _results(self, peaks: list[float], phases: list[list[dict]]) -> list[Result]:
        _, during, after = zip(*phases)
        deadlines = [self.deadline_ms * 1e3] * len(during)

        def result(metric: str, unit: str, values, references, reference: str) -> Result:
            return Result([make_row(self.name, 0, metric, unit, list(values), list(references))],
                          reference)

        return [
            result("goodput", "1/s", (phase["goodput"] for phase in during), peaks, "the peak"),
            result("p99", "us", (phase["answered_p99_us"] for phase in during), deadlines,
                   "the deadline"),
            # Nothing was refused: it took no time.
            result("refusal_p99", "us", (phase["refused_p99_us"] or 0 for phase in during),
                   deadlines, "the deadline"),
            result("late", "calls", (phase["late"] for phase in during),
                   (phase["offered"] for phase in during), "what was offered"),
            result("recovered", "calls", (phase["answered"] for phase in after),
                   (phase["offered"] for phase in after), "what came in the second after"),
            result("lag_p99", "us", (phase["lag_p99_us"] for phase in during), deadlines,
                   "the deadline"),
        ]


def all_overloads() -> list[Overload]:
    payload = floats(64)

    def case(name: str, api: str) -> Case:
        return Case(name, SERVICES / "overload.yaml", f"bench_overload.{api}", "x", "FP32", (64,),
                    (payload,), (payload,))

    return [Overload(name, case(name, api), deadline_ms=100)
            for name, api in (("overload_4ms", "one_by_one"), ("overload_batched", "batched"))]
