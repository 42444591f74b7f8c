"""Where the time of one fan-out request goes, with one in flight: microseconds a stage that add up
to the whole, and system calls and context switches a process. Prints Markdown.

    python3 tests/bench/budget.py [--worker-transport grpc] [--seconds S]

Needs `perf` (Debian: linux-perf) with the right to count other processes' system calls.
"""

import argparse
import json
import pathlib
import signal
import statistics
import sys
import tempfile

from bench import Bench
from cases import ROOT, all_cases
from report import Measurement
from servers import Failure, Server

RUNNERS = ("pre", "a", "b")
# What the median is taken for: the calls in the middle, whose mean is told.
MIDDLE = (0.45, 0.55)
SYSCALLS = ("sendmsg", "recvmsg", "recvmmsg", "read", "write", "epoll_wait", "futex")
OTHER = "other calls"
SWITCHES = "context switches"
ALL_SYSCALLS = "raw_syscalls:sys_enter"


def stages(call: dict) -> dict[str, float]:
    """The stages of a request to services/fanout.yaml; their sum is its latency."""
    steps = {step["name"]: step for step in call["server"]["steps"]}
    pre = steps["features"]
    last = max((steps["left"], steps["right"]), key=lambda step: step["end_us"])
    total = call["server"]["total_us"]

    def way(step: dict) -> float:
        inside = step["queue_us"] + step["batch_us"] + step["compute_us"]
        return step["end_us"] - step["start_us"] - inside

    return {
        "client, its connection, and gRPC at both ends of it": call["latency_us"] - total,
        "gateway: decodes, copies the tensor, plans": pre["start_us"],
        "`pre`: frames there and back": way(pre),
        "`pre`: waits for its model's thread": pre["queue_us"] + pre["batch_us"],
        "`pre`: executes": pre["compute_us"],
        "gateway: from `pre`'s result to the next step": last["start_us"] - pre["end_us"],
        "`a` and `b`, the later one: frames there and back": way(last),
        "the same: waits for its model's thread": last["queue_us"] + last["batch_us"],
        "the same: executes": last["compute_us"],
        "gateway: the function, the reply": total - last["end_us"],
    }


def middle(calls: list[dict]) -> list[dict]:
    ordered = sorted(calls, key=lambda call: call["latency_us"])
    first, end = (round(share * len(ordered)) for share in MIDDLE)
    return ordered[first:max(end, first + 1)]


def stage_table(calls: list[dict]) -> list[str]:
    found = [stages(call) for call in middle(calls)]
    means = {name: statistics.mean(stage[name] for stage in found) for name in found[0]}
    return ["| Stage | us |", "|---|---|",
            *(f"| {name} | {mean:.1f} |" for name, mean in means.items()),
            f"| all | {sum(means.values()):.1f} |"]


def counts_by_process(perf: str, process_of: dict[int, str]) -> dict[str, dict[str, int]]:
    """Process -> event -> count, of what `perf stat --per-thread -x,` printed."""
    counts: dict[str, dict[str, int]] = {}
    for line in perf.splitlines():
        fields = line.split(",")
        thread = fields[0].rpartition("-")[2]
        if len(fields) < 4 or not thread.isdigit():
            continue
        events = counts.setdefault(process_of[int(thread)], {})
        count = int(fields[1]) if fields[1].isdigit() else 0  # Not counted: it never ran.
        events[fields[3]] = events.get(fields[3], 0) + count
    return counts


def count_table(counts: dict[str, dict[str, int]], requests: int) -> list[str]:
    columns = [SWITCHES, *SYSCALLS, OTHER]
    lines = ["| Per request | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    sums = [0.0] * len(columns)
    for process, events in counts.items():
        named = [events[f"syscalls:sys_enter_{name}"] for name in SYSCALLS]
        row = [count / requests for count in (events["context-switches"], *named,
                                              events[ALL_SYSCALLS] - sum(named))]
        sums = [one + other for one, other in zip(sums, row, strict=True)]
        lines.append(f"| {process} | " + " | ".join(f"{value:.2f}" for value in row) + " |")
    return [*lines, "| all | " + " | ".join(f"{value:.2f}" for value in sums) + " |"]


def name_threads(gateway: Server) -> dict[int, str]:
    """Thread -> what its process is."""
    names = {gateway.worker_pids(runner)[0]: f"`{runner}`" for runner in RUNNERS}
    names = {gateway.pid: "gateway", **names}
    return {int(thread.name): name for pid, name in names.items()
            for thread in pathlib.Path(f"/proc/{pid}/task").iterdir()}


def perf_command(process_of: dict[int, str], output: pathlib.Path) -> list[str]:
    """Counts while the command behind it runs."""
    events = ["context-switches", ALL_SYSCALLS,
              *(f"syscalls:sys_enter_{name}" for name in SYSCALLS)]
    return ["perf", "stat", "--per-thread", "-x,", "-o", str(output), "-e", ",".join(events),
            "-t", ",".join(map(str, process_of)), "--"]


def line_of(what: str, measurement: Measurement) -> str:
    return f"{what}: p50 {measurement.p50:.1f} us, {measurement.cpu:.1f} us of CPU a request"


def measure(bench: Bench, args: argparse.Namespace, folder: pathlib.Path) -> list[str]:
    case = all_cases()["fanout_16KB"]
    flags = [*bench.infer_flags(case, list(case.expect)), "--in-flight", "1"]
    timings, counts = folder / "timings", folder / "counts"
    with bench.echo() as echo, \
            bench.gateway(case.service_file, args.worker_transport) as gateway:
        echoed = bench.load(echo, [*bench.echo_flags(case), "--in-flight", "1"], args.seconds)
        served = bench.load(gateway, flags, args.seconds)
        timed = bench.load(gateway, [*flags, "--timings", str(timings)], args.seconds)
        process_of = name_threads(gateway)
        counted = bench.load(gateway, flags, args.seconds,
                             prefix=perf_command(process_of, counts))
    calls = [json.loads(line) for line in timings.read_text().splitlines()]
    return [line_of("echo of 16 KB", echoed), line_of("fanout_16KB", served),
            line_of("fanout_16KB that asks for its timeline", timed), "", *stage_table(calls), "",
            *count_table(counts_by_process(counts.read_text(), process_of), counted.requests)]


def main() -> int:
    parser = argparse.ArgumentParser(prog="budget.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worker-transport", choices=("express", "grpc"), default="express")
    parser.add_argument("--seconds", type=float, default=5.0, metavar="S")
    parser.add_argument("--transport", choices=("tcp", "unix"), default="tcp")
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin")
    args = parser.parse_args()
    args.store = ROOT / "build/models"
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        with tempfile.TemporaryDirectory(prefix="tiffin-bench-") as folder:
            folder = pathlib.Path(folder)
            print("\n".join(measure(Bench(args, folder), args, folder)))
    except (Failure, OSError) as failure:
        print(f"budget: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
