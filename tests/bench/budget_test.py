"""The budget of a fan-out request: stages that add up, and counts that go to the right process."""

import pathlib
import subprocess
import sys
import unittest

from budget import counts_by_process, count_table, middle, stage_table, stages
from testing import take_programs

PROGRAMS = take_programs()
BUDGET = pathlib.Path(__file__).resolve().parent / "budget.py"


def step(name: str, start: int, end: int, queue: int = 0, compute: int = 0) -> dict:
    return {"name": name, "start_us": start, "end_us": end, "queue_us": queue, "batch_us": 0,
            "compute_us": compute}


def call(latency: float, left_end: int = 200) -> dict:
    return {"latency_us": latency, "server": {"total_us": 220, "steps": [
        step("features", 15, 90, queue=20, compute=5), step("left", 95, left_end, 10, 30),
        step("right", 95, 190, 40, 10), step("chosen", 200, 205)]}}


class Stages(unittest.TestCase):
    def test_add_up_to_the_latency_whichever_branch_is_later(self):
        for left_end in (200, 150):
            found = stages(call(300, left_end))
            self.assertEqual(sum(found.values()), 300)
            self.assertTrue(all(value >= 0 for value in found.values()), found)
        self.assertEqual(stages(call(300))["the same: executes"], 30)
        self.assertEqual(stages(call(300, left_end=150))["the same: executes"], 10)

    def test_are_of_the_calls_in_the_middle(self):
        calls = [call(latency) for latency in range(400, 300, -1)]
        self.assertEqual([one["latency_us"] for one in middle(calls)], list(range(346, 356)))
        self.assertIn("| all | 350.5 |", stage_table(calls))

    def test_of_one_call_are_its_own(self):
        self.assertIn("| all | 300.0 |", stage_table([call(300)]))


class Counts(unittest.TestCase):
    def test_are_summed_by_process(self):
        perf = ("# started\n\nsome-name-11,30,,context-switches,5,100.00,,\n"
                "name-12,12,,context-switches,5,100.00,,\n"
                "name-13,<not counted>,,context-switches,0,100.00,,\n")
        self.assertEqual(counts_by_process(perf, {11: "one", 12: "one", 13: "other"}),
                         {"one": {"context-switches": 42}, "other": {"context-switches": 0}})

    def test_are_told_a_request(self):
        events = {"context-switches": 30, "raw_syscalls:sys_enter": 50}
        events.update({f"syscalls:sys_enter_{name}": 5 for name in (
            "sendmsg", "recvmsg", "recvmmsg", "read", "write", "epoll_wait", "futex")})
        lines = count_table({"one": events, "two": events}, 10)
        self.assertEqual(lines[2], "| one | 3.00 |" + " 0.50 |" * 7 + " 1.50 |")
        self.assertEqual(lines[4], "| all | 6.00 |" + " 1.00 |" * 7 + " 3.00 |")


def perf_works() -> bool:
    command = ["perf", "stat", "-e", "raw_syscalls:sys_enter", "--", "true"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


class Budget(unittest.TestCase):
    @unittest.skipUnless(perf_works(), "perf is missing, or may not count")
    def test_is_told_of_a_real_gateway(self):
        for transport in ("express", "grpc"):
            done = subprocess.run([sys.executable, "-B", str(BUDGET), "--bin", str(PROGRAMS),
                                   "--seconds", "0.2", "--worker-transport", transport],
                                  capture_output=True, text=True, timeout=100)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            # Of the counts' last line: at least a switch and a message for each hop and back.
            switches, sent, received, at_once, *_ = (
                float(part) for part in done.stdout.splitlines()[-1].split("|")[2:-1])
            self.assertTrue(4 <= switches <= 200 and 4 <= sent <= 200 and
                            received + at_once >= 4, done.stdout)


if __name__ == "__main__":
    unittest.main()
