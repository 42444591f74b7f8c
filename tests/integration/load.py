"""Clients that keep a server busy while something is done to it, and look at every reply.

Each request has contents of its own, which no other request ever had, so that a reply made of
another one's data, or of memory that was used again, is seen at once.
"""

import collections
import contextlib
import itertools
import os
import pathlib
import random
import re
import threading
import time

import grpc
import numpy as np
from tritonclient.grpc import service_pb2_grpc

import harness
from harness import END_S, eventually
from prometheus_text import Scrape

OK = "OK"
# From the deadline of a request until its client has to know, on a machine with other things to do.
SLACK_S = 3 * harness.SLOWNESS

# As a descriptor: where a worker lists the calls that it executes.
PAGE = "/memfd:executing-calls (deleted)"

# Levels that are zero when nothing is under way.
LEVELS = ["tiffin_requests_in_flight", "tiffin_runner_calls_waiting",
          "tiffin_replica_calls_in_flight", "tiffin_replica_calls_queued", "tiffin_worker_leases",
          "tiffin_worker_leased_bytes", "tiffin_gateway_tensor_bytes"]

_ids = itertools.count(1)


def unique(sizes):
    """An array of int64, none of which was ever in another one, of one of the sizes in turn."""
    number = next(_ids)
    first = number << 24
    return np.arange(first, first + sizes[number % len(sizes)], dtype=np.int64)


def some_random():
    seed = int(os.environ.get("TIFFIN_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"TIFFIN_TEST_SEED={seed}")
    return random.Random(seed)


def connect(address):
    """A connection of its own, which is one loop's."""
    return grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])


class Load:
    """`clients` threads, each with a connection of its own, that call `model`, whose outputs must
    all equal its input `x`, one request after the other. A context manager: leaving it ends them,
    after their last reply, and asserts that no reply was wrong, none was missing `SLACK_S` after
    its deadline, and those that failed did so with one of the `allowed` codes."""

    # 64 bytes travel in the frames, more in segments.
    SIZES = (8, 1024, 1024, 1024, 8192, 70000)

    def __init__(self, server, model, clients=8, deadline_s=10.0, sizes=SIZES,
                 allowed=("UNAVAILABLE", "DEADLINE_EXCEEDED"), slack_s=SLACK_S):
        """`slack_s`: within which the server has to answer what is past its deadline."""
        self._server = server
        self._model = model
        self._deadline_s = deadline_s
        self._slack_s = slack_s
        self._sizes = sizes
        self._allowed = {OK, *allowed}
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]
        self.ended = collections.Counter()  # By the name of the status code.
        self.messages = collections.Counter()
        self.wrong = []
        self.hanging = []
        self.longest_s = 0.0

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        self.await_more(len(self._threads))
        return self

    def __exit__(self, kind, *_):
        self.stop()
        if kind is None:
            self.check()

    def stop(self):
        """No request is begun any more; those under way end."""
        self._stop.set()
        for thread in self._threads:
            thread.join(self._deadline_s + 2 * self._slack_s)
            assert not thread.is_alive(), "a client waits for its reply"

    def check(self):
        print(self.summary())
        for message, count in self.messages.most_common(3):
            print(f"  {count} x {message}")
        assert not self.wrong, self.wrong[:5]
        assert not self.hanging, self.hanging[:5]
        assert set(self.ended) <= self._allowed, self.messages

    def summary(self):
        return (f"{dict(self.ended)}, wrong {len(self.wrong)}, hanging {len(self.hanging)}, "
                f"longest {self.longest_s:.2f} s")

    @property
    def completed(self):
        return sum(self.ended.values())

    @property
    def failed(self):
        return self.completed - self.ended[OK]

    def await_more(self, count, timeout=END_S):
        """Until so many more requests have ended."""
        with self._changed:
            until = self.completed + count
            assert self._changed.wait_for(lambda: self.completed >= until, timeout), (
                f"only {self.completed} of {until} requests ended: {self.summary()}")

    def _run(self):
        with connect(self._server.address) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            while not self._stop.is_set():
                self._ask(stub)

    def _ask(self, stub):
        x = unique(self._sizes)
        request = harness.infer_request(self._model, x=x)
        # The server's deadline; the client's own is later and only ends what would hang.
        request.parameters["timeout"].int64_param = int(self._deadline_s * 1e6)
        limit = self._deadline_s + self._slack_s
        wrong = message = None
        start = time.monotonic()
        try:
            outputs = harness.outputs_of(stub.ModelInfer(request, timeout=limit))
            code = OK
            wrong = [name for name, value in outputs.items() if not np.array_equal(value, x)]
        except grpc.RpcError as error:
            code, message = error.code().name, error.details()
        took = time.monotonic() - start
        with self._changed:
            self.ended[code] += 1
            self.longest_s = max(self.longest_s, took)
            if message is not None:
                self.messages[f"{code}: {message[:200]}"] += 1
            if wrong:
                self.wrong.append((int(x[0]), x.size, wrong))
            if took >= limit:
                self.hanging.append((int(x[0]), code, took))
            self._changed.notify_all()


def levels(server):
    """The levels that are not zero."""
    scrape = Scrape(server)
    found = {name: scrape.value(name) for name in LEVELS}
    return {name: value for name, value in found.items() if value != 0}


def await_rest(server):
    """Until nothing is under way, and nothing is held."""
    last = {}

    def at_rest():
        nonlocal last
        last = levels(server)
        return not last

    with contextlib.suppress(AssertionError):
        eventually(at_rest)
    assert not last, f"not given back: {last}"


def _anonymous_memory(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+) kB", status).group(1)) << 10


def _descriptors(pid):
    """How many of a kind, without segments: how many of these are warm depends on what was sent
    last."""
    kinds = collections.Counter()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            kinds[re.sub("[0-9]+", "N", os.readlink(f"/proc/{pid}/fd/{fd}"))] += 1
    return collections.Counter(
        {kind: count for kind, count in kinds.items() if "memfd:tiffin" not in kind})


def _owned_segments(*pids):
    """Those that one of the processes can write to."""
    found = set()
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
            if "memfd:tiffin" in line and " rw-s " in line:
                found.add(int(line.split()[4]))
    return found


class Footprint:
    """What a server at rest has: taken before and after, `check` finds what stayed behind."""

    # The allocator's and gRPC's caches grow for a while.
    MEMORY_MARGIN = (24 << 20) + harness.REMEMBERED

    def __init__(self, server):
        loops = int(harness.Process(server.pid).option("--loops") or 1)
        # It may come after the port is open.
        eventually(lambda: _descriptors(server.pid)[PAGE] >= loops * len(server.workers()),
                   what="each session's page")
        self.workers = len(server.workers())
        self.descriptors = _descriptors(server.pid)
        self.sockets = len([path for path in server.runtime_dir.rglob("*") if path.is_socket()])
        self.memory = _anonymous_memory(server.pid)

    def __str__(self):
        return (f"{self.workers} workers, {self.descriptors.total()} descriptors, "
                f"{self.sockets} sockets, {self.memory >> 10} KiB")

    def _fits(self, before):
        return (self.workers == before.workers and self.sockets == before.sockets and
                self.descriptors.total() <= before.descriptors.total() and
                self.memory <= before.memory + self.MEMORY_MARGIN)

    def check(self, server):
        """The server has, or is about to have, no more than then."""
        await_rest(server)
        with contextlib.suppress(AssertionError):
            eventually(lambda: Footprint(server)._fits(self), timeout=10 * harness.SLOWNESS)
        now = Footprint(server)
        print(f"before: {self}; after: {now}")
        assert now._fits(self), (f"before: {self}; after: {now}; new descriptors: "
                                 f"{dict(now.descriptors - self.descriptors)}")

        def all_owned():
            pids = [server.pid, *server.worker_pids()]
            return set(harness.segments(*pids)) <= _owned_segments(*pids)

        eventually(all_owned, what="giving back the segments of the dead")
