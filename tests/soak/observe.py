"""What a server holds, and how its workers come back."""

import dataclasses
import pathlib
import threading
import time

import harness
import prometheus_text
from servers import pss_without_segments

MIB = 1 << 20
SAMPLE_S = 0.5
IDLE = ("tiffin_requests_in_flight", "tiffin_runner_calls_waiting",
        "tiffin_replica_calls_in_flight", "tiffin_replica_calls_queued", "tiffin_worker_leases",
        "tiffin_worker_leased_bytes", "tiffin_gateway_tensor_bytes")
SEGMENTS = ("tiffin_gateway_segment_bytes", "tiffin_worker_segment_bytes")
# Segments are dropped after 10 s without a tensor.
QUIET_S = 60


@dataclasses.dataclass(frozen=True)
class Held:
    """By one process."""

    memory: int  # PSS without segments, bytes.
    descriptors: int
    threads: int

    @staticmethod
    def of(pid):
        return Held(pss_without_segments(pid), harness.open_descriptors(pid),
                    len(list(pathlib.Path(f"/proc/{pid}/task").iterdir())))

    def most(self, other):
        return Held(*map(max, dataclasses.astuple(self), dataclasses.astuple(other)))


def name_of(worker):
    service = pathlib.Path(worker.option("--service")).parent.name
    return f"{service}.{worker.option('--runner')}"


def family(server):
    """Process name -> process id: the gateway's and its workers'."""
    return {"gateway": server.pid, **{name_of(worker): worker.pid for worker in server.workers()}}


def descendants(server):
    """How many processes the gateway has started, those too that nobody has reaped."""
    return len(harness.child_states(server.pid))


def settle(server, segments):
    """Waits until no call is under way anywhere and, if `segments`, none is left of these: process
    name -> Held."""
    counts = (*IDLE, *SEGMENTS) if segments else IDLE

    def is_idle():
        scrape = prometheus_text.Scrape(server)
        return all(scrape.value(name) == 0 for name in counts)

    try:
        harness.eventually(is_idle, QUIET_S, "an idle server")
    except AssertionError:
        scrape = prometheus_text.Scrape(server)
        left = {name: scrape.value(name) for name in counts if scrape.value(name)}
        raise AssertionError(f"{QUIET_S} s after the last call there is still {left}") from None
    return {name: Held.of(pid) for name, pid in family(server).items()}


class Background:
    """A thread that runs as long as the `with` block."""

    def __init__(self, server):
        self._server = server
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()

    def _run(self):
        raise NotImplementedError


class Sampler(Background):
    """The most that each process held meanwhile."""

    def __init__(self, server):
        super().__init__(server)
        self.most = {}
        self.segments = 0
        self.processes = 0

    def _run(self):
        while not self._end.wait(SAMPLE_S):
            for name, pid in family(self._server).items():
                try:
                    held = Held.of(pid)
                except (OSError, ValueError):
                    continue  # It was killed meanwhile.
                self.most[name] = held.most(self.most.get(name, held))
            scrape = prometheus_text.Scrape(self._server)
            self.segments = max(self.segments, sum(scrape.value(name) for name in SEGMENTS))
            self.processes = max(self.processes, 1 + descendants(self._server))


class Killer(Background):
    """Kills workers by chance, one after the other: the next not before the last has come back."""

    def __init__(self, server, rng, every_s):
        super().__init__(server)
        self._rng = rng
        self._every = every_s
        self.recoveries = {}  # Process name -> seconds until it was ready again.
        self.fault = ""

    def _run(self):
        try:
            while not self._end.wait(self._rng.uniform(0.5, 1.5) * self._every):
                self._kill_one(self._rng.choice(sorted(self._server.workers(), key=name_of)))
        except AssertionError as error:
            self.fault = str(error)

    def _kill_one(self, worker):
        name = name_of(worker)
        service, runner = name.split(".")
        labels = {"service": service, "runner": runner}

        def state():
            scrape = prometheus_text.Scrape(self._server)
            return (scrape.value("tiffin_worker_restarts_total", **labels),
                    scrape.value("tiffin_replica_ready", **labels))

        before, _ = state()
        killed = time.monotonic()
        worker.kill()
        harness.eventually(lambda: state() == (before + 1, 1), harness.START_S,
                           f"the return of {name}, which was killed,")
        self.recoveries.setdefault(name, []).append(time.monotonic() - killed)
