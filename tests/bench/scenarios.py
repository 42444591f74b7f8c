"""What is measured besides cases: how long a start takes, how much memory is held, what more
replicas gain, and calls that arrive in patterns, or too many at a time."""

import dataclasses
import pathlib

from arrivals import Arrivals, all_arrivals
from bench import Bench
from cases import EXAMPLES, SERVICES, Case, all_cases, floats
from elsewhere import Elsewhere, elsewhere
from overload import Overload, all_overloads
from report import Result, make_row, make_rows
from servers import pss_without_segments


@dataclasses.dataclass(frozen=True)
class Start:
    """From starting `tiffin serve` until it serves, workers and all; beside the echo's start."""

    name: str
    service_file: pathlib.Path
    needs_models: bool = False

    def measured(self) -> set[tuple[str, int]]:
        """The rows' case and in_flight: none, for a start."""
        return {(self.name, 0)}

    def measure(self, bench: Bench, repetitions: int) -> list[Result]:
        values, references = [], []
        for _ in range(repetitions):
            with bench.echo() as echo:
                references.append(echo.start_seconds * 1e3)
            with bench.gateway(self.service_file) as gateway:
                values.append(gateway.start_seconds * 1e3)
        row = make_row(self.name, 0, "start", "ms", values, references)
        return [Result([row], "echo")]


@dataclasses.dataclass(frozen=True)
class Memory:
    """The most that the gateway's own process holds while it serves, segments left out; beside
    what the echo holds with the same load."""

    name: str
    case: Case
    in_flight: int
    needs_models: bool = False

    def measured(self) -> set[tuple[str, int]]:
        return {(self.name, self.in_flight)}

    def measure(self, bench: Bench, repetitions: int) -> list[Result]:
        values, references = [], []
        infer_flags = bench.infer_flags(self.case, list(self.case.expect))
        for _ in range(repetitions):
            with bench.echo() as echo:
                references.append(self._most(bench, echo, bench.echo_flags(self.case)))
            with bench.gateway(self.case.service_file) as gateway:
                values.append(self._most(bench, gateway, infer_flags))
        row = make_row(self.name, self.in_flight, "pss", "MiB", values, references)
        return [Result([row], "echo")]

    def _most(self, bench, server, flags) -> float:
        """In MiB."""
        samples = []
        bench.load(server, [*flags, "--in-flight", str(self.in_flight)], bench.seconds(self.case),
                   during=lambda: samples.append(pss_without_segments(server.pid)))
        return max(samples) / 2**20


@dataclasses.dataclass(frozen=True)
class Replicas:
    """A model that waits, in more and more processes; beside one."""

    name: str
    case: Case  # Its model is the service, without a runner.
    counts: tuple[int, ...]
    in_flight: int
    needs_models: bool = False

    def measured(self) -> set[tuple[str, int]]:
        return {(self._row(count), self.in_flight) for count in self.counts}

    def _row(self, count: int) -> str:
        return f"{self.name}_{count}"

    def measure(self, bench: Bench, repetitions: int) -> list[Result]:
        flags = {count: [*bench.infer_flags(
            dataclasses.replace(self.case, model=f"{self.case.model}.of_{count}"),
            list(self.case.expect)), "--in-flight", str(self.in_flight)]
            for count in (1, *self.counts)}
        found = {count: [] for count in flags}
        with bench.gateway(self.case.service_file) as gateway:
            for _ in range(repetitions):
                for count, measurements in found.items():
                    measurements.append(
                        bench.load(gateway, flags[count], bench.seconds(self.case)))
        return [Result(make_rows(self._row(count), self.in_flight, found[count], found[1]),
                       "one replica") for count in self.counts]


@dataclasses.dataclass(frozen=True)
class WakeUps:
    """What a request could not fall below if it cost an echo, and the wake-ups of processes that
    do nothing else; beside the echo."""

    name: str
    case: Case
    needs_models: bool = False

    WAYS = ("call", "fanout")

    def measured(self) -> set[tuple[str, int]]:
        return {(f"{self.name}_{way}", 1) for way in self.WAYS}

    def measure(self, bench: Bench, repetitions: int) -> list[Result]:
        flags = [*bench.echo_flags(self.case), "--in-flight", "1"]
        values, references = {way: [] for way in self.WAYS}, []
        with bench.echo() as echo:
            for _ in range(repetitions):
                references.append(bench.load(echo, flags, bench.seconds(self.case)).p50)
                bare = bench.wake_ups()
                for way, found in values.items():
                    more = bare[way]["p50_us"] - bare["echo"]["p50_us"]
                    found.append(references[-1] + more)
        return [Result([make_row(f"{self.name}_{way}", 1, "p50", "us", found, references)], "echo")
                for way, found in values.items()]


def replicas() -> Replicas:
    payload = floats(64)
    case = Case("replicas", SERVICES / "replicas.yaml", "bench_replicas", "INPUT0", "FP32", (64,),
                (payload,), (payload,))
    return Replicas(case.name, case, counts=(2, 4, 8), in_flight=32)


Scenario = Start | Memory | WakeUps | Replicas | Elsewhere | Arrivals | Overload


def all_scenarios() -> dict[str, Scenario]:
    scenarios = [
        Start("start_identity", SERVICES / "identity.yaml"),
        Start("start_inference_graph_demo", EXAMPLES / "inference_graph_demo/service.yaml",
              needs_models=True),
        Memory("gateway_memory", all_cases()["fanout_16KB"], 32),
        WakeUps("wake_ups", all_cases()["fanout_16KB"]),
        replicas(),
        elsewhere(),
        *all_arrivals(),
        *all_overloads(),
    ]
    return {scenario.name: scenario for scenario in scenarios}
