"""What one request makes the gateway's processor fetch: instructions, and how often they and their
data are not in the first cache, of a `fanout_16KB` and of the echo. Prints Markdown.

    python3 tests/bench/instructions.py [--in-flight N,...] [--seconds S]

Counted by cachegrind, which simulates 32 KiB for instructions and 48 KiB for data, and nothing of
the kernel's; so the figures hardly depend on the machine. Needs `valgrind` (Debian). The workers
are started beside the gateway, for valgrind can't watch a process that spawns others by pidfd.
"""

import argparse
import contextlib
import pathlib
import re
import signal
import sys
import tempfile

from bench import Bench
from budget import RUNNERS
from cases import ROOT, all_cases
from servers import Failure, Server

COUNTS = {"I refs": "instructions", "I1 misses": "not in the first cache",
          "D1 misses": "data not in the first cache"}
CACHEGRIND = ["valgrind", "--tool=cachegrind", "--cachegrind-out-file=/dev/null",
              "--I1=32768,8,64", "--D1=49152,12,64", "--LL=67108864,16,64"]


def counts_of(log: str) -> dict[str, int]:
    """Of cachegrind's summary, when what it watched has ended."""
    found = {}
    for name in COUNTS:
        line = re.search(rf"^==\d+== {name.replace(' ', ' +')}: +([\d,]+)", log, re.MULTILINE)
        if line is None:
            raise Failure(f"valgrind told no '{name}'; it said:\n{log[-2000:]}")
        found[name] = int(line.group(1).replace(",", ""))
    return found


def per_request(short: tuple[int, dict], long: tuple[int, dict]) -> dict[str, float]:
    """From two runs, each its requests and its counts: what start and end take cancels out."""
    requests = long[0] - short[0]
    if requests <= 0:
        raise Failure("the longer run had no more requests than the short one")
    return {name: (long[1][name] - short[1][name]) / requests for name in COUNTS}


def table(rows: dict[tuple[str, int], dict[str, float]]) -> list[str]:
    return ["| Per request | in flight | " + " | ".join(COUNTS.values()) + " |",
            "|---" * (len(COUNTS) + 2) + "|",
            *(f"| {what} | {in_flight} | "
              + " | ".join(f"{counts[name]:,.0f}" for name in COUNTS) + " |"
              for (what, in_flight), counts in rows.items())]


def run(bench: Bench, server: Server, flags: list[str], seconds: float) -> tuple[int, dict]:
    with server:
        requests = bench.load(server, flags, seconds).requests
    return requests, counts_of(server.said())


def measure(bench: Bench, args: argparse.Namespace) -> list[str]:
    case = all_cases()["fanout_16KB"]
    rows = {}
    with contextlib.ExitStack() as stack:
        text = case.service_file.read_text()
        for runner in RUNNERS:
            worker = stack.enter_context(bench.worker(case.service_file, runner, "unix"))
            text = re.sub(rf"^  {runner}: .*$", f'  {runner}: {{endpoints: ["{worker.address}"]}}',
                          text, flags=re.MULTILINE)
        file = bench.write("elsewhere.yaml", text)
        servers = {"echo": (lambda: bench.echo(under=CACHEGRIND), bench.echo_flags(case)),
                   "`fanout_16KB`": (lambda: bench.gateway(file, under=CACHEGRIND),
                                     bench.infer_flags(case, list(case.expect)))}
        for what, (start, flags) in servers.items():
            for in_flight in args.in_flight:
                asked = [*flags, "--in-flight", str(in_flight)]
                rows[what, in_flight] = per_request(
                    *(run(bench, start(), asked, seconds)
                      for seconds in (args.seconds, 3 * args.seconds)))
    return table(rows)


def main() -> int:
    parser = argparse.ArgumentParser(prog="instructions.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--in-flight", default=[1, 32], metavar="N,...",
                        type=lambda text: [int(number) for number in text.split(",")])
    parser.add_argument("--seconds", type=float, default=3.0, metavar="S")
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin")
    args = parser.parse_args()
    args.store = ROOT / "build/models"
    args.transport = "tcp"
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        with tempfile.TemporaryDirectory(prefix="tiffin-bench-") as folder:
            print("\n".join(measure(Bench(args, pathlib.Path(folder)), args)))
    except (Failure, OSError) as failure:
        print(f"instructions: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
