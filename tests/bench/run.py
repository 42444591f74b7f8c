"""Measures the gateway beside references. `scripts/bench` builds and calls this.

A case's reference is a bare gRPC echo, which gets as many bytes as the case's tensor has, or, where
models do most of the work, the same engine calls in one process. For each case and each number of
requests in flight, the reference and the gateway take turns, so that what else the machine does
hits both; so do the cases of one group.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import platform
import signal
import subprocess
import sys
import tempfile
import time

from bench import Bench
from cases import ROOT, Case, all_cases
from groups import Group
from growth import all_growths
from markdown import growth_table
from marks import MARKS
from report import TABLE_HEAD, Result, table_line
from scenarios import Scenario, all_scenarios
from servers import Failure

def make_models(args: argparse.Namespace) -> None:
    subprocess.run([str(ROOT / "scripts/make_models"), "--store", str(args.store),
                    "--tiffin", str(args.bin / "tiffin")], check=True)


def measure_all(args: argparse.Namespace, cases: list[Case],
                scenarios: list[Scenario]) -> list[dict]:
    rows = []
    started = time.monotonic()

    def add(result: Result) -> None:
        rows.extend(result.rows)
        print(f"{table_line(result.rows)}  {time.monotonic() - started:4.0f} s  {result.reference}",
              flush=True)

    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.group, []).append(case)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tiffin-bench-"))
        bench = Bench(args, pathlib.Path(folder))
        print(TABLE_HEAD, flush=True)
        for scenario in scenarios:
            for result in scenario.measure(bench, args.repetitions):
                add(result)
        echo = stack.enter_context(bench.echo())
        for members in groups.values():
            group = Group(bench, members, args.repetitions, echo)
            with contextlib.ExitStack() as gateways:
                group.serve(gateways)
                for in_flight in group.in_flight():
                    for result in group.measure(in_flight):
                        add(result)
    return rows


def write_json(path: pathlib.Path, rows: list[dict]) -> None:
    text = "[\n" + ",\n".join("  " + json.dumps(row) for row in rows) + "\n]\n"
    path.write_text(text)


def split(text: str) -> list[str]:
    return [part for part in text.replace(",", " ").split() if part]


def parse_args() -> tuple[argparse.Namespace, list[Case], list[Scenario]]:
    known = {**all_cases(), **all_scenarios()}
    growths = [growth.name for growth in all_growths()]
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measures the gateway beside a bare gRPC echo, or beside the same engine calls "
                    "in one process, by turns: medians over the repetitions; the spread is "
                    "(largest - smallest) / median.")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the rows there")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--cases", type=split, metavar="NAME,...",
                      default=[name for name in known if name not in growths],
                      help=f"default: all but growth_*; of {', '.join(known)}")
    what.add_argument("--growth", dest="cases", action="store_const", const=growths,
                      help="how the gateway's cost grows: all of growth_*")
    parser.add_argument("--in-flight", type=lambda text: [int(part) for part in split(text)],
                        metavar="N,...", help="default: 1,8,32, and 1,4 for sentiment_analysis")
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
    in_flight = args.in_flight
    least = 1 if in_flight is None else min(in_flight, default=0)
    if args.repetitions < 1 or args.seconds <= 0 or least < 1:
        parser.error("--repetitions, --seconds and --in-flight must be positive")
    # In their own order, each once.
    chosen = [case for name, case in known.items() if name in args.cases]
    cases = [case for case in chosen if isinstance(case, Case)]
    if in_flight is not None:
        cases = [dataclasses.replace(case, in_flight=tuple(sorted(set(in_flight))))
                 for case in cases]
    return args, cases, [scenario for scenario in chosen if not isinstance(scenario, Case)]


def stop(number: int, _) -> None:
    sys.exit(128 + number)  # By way of every `with` block.


def main() -> int:
    args, cases, scenarios = parse_args()
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, stop)
    print(f"{os.cpu_count()} cores, Linux {platform.release()}; {args.repetitions} repetitions of "
          f"{args.seconds:g} s over {args.transport}. Ratios are to what the end of a line names: "
          "a bare gRPC echo of the same payload, or the same engine calls in one process (threads "
          "x each engine's threads, batch size). ± is (largest - smallest) / median", flush=True)
    try:
        if any(case.needs_models for case in [*cases, *scenarios]):
            make_models(args)
        rows = measure_all(args, cases, scenarios)
    except (Failure, OSError, subprocess.SubprocessError) as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    if args.json:
        write_json(args.json, rows)
    if args.quick:
        print("quick: too short to judge the marks")
    else:
        judged = [mark.judge(rows) for mark in MARKS if mark.find(rows) is not None]
        print("\n".join([*judged, f"{len(MARKS) - len(judged)} marks not measured",
                         *growth_table(rows)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
