"""Workers behind a network that delays, loses, is cut, and whose hosts vanish: a network namespace
of its own, where that is permitted."""

import contextlib
import os
import subprocess
import time

import grpc
import numpy as np
import pytest

import harness
from harness import eventually, refused
from remote import Load, Worker, answers, service

Code = grpc.StatusCode
LARGE = np.arange(100_000, dtype=np.float32).reshape(1, -1)


class Network:
    """A host at the other end of a cable. A context manager."""

    def __init__(self, number):
        self.name = f"tf{os.getpid() % 100_000}n{number}"
        self.here, self.there = f"{self.name}a", f"{self.name}b"
        prefix = f"10.203.{os.getpid() % 250}.{4 * number}"
        base = prefix.rsplit(".", 1)[0]
        self.near, self.far = f"{base}.{4 * number + 1}", f"{base}.{4 * number + 2}"

    def run(self, *args):
        ended = subprocess.run([str(arg) for arg in args], capture_output=True, text=True,
                               timeout=30, check=False)
        if ended.returncode != 0:
            raise OSError(f"{' '.join(args)}: {ended.stderr.strip()}")

    def inside(self, *args):
        self.run("ip", "netns", "exec", self.name, *args)

    def __enter__(self):
        try:
            self.run("ip", "netns", "add", self.name)
            self.run("ip", "link", "add", self.here, "type", "veth", "peer", "name", self.there)
            self.run("ip", "link", "set", self.there, "netns", self.name)
            self.run("ip", "addr", "add", f"{self.near}/30", "dev", self.here)
            self.run("ip", "link", "set", self.here, "up")
            self.inside("ip", "addr", "add", f"{self.far}/30", "dev", self.there)
            self.inside("ip", "link", "set", self.there, "up")
        except OSError as error:
            self.__exit__()
            pytest.skip(f"no network namespace: {error}")
        return self

    def __exit__(self, *_):
        for args in (["link", "del", self.here], ["netns", "del", self.name]):
            with contextlib.suppress(OSError):
                self.run("ip", *args)

    def impair(self, *how):
        try:
            self.run("tc", "qdisc", "replace", "dev", self.here, "root", "netem", *how)
            self.inside("tc", "qdisc", "replace", "dev", self.there, "root", "netem", *how)
        except OSError as error:
            pytest.skip(f"the kernel has no netem: {error}")

    def cut(self):
        self.run("ip", "link", "set", self.here, "down")

    def mend(self):
        self.run("ip", "link", "set", self.here, "up")

    def vanish(self):
        """No packet comes from there any more, not even that it is gone."""
        self.run("ip", "link", "del", self.here)


class FarWorker(Worker):
    def __init__(self, network, folder):
        super().__init__("echo", f"{network.far}:0", folder=folder, args=["--insecure"])
        self.prefix = ["ip", "netns", "exec", network.name]


@pytest.fixture
def network():
    with Network(1) as made:
        yield made


def test_delay_and_loss_lose_nothing(network, folder):
    network.impair("delay", "5ms", "2ms", "loss", "1%")
    with (FarWorker(network, folder) as far,
          harness.Server(service(echo=far.address)) as server):
        eventually(lambda: "away' have attached" in server.said() or health_ok(server),
                   what="a session")
        with Load(server, clients=4, array=LARGE) as load:
            load.more(40)
        assert load.failures == []


def health_ok(server):
    with contextlib.suppress(grpc.RpcError):
        return answers(server)
    return False


def test_a_cut_is_noticed_and_what_was_there_goes_elsewhere(network, folder):
    with (FarWorker(network, folder) as far, Worker("echo", "127.0.0.1:0", folder=folder) as near,
          harness.Server(service(echo=[far.address, near.address])) as server):
        server.wait_for_line(f"attached to the worker at ipv4:{far.address}")
        with Load(server, clients=4, array=LARGE) as load:
            load.more()
            network.cut()
            server.wait_for_line(f"lost the worker at ipv4:{far.address}")
            load.more()
            seen = len(server.lines)
            network.mend()
            server.wait_for_line(f"attached to the worker at ipv4:{far.address}", since=seen)
            load.more()
        assert load.failures == []


def test_a_host_that_vanishes_costs_bounded_time(network, folder):
    with (FarWorker(network, folder) as far,
          harness.Server(service(echo=far.address)) as server):
        assert answers(server, LARGE)
        network.vanish()
        start = time.monotonic()
        with refused(Code.UNAVAILABLE):
            answers(server, LARGE)
        # Two seconds of silence, and five of hope.
        assert time.monotonic() - start < 12 * harness.SLOWNESS
        with refused(Code.UNAVAILABLE, within=2):
            answers(server, LARGE)
        server.terminate()
        assert server.wait(10) == 0  # What was on its way there does not hold it up.
