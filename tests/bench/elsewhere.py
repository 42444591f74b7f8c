"""What it costs that nothing is shared: a worker on TCP, beside one on a Unix socket."""

import dataclasses

from bench import Bench
from cases import SERVICES, Case, floats
from report import Result, make_row

GATEWAY = """
service: bench_elsewhere
runners:
  unix: {{endpoints: ["{unix}"]}}
  tcp: {{endpoints: ["{tcp}"]}}
"""
METRICS = {"p50": "us", "throughput": "1/s"}


@dataclasses.dataclass(frozen=True)
class Elsewhere:
    """An identity of tensors of growing size, whose worker is on TCP; beside the same worker on a
    Unix socket, with which memory is shared."""

    name: str
    sizes: dict[str, int]  # By what rows call them; in bytes.
    in_flight: int
    needs_models: bool = False

    def measured(self) -> set[tuple[str, int]]:
        return {(f"{self.name}_{size}", self.in_flight) for size in self.sizes}

    def _flags(self, bench: Bench, size: str, runner: str) -> list[str]:
        payload = floats(self.sizes[size] // 4)
        case = Case(f"{self.name}_{size}_{runner}", SERVICES / "elsewhere.yaml",
                    f"bench_elsewhere.{runner}", "INPUT0", "FP32", (1, len(payload) // 4),
                    (payload,), (payload,))
        return [*bench.infer_flags(case, list(case.expect)), "--in-flight", str(self.in_flight)]

    def measure(self, bench: Bench, repetitions: int) -> list[Result]:
        results = []
        with (bench.worker(SERVICES / "elsewhere.yaml", "unix", "unix") as unix,
              bench.worker(SERVICES / "elsewhere.yaml", "tcp", "tcp") as tcp):
            file = bench.write("elsewhere.yaml", GATEWAY.format(unix=unix.address, tcp=tcp.address))
            with bench.gateway(file) as gateway:
                for size in self.sizes:
                    flags = {runner: self._flags(bench, size, runner) for runner in ("unix", "tcp")}
                    found = {runner: [] for runner in flags}
                    for _ in range(repetitions):
                        for runner, measurements in found.items():
                            measurements.append(
                                bench.load(gateway, flags[runner], bench.base_seconds))
                    results.append(Result(
                        [make_row(f"{self.name}_{size}", self.in_flight, metric, unit,
                                  [getattr(one, metric) for one in found["tcp"]],
                                  [getattr(one, metric) for one in found["unix"]])
                         for metric, unit in METRICS.items()], "a Unix socket"))
        return results


def elsewhere() -> Elsewhere:
    return Elsewhere("tcp", {"256B": 256, "16KB": 16 << 10, "600KB": 600 << 10, "16MB": 16 << 20},
                     in_flight=1)
