"""Starting, watching and stopping the servers that are measured."""

import contextlib
import os
import pathlib
import re
import subprocess
import time

# A gateway is ready when its slowest worker has loaded its model.
START_SECONDS = 90
STOP_SECONDS = 20


class Failure(Exception):
    """What went wrong, for the user."""


def tail(log: pathlib.Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


def parents() -> dict[int, int]:
    """Process id -> that of its parent."""
    found = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # The name in parentheses may contain anything.
                stat = pathlib.Path(entry.path, "stat").read_text(errors="replace")
                found[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    return found


def family(root: int) -> frozenset[int]:
    """`root` and its descendants."""
    parent_of = parents()
    members = {root}
    while True:
        more = {pid for pid, parent in parent_of.items() if parent in members} - members
        if not more:
            return frozenset(members)
        members |= more


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, in nanoseconds' resolution (/proc has a hundredth)."""
    process_clock = (~pid << 3) | 2  # The kernel's CPUCLOCK_SCHED of any process.
    return time.clock_gettime(process_clock)


def pss_without_segments(pid: int) -> int:
    """Bytes of memory that the process holds, its share of what others hold too; but nothing of the
    tensors' segments, which are memfds."""
    total = 0
    counts = True
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            counts = "/memfd:" not in line
        elif counts and line.startswith("Pss:"):
            total += int(line.split()[1]) * 1024
    return total


class Server:
    """A server of ours with its child processes; stopped when the `with` block is left."""

    def __init__(self, name: str, command: list[str], log: pathlib.Path, says: str = "serving"):
        self.name = name
        self._says = says
        self._command = command
        self._log = log
        self._process = None
        self.address = ""
        self.start_seconds = 0.0  # From spawning it until it said that it serves.

    def __enter__(self) -> "Server":
        with self._log.open("wb") as log:
            # In a session of its own: Ctrl-C reaches the benchmark, which stops it in order.
            started = time.monotonic()
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log,
                                             stderr=log, start_new_session=True)
        try:
            self.address = self._wait_until_serving()
            self.start_seconds = time.monotonic() - started
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait_until_serving(self) -> str:
        give_up = time.monotonic() + START_SECONDS
        while time.monotonic() < give_up:
            said = re.search(rf"{self._says} on (\S+)\n", self.said())
            if said:
                return said.group(1)
            if self._process.poll() is not None:
                raise Failure(f"{self.name} ended with {self._process.returncode} instead of "
                              f"serving; it said:\n{tail(self._log)}")
            time.sleep(0.002)  # Starts are measured.
        raise Failure(f"{self.name} did not serve within {START_SECONDS} s; it said:\n"
                      f"{tail(self._log)}")

    @property
    def pid(self) -> int:
        return self._process.pid

    def processes(self) -> frozenset[int]:
        return family(self._process.pid)

    def _workers(self, runner: str) -> dict[int, dict[str, str]]:
        """Process id -> flags, of the workers that run the runner."""
        workers = {}
        for pid in sorted(self.processes()):
            arguments = pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            flags = dict(zip(arguments, arguments[1:]))
            if flags.get("--runner") == runner:
                workers[pid] = flags
        if not workers:
            raise self.failure(f"it has no worker of the runner '{runner}'")
        return workers

    def worker_pids(self, runner: str) -> list[int]:
        return list(self._workers(runner))

    def worker_threads(self, runner: str) -> list[int]:
        """The threads of each worker that runs the runner."""
        return [int(flags["--threads"]) for flags in self._workers(runner).values()]

    def said(self) -> str:
        return self._log.read_text(errors="replace")

    def failure(self, what: str) -> Failure:
        return Failure(f"{self.name}: {what}; the end of its log:\n{tail(self._log)}")
