"""Measures the gateway beside a bare gRPC echo. `scripts/bench` builds and calls this.

For each case and each number of requests in flight, the echo and the gateway take turns, so that
what else the machine does hits both. The echo gets as many bytes as the case's tensor has.
"""

import argparse
import contextlib
import json
import os
import pathlib
import platform
import signal
import subprocess
import sys
import tempfile
import time

from cases import IN_FLIGHT, ROOT, Case, all_cases
from report import MARKS, TABLE_HEAD, Measurement, make_rows, table_line
from servers import Failure, Server, cpu_seconds

# Beyond what the load generator gives itself.
CLIENT_SECONDS = 60


class Bench:
    """The programs, a folder for their files, and how long to measure."""

    def __init__(self, args: argparse.Namespace, folder: pathlib.Path):
        self._args = args
        self._folder = folder
        self._bin = args.bin.resolve()

    def _file(self, name: str, content: bytes) -> str:
        path = self._folder / name
        path.write_bytes(content)
        return str(path)

    def _address(self, name: str) -> str:
        if self._args.transport == "unix":
            return f"unix:{self._folder}/{name}.sock"
        return "127.0.0.1:0"

    def echo(self) -> Server:
        return Server("the echo server",
                      [str(self._bin / "bench-echo-server"), "--address", self._address("echo")],
                      self._folder / "echo.log")

    def gateway(self, service_file: pathlib.Path, worker_transport: str) -> Server:
        name = f"{service_file.parent.name}_{service_file.stem}_{worker_transport}"
        return Server(f"tiffin serve {service_file} --worker-transport {worker_transport}",
                      [str(self._bin / "tiffin"), "serve", str(service_file),
                       "--worker-transport", worker_transport,
                       "--store", str(self._args.store), "--grpc-address", self._address(name),
                       "--runtime-dir", str(self._folder / "run")],
                      self._folder / f"{name}.log")

    def client_flags(self, case: Case) -> tuple[list[str], list[str]]:
        """For the echo, for the gateway."""
        payload = self._file(f"{case.name}.payload", case.payload)
        echo = ["--protocol", "echo", "--payload", payload, "--expect", payload]
        infer = ["--protocol", "infer", "--payload", payload, "--model", case.model,
                 "--input", case.input_name, "--datatype", case.datatype,
                 "--shape", ",".join(map(str, case.shape))]
        if case.expect is not None:
            infer += ["--expect", self._file(f"{case.name}.expect", case.expect)]
        return echo, infer

    def measure(self, server: Server, flags: list[str], in_flight: int) -> Measurement:
        processes = server.processes()
        before = {pid: cpu_seconds(pid) for pid in processes}
        client = subprocess.run(
            [str(self._bin / "bench-load-generator"), "--address", server.address, *flags,
             "--in-flight", str(in_flight), "--seconds", str(self._args.seconds),
             "--warm-up", str(self._args.seconds / 5)],
            capture_output=True, text=True, timeout=self._args.seconds * 2 + CLIENT_SECONDS)
        if client.returncode != 0:
            raise server.failure(f"the client failed: {client.stderr.strip()}")
        if server.processes() != processes:
            raise server.failure("a process of it ended or started while it was measured")
        used = sum(cpu_seconds(pid) - before[pid] for pid in processes)
        result = json.loads(client.stdout)
        return Measurement(result["p50_us"], result["p99_us"], result["throughput"],
                           used * 1e6 / result["total_requests"])

    def compare(self, case: Case, in_flight: int, echo: Server, gateway: Server) -> list[dict]:
        echo_flags, infer_flags = self.client_flags(case)
        echoed, served = [], []
        for _ in range(self._args.repetitions):
            echoed.append(self.measure(echo, echo_flags, in_flight))
            served.append(self.measure(gateway, infer_flags, in_flight))
        return make_rows(case.name, in_flight, served, echoed)


def make_models(args: argparse.Namespace) -> None:
    subprocess.run([str(ROOT / "scripts/make_models"), "--store", str(args.store),
                    "--tiffin", str(args.bin / "tiffin")], check=True)


def measure_all(args: argparse.Namespace, cases: list[Case]) -> list[dict]:
    rows = []
    started = time.monotonic()
    # One service at a time; the echo stays.
    by_server: dict[tuple[pathlib.Path, str], list[Case]] = {}
    for case in cases:
        by_server.setdefault((case.service_file, case.worker_transport), []).append(case)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tiffin-bench-"))
        bench = Bench(args, pathlib.Path(folder))
        echo = stack.enter_context(bench.echo())
        print(TABLE_HEAD, flush=True)
        for (service_file, worker_transport), server_cases in by_server.items():
            with bench.gateway(service_file, worker_transport) as gateway:
                for case in server_cases:
                    for in_flight in args.in_flight:
                        rows += bench.compare(case, in_flight, echo, gateway)
                        print(f"{table_line(rows[-4:])}   {time.monotonic() - started:4.0f} s",
                              flush=True)
    return rows


def write_json(path: pathlib.Path, rows: list[dict]) -> None:
    text = "[\n" + ",\n".join("  " + json.dumps(row) for row in rows) + "\n]\n"
    path.write_text(text)


def split(text: str) -> list[str]:
    return [part for part in text.replace(",", " ").split() if part]


def parse_args() -> tuple[argparse.Namespace, list[Case]]:
    known = all_cases()
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measures the gateway beside a bare gRPC echo, by turns: medians over the "
                    "repetitions; the spread is (largest - smallest) / median.")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the rows there")
    parser.add_argument("--cases", type=split, default=list(known), metavar="NAME,...",
                        help=f"of {', '.join(known)}")
    parser.add_argument("--in-flight", type=lambda text: [int(part) for part in split(text)],
                        default=list(IN_FLIGHT), metavar="N,...", help="default: 1,8,32")
    parser.add_argument("--repetitions", type=int, metavar="N", help="default: 5; quick: 2")
    parser.add_argument("--seconds", type=float, metavar="S",
                        help="of one measurement; default: 1; quick: 0.2")
    parser.add_argument("--quick", action="store_true",
                        help="to see that it works; not for figures")
    parser.add_argument("--transport", choices=("tcp", "unix"), default="tcp",
                        help="between the client and the server; default: tcp on the loopback")
    parser.add_argument("--bin", type=pathlib.Path, metavar="DIR",
                        default=ROOT / "build/release/bin",
                        help="measure these programs, and build none")
    parser.add_argument("--store", type=pathlib.Path, metavar="DIR", default=ROOT / "build/models",
                        help="the models; default: build/models")
    args = parser.parse_args()
    args.repetitions = args.repetitions or (2 if args.quick else 5)
    args.seconds = args.seconds or (0.2 if args.quick else 1.0)
    for name in args.cases:
        if name not in known:
            parser.error(f"no case '{name}'; there are {', '.join(known)}")
    if args.repetitions < 1 or args.seconds <= 0 or min(args.in_flight, default=0) < 1:
        parser.error("--repetitions, --seconds and --in-flight must be positive")
    # In their own order, each once.
    args.in_flight = sorted(set(args.in_flight))
    return args, [case for name, case in known.items() if name in args.cases]


def stop(number: int, _) -> None:
    sys.exit(128 + number)  # By way of every `with` block.


def main() -> int:
    args, cases = parse_args()
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, stop)
    print(f"{os.cpu_count()} cores, Linux {platform.release()}; {args.repetitions} repetitions of "
          f"{args.seconds:g} s; the ratio is to a bare gRPC echo of the same payload over "
          f"{args.transport}, ± is (largest - smallest) / median", flush=True)
    try:
        if any(case.needs_models for case in cases):
            make_models(args)
        rows = measure_all(args, cases)
    except (Failure, OSError, subprocess.SubprocessError) as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    if args.json:
        write_json(args.json, rows)
    if args.quick:
        print("quick: too short to judge the marks")
    else:
        print("\n".join(mark.judge(rows) for mark in MARKS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
