"""What the policies of batching do with calls that arrive in several patterns.

Calls come by chance (Poisson) at a share of what the service can do, which is measured first, or in
bursts; nobody waits for a reply before the next call. The policies take turns with the very same
arrivals.
"""

import dataclasses
import statistics

from bench import Bench
from cases import SENTENCES, SERVICES, Case, floats, framed
from report import Measurement, Result, make_rows
from servers import Server

# The apis of the service files: a policy of batching each.
OFF, FIXED, ADAPTIVE = "one_by_one", "fixed", "adaptive"
SATURATED = 32  # Calls in flight to measure a capacity.
BURST = 16  # Calls.
LEAST_CALLS = 30  # That a measurement should have, however slow the service is.
BURSTS_SHARE = 50  # In % of the capacity without batching.


@dataclasses.dataclass(frozen=True)
class Pattern:
    """Arrivals at `rate`: Poisson, or bursts."""

    name: str
    rate: float
    burst: int = 0

    def flags(self, seed: int) -> list[str]:
        chance = ["--burst", str(self.burst)] if self.burst else ["--seed", str(seed)]
        return ["--rate", f"{self.rate:.3f}", *chance]


@dataclasses.dataclass(frozen=True)
class Arrivals:
    name: str
    case: Case  # Its model is the service, without an api.
    # In % of the capacity without batching, at which all policies are measured; and of the least
    # that a policy with batching can do, at which these are.
    shares_of_off: tuple[int, ...]
    shares: tuple[int, ...]
    has_bursts: bool

    @property
    def needs_models(self) -> bool:
        return self.case.needs_models

    def measured(self) -> set[tuple[str, int]]:
        """The rows' case and in_flight; an open loop has no number in flight."""
        return ({(f"{self.name}_saturated_{policy}", SATURATED) for policy in (FIXED, ADAPTIVE)}
                | {(f"{self.name}_{share}pct_of_off_{policy}", 0)
                   for policy in (FIXED, ADAPTIVE) for share in self.shares_of_off}
                | {(f"{self.name}_{share}pct_{ADAPTIVE}", 0) for share in self.shares}
                | {(f"{self.name}_bursts_{policy}", 0)
                   for policy in (FIXED, ADAPTIVE) if self.has_bursts})

    def measure(self, bench: Bench, repetitions: int) -> list[Result]:
        with bench.gateway(self.case.service_file) as gateway:
            run = Run(self, bench, repetitions, gateway)
            saturated = run.measure(None, (OFF, FIXED, ADAPTIVE))
            off = run.capacity(saturated, OFF)
            batched = min(run.capacity(saturated, FIXED), run.capacity(saturated, ADAPTIVE))
            results = run.results("saturated", saturated, OFF, SATURATED)
            patterns = [Pattern(f"{share}pct_of_off", off * share / 100)
                        for share in self.shares_of_off]
            if self.has_bursts:
                patterns.append(Pattern("bursts", off * BURSTS_SHARE / 100, BURST))
            for pattern in patterns:
                results += run.results(pattern.name, run.measure(pattern, (OFF, FIXED, ADAPTIVE)),
                                       OFF)
            for share in self.shares:
                pattern = Pattern(f"{share}pct", batched * share / 100)
                results += run.results(pattern.name, run.measure(pattern, (FIXED, ADAPTIVE)), FIXED)
            return results


class Run:
    """Of one service: the policies' measurements, in turns."""

    def __init__(self, arrivals: Arrivals, bench: Bench, repetitions: int, gateway: Server):
        self._name = arrivals.name
        self._seconds = bench.seconds(arrivals.case)
        self._bench = bench
        self._repetitions = repetitions
        self._gateway = gateway
        self._flags = {
            policy: bench.infer_flags(
                dataclasses.replace(arrivals.case, model=f"{arrivals.case.model}.{policy}"),
                list(arrivals.case.expect))
            for policy in (OFF, FIXED, ADAPTIVE)}

    def measure(self, pattern: Pattern | None,
                policies: tuple[str, ...]) -> dict[str, list[Measurement]]:
        """Without a pattern: as many calls as the service can do."""
        found = {policy: [] for policy in policies}
        seconds = self._seconds
        if pattern is not None:
            seconds = max(seconds, LEAST_CALLS / pattern.rate)
        for repetition in range(self._repetitions):
            load = (["--in-flight", str(SATURATED)] if pattern is None
                    else pattern.flags(seed=repetition + 1))
            for policy in policies:
                found[policy].append(
                    self._bench.load(self._gateway, [*self._flags[policy], *load], seconds))
        return found

    def capacity(self, saturated: dict[str, list[Measurement]], policy: str) -> float:
        return statistics.median(one.throughput for one in saturated[policy])

    def results(self, what: str, found: dict[str, list[Measurement]], reference: str,
                in_flight: int = 0) -> list[Result]:
        return [Result(make_rows(f"{self._name}_{what}_{policy}", in_flight, measurements,
                                 found[reference]), reference)
                for policy, measurements in found.items() if policy != reference]


def all_arrivals() -> list[Arrivals]:
    payload = floats(64)
    delay = Case("arrivals_4ms", SERVICES / "arrivals.yaml", "bench_arrivals", "x", "FP32", (64,),
                 (payload,), (payload,), seconds=2)
    sentiment = Case("arrivals_sentiment", SERVICES / "arrivals_sentiment.yaml",
                     "bench_arrivals_sentiment", "text", "BYTES", (1,),
                     tuple(framed(text.encode()) for text in SENTENCES),
                     tuple(framed(label.encode()) for label in SENTENCES.values()), seconds=4,
                     needs_models=True)
    return [Arrivals(delay.name, delay, shares_of_off=(50, 80, 95), shares=(50, 80, 95),
                     has_bursts=True),
            Arrivals(sentiment.name, sentiment, shares_of_off=(50,), shares=(80,),
                     has_bursts=False)]
