"""How the gateway's own cost grows: with its workers, steps, connections and services, and with the
size of a tensor. Each is served at sizes up to the largest, all else being equal."""

import dataclasses
from collections.abc import Callable

from bench import Bench
from cases import floats
from report import Measurement, Result, make_row
from servers import pss_without_segments

IN_FLIGHT = 8
DOUBLED = (1, 2, 4, 8, 16, 32, 64)

IDENTITY = "{backend: testing, batching: off, options: {behavior: identity}}"


@dataclasses.dataclass(frozen=True)
class Served:
    """What is served at one size, and what is asked of it."""

    services: dict[str, str]  # The service files' texts, by the services' names.
    models: tuple[str, ...]  # Asked in turns.
    payload: bytes = floats(64)  # A request's tensor.
    connections: int = 1


def service(name: str, runner: str, steps: list[str], output: str) -> str:
    lines = [f"service: {name}", "runners:", f"  echo: {runner}", "apis:", "  run:",
             '    input: {x: "fp32[-1]"}', "    steps:", *(f"      {step}" for step in steps),
             f"    output: {{y: {output}}}"]
    return "\n".join(lines) + "\n"


def one_service(name: str, runner: str = IDENTITY, steps: list[str] | None = None,
                output: str = "y", **options) -> Served:
    text = service(name, runner, steps or ["y: echo(x)"], output)
    return Served({name: text}, (f"{name}.run",), **options)


def of_workers(count: int) -> Served:
    return one_service("workers", IDENTITY.replace("batching", f"replicas: {count}, batching"))


def of_deep_steps(count: int) -> Served:
    names = ["x", *(f"s{number}" for number in range(count))]
    return one_service("deep", steps=[f"{after}: echo({before})"
                                      for before, after in zip(names, names[1:])],
                       output=names[-1])


def of_wide_steps(count: int) -> Served:
    if count == 1:
        return one_service("wide")
    names = [f"s{number}" for number in range(count)]
    return one_service("wide", steps=[*(f"{name}: echo(x)" for name in names),
                                      f"y: select({', '.join(names)}, index=0)"])


def of_services(count: int) -> Served:
    names = [f"service{number}" for number in range(count)]
    return Served({name: service(name, IDENTITY, ["y: echo(x)"], "y") for name in names},
                  tuple(f"{name}.run" for name in names))


def of_connections(count: int) -> Served:
    return one_service("connections", connections=count)


def of_tensor(kib: int) -> Served:
    return one_service("tensor", payload=floats(256) * kib)


@dataclasses.dataclass(frozen=True)
class Growth:
    """Beside the same at the smallest size."""

    name: str
    unit: str  # What there is more and more of.
    sizes: tuple[int, ...]
    served: Callable[[int], Served]
    needs_models: bool = False

    def row_name(self, size: int) -> str:
        return f"{self.name}_{size}"

    def measured(self) -> set[tuple[str, int]]:
        """The rows' case and in_flight."""
        return {(self.row_name(size), IN_FLIGHT) for size in self.sizes}

    def costs(self, rows: list[dict]) -> dict[int, float]:
        """The gateway's CPU time for a request, us, by size; of a report's rows."""
        values = {row["case"]: row["value"] for row in rows if row["metric"] == "gateway_cpu"}
        return {size: values[self.row_name(size)] for size in self.sizes
                if self.row_name(size) in values}

    def measure(self, bench: Bench, repetitions: int) -> list[Result]:
        found: dict[int, list[Measurement]] = {size: [] for size in self.sizes}
        memory: dict[int, list[float]] = {size: [] for size in self.sizes}
        for _ in range(repetitions):
            for size in self.sizes:
                measurement, mib = self._measure_once(bench, size)
                found[size].append(measurement)
                memory[size].append(mib)
        return [self._result(size, found, memory) for size in self.sizes]

    def _measure_once(self, bench: Bench, size: int) -> tuple[Measurement, float]:
        """Also the MiB that the gateway held, segments left out."""
        served = self.served(size)
        samples = []
        with bench.gateway_of(self.row_name(size), served.services,
                              ["--grpc-connections", str(served.connections + 1)]) as gateway:
            measurement = bench.load(gateway, [*self._flags(bench, served),
                                               "--cpu-of", str(gateway.pid)], bench.base_seconds,
                                     during=lambda: samples.append(
                                         pss_without_segments(gateway.pid)))
        return measurement, max(samples) / 2**20

    def _flags(self, bench: Bench, served: Served) -> list[str]:
        payload = bench.files(self.name, [served.payload])
        return ["--protocol", "infer", "--payload", *payload, "--expect", *payload,
                "--model", *served.models, "--input", "x", "--datatype", "FP32",
                "--shape", str(len(served.payload) // 4),
                "--connections", str(served.connections), "--in-flight", str(IN_FLIGHT)]

    def _result(self, size: int, found: dict[int, list[Measurement]],
                memory: dict[int, list[float]]) -> Result:
        least = self.sizes[0]
        name = self.row_name(size)
        metrics = {"gateway_cpu": ("us", "cpu_of"), "p50": ("us", "p50"),
                   "throughput": ("1/s", "throughput")}
        rows = [make_row(name, IN_FLIGHT, metric, unit,
                         [getattr(measurement, field) for measurement in found[size]],
                         [getattr(measurement, field) for measurement in found[least]])
                for metric, (unit, field) in metrics.items()]
        rows.append(make_row(name, IN_FLIGHT, "pss", "MiB", memory[size], memory[least]))
        return Result(rows, f"{least} {self.unit}")


def all_growths() -> list[Growth]:
    return [
        Growth("growth_workers", "workers", DOUBLED, of_workers),
        Growth("growth_deep", "steps, one after the other", DOUBLED, of_deep_steps),
        Growth("growth_wide", "steps at a time", DOUBLED, of_wide_steps),
        Growth("growth_services", "services", DOUBLED, of_services),
        Growth("growth_connections", "connections", (1, 10, 100, 1000, 5000), of_connections),
        Growth("growth_tensor", "KiB a tensor", (1, 4, 16, 64, 256, 1024, 4096, 16384), of_tensor),
    ]

