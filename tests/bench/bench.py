"""Runs the programs that serve and measure."""

import json
import pathlib
import subprocess
import time
from collections.abc import Callable, Sequence

from cases import LARGE_BYTES, Case, Extra, floats, framed
from report import Measurement
from servers import Failure, Server, cpu_seconds

# Beyond what a client gives itself.
CLIENT_SECONDS = 60


class Bench:
    """The programs, a folder for their files, and how long to measure."""

    def __init__(self, args, folder: pathlib.Path):
        self._args = args
        self._folder = folder
        self._bin = args.bin.resolve()

    def files(self, name: str, contents: list[bytes]) -> list[str]:
        paths = [self._folder / f"{name}.{number}" for number in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        return [str(path) for path in paths]

    def _address(self, name: str) -> str:
        if self._args.transport == "unix":
            return f"unix:{self._folder}/{name}.sock"
        return "127.0.0.1:0"

    def _durations(self, seconds: float) -> list[str]:
        return ["--seconds", str(seconds), "--warm-up", str(seconds / 5)]

    def _run(self, command: list[str], seconds: float,
             during: Callable[[], None] | None = None) -> subprocess.CompletedProcess:
        """`during` is called from time to time while the command runs, at least once."""
        give_up = time.monotonic() + 2 * seconds + CLIENT_SECONDS
        pause = None if during is None else seconds / 10
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as process:
            try:
                while True:
                    left = give_up - time.monotonic()
                    try:
                        out, err = process.communicate(
                            timeout=left if pause is None else min(pause, left))
                        return subprocess.CompletedProcess(command, process.returncode, out, err)
                    except subprocess.TimeoutExpired:
                        if during is None or time.monotonic() > give_up:
                            raise
                        during()
            except BaseException:
                process.kill()
                raise

    @property
    def base_seconds(self) -> float:
        return self._args.seconds

    def seconds(self, case: Case) -> float:
        return self.base_seconds * case.seconds

    def echo(self, under: Sequence[str] = ()) -> Server:
        """`under`: a command that runs it."""
        return Server("the echo server",
                      [*under, str(self._bin / "bench-echo-server"), "--address",
                       self._address("echo")],
                      self._folder / "echo.log")

    def gateway(self, service_file: pathlib.Path, worker_transport: str = "express",
                loops: int = 1, under: Sequence[str] = ()) -> Server:
        """`under`: a command that runs it."""
        name = f"{service_file.parent.name}_{service_file.stem}_{worker_transport}_{loops}"
        flags = ["--worker-transport", worker_transport, *(["--loops", str(loops)] * (loops > 1))]
        return self._serve(name, [str(service_file), *flags], under)

    def gateway_of(self, name: str, services: dict[str, str], flags: list[str]) -> Server:
        """`services`: the texts of service files, by the services' names."""
        files = [str(self.write(f"{service}.yaml", text)) for service, text in services.items()]
        return self._serve(name, [*files, *flags])

    def _serve(self, name: str, arguments: list[str], under: Sequence[str] = ()) -> Server:
        return Server(f"tiffin serve {' '.join(arguments)}",
                      [*under, str(self._bin / "tiffin"), "serve", *arguments,
                       "--store", str(self._args.store), "--grpc-address", self._address(name),
                       "--runtime-dir", str(self._folder / "run")],
                      self._folder / f"{name}.log")

    def worker(self, service_file: pathlib.Path, runner: str, transport: str) -> Server:
        """One that no gateway starts, on "unix" or "tcp"."""
        name = f"{runner}_{transport}"
        address = f"unix:{self._folder}/{name}.sock" if transport == "unix" else "127.0.0.1:0"
        return Server(f"tiffin-worker-testing on {address}",
                      [str(self._bin / "tiffin-worker-testing"), "--service", str(service_file),
                       "--runner", runner, "--listen", address],
                      self._folder / f"{name}.log", says="listening")

    def write(self, name: str, text: str) -> pathlib.Path:
        path = self._folder / name
        path.write_text(text)
        return path

    def payload_flags(self, case: Case) -> list[str]:
        return ["--payload", *self.files(f"{case.name}.payload", case.payload_bytes())]

    def connection_flags(self, case: Case) -> list[str]:
        return ["--connections", str(case.loops)] if case.loops > 1 else []

    def echo_flags(self, case: Case) -> list[str]:
        payloads = self.payload_flags(case)
        return ["--protocol", "echo", *payloads, "--expect", *payloads[1:],
                *self.connection_flags(case)]

    def infer_flags(self, case: Case, expect: list[bytes]) -> list[str]:
        """`expect`: the replies to the payloads; empty: what the first ones are."""
        flags = ["--protocol", "infer", *self.payload_flags(case), "--model", case.model,
                 "--input", case.input_name, "--datatype", case.datatype,
                 "--shape", ",".join(map(str, case.shape)), *self.connection_flags(case)]
        if case.output:
            flags += ["--output", case.output]
        if expect:
            flags += ["--expect", *self.files(f"{case.name}.expect", expect)]
        return flags

    def load(self, server: Server, flags: list[str], seconds: float,
             during: Callable[[], None] | None = None,
             prefix: list[str] | None = None) -> Measurement:
        """Puts calls on the server. `during` is called meanwhile, several times; `prefix` is a
        command that runs the client."""
        processes = server.processes()
        before = {pid: cpu_seconds(pid) for pid in processes}
        client = self._run([*(prefix or []), str(self._bin / "bench-load-generator"),
                            "--address", server.address, *flags, *self._durations(seconds)],
                           seconds, during)
        if client.returncode != 0:
            raise server.failure(f"the client failed: {client.stderr.strip()}")
        if server.processes() != processes:
            raise server.failure("a process of it ended or started while it was measured")
        used = sum(cpu_seconds(pid) - before[pid] for pid in processes)
        result = json.loads(client.stdout)
        return to_measurement({**result, "cpu_us": used * 1e6 / result["total_requests"]})

    def phases(self, server: Server, flags: list[str], deadline_ms: int,
               phases: list[tuple[float, float]]) -> list[dict]:
        """Calls at rates for seconds, one after the other, which may be refused: what became of
        those of each phase."""
        client = self._run(
            [str(self._bin / "bench-load-generator"), "--address", server.address, *flags,
             "--deadline-ms", str(deadline_ms),
             "--phases", *(f"{rate:.3f}:{seconds:g}" for rate, seconds in phases)],
            sum(seconds for _, seconds in phases))
        if client.returncode != 0:
            raise server.failure(f"the client failed: {client.stderr.strip()}")
        return json.loads(client.stdout)["phases"]

    def wake_ups(self) -> dict[str, dict]:
        """What bare processes that wake each other take, for each way of a request."""
        done = self._run([str(self._bin / "bench-wake-ups"),
                          *self._durations(self._args.seconds)], 3 * self._args.seconds)
        if done.returncode != 0:
            raise Failure(f"bench-wake-ups failed: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def _in_process(self, flags: list[str], seconds: float) -> dict:
        done = self._run([str(self._bin / "bench-in-process"), *flags, *self._durations(seconds)],
                         seconds)
        if done.returncode != 0:
            raise Failure(f"bench-in-process failed: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def in_process(self, case: Case, threads: int, engine_threads: int, batch: int,
                   seconds: float) -> tuple[Measurement, list[bytes]]:
        """The case's engine calls in a process of their own; also the answers, as replies."""
        result = self._in_process(
            ["--graph", case.in_process.graph, "--service", str(case.service_file),
             "--store", str(self._args.store), *self.payload_flags(case),
             "--threads", str(threads), "--engine-threads", str(engine_threads),
             "--batch", str(batch)], seconds)
        return to_measurement(result), [framed(answer.encode()) for answer in result["answers"]]

    def pass_over(self, extra: Extra, graph: str) -> Measurement:
        """Over the large tensor, once, in a process of its own."""
        payload = self.files("large", [floats(LARGE_BYTES // 4)])
        return to_measurement(self._in_process(
            ["--graph", graph, "--service", str(extra.service_file), "--payload", *payload],
            self._args.seconds))


def to_measurement(result: dict) -> Measurement:
    """Of what a program printed."""
    return Measurement(result["p50_us"], result["p99_us"], result["throughput"], result["cpu_us"],
                       result["total_requests"], result.get("cpu_of_us"))
