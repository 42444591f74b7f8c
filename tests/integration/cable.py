"""A host of its own at the other end of a cable: a network namespace, and what carries the packets
between its TUN device and one on this side, late, in part, or not at all.

It needs /dev/net/tun and the right to make namespaces, and nothing of the kernel's queueing.
"""

import contextlib
import dataclasses
import fcntl
import heapq
import ipaddress
import itertools
import json
import os
import random
import selectors
import socket
import struct
import subprocess
import sys
import time

_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000

# Of benchmarks of networks (RFC 2544): nobody's.
_ADDRESSES = ipaddress.ip_network("198.18.0.0/15")

# What a link with a rate lets wait; then it is full.
_LONGEST_QUEUE_S = 0.1

OUT, BACK = "out", "back"


class NotPermitted(Exception):
    """Here nobody can lay a cable."""


@dataclasses.dataclass(frozen=True)
class Way:
    """What becomes of packets in one direction. They stay in order unless there is jitter."""

    delay: float = 0.0  # In seconds.
    jitter: float = 0.0  # What is added at most, differently for each packet.
    loss: float = 0.0  # The part of the packets that is lost.
    rate: float = 0.0  # Bytes a second; 0: as many as come.


PERFECT, CUT = Way(), Way(loss=1.0)


def _run(*args):
    """What it says, if it fails."""
    ended = subprocess.run(args, capture_output=True, text=True, timeout=30, check=False)
    return "" if ended.returncode == 0 else f"{' '.join(args)}: {ended.stderr.strip()}"


def _ip(*args):
    if said := _run("ip", *args):
        raise OSError(said)


class _Tun:
    """A device of this process's namespace. It is gone with the last copy of its descriptor."""

    def __init__(self):
        try:
            self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise NotPermitted(f"/dev/net/tun: {error.strerror}") from None
        wanted = struct.pack("16sH22x", b"tiffin%d", _IFF_TUN | _IFF_NO_PI)
        try:
            made = fcntl.ioctl(self.fd, _TUNSETIFF, wanted)
        except OSError as error:
            os.close(self.fd)
            raise NotPermitted(f"a TUN device: {error.strerror}") from None
        self.name = made[:16].rstrip(b"\0").decode()

    def start(self, own, other):
        _ip("addr", "add", own, "peer", other, "dev", self.name)
        self.set("up")

    def set(self, state):
        _ip("link", "set", self.name, state)


class Cable:
    """A context manager. The other host lives as long: `prefix` starts a program there."""

    def __init__(self, seed=1):
        self._seed = seed
        self._tun = self._carrier = None

    def __enter__(self):
        if said := _run("unshare", "--net", "true"):
            raise NotPermitted(said)
        self._tun = _Tun()
        try:
            # No other device of this namespace has this number.
            number = 2 * socket.if_nametoindex(self._tun.name) % _ADDRESSES.num_addresses
            self.near, self.far = str(_ADDRESSES[number]), str(_ADDRESSES[number + 1])
            self._tun.start(self.near, self.far)
            self._carrier = subprocess.Popen(
                ["unshare", "--net", sys.executable, "-B", __file__, str(self._tun.fd), self.far,
                 self.near, str(self._seed)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                pass_fds=[self._tun.fd], text=True)
            self.carry()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self._carrier is not None:
            self._carrier.communicate()
        os.close(self._tun.fd)

    @property
    def prefix(self):
        return ["nsenter", f"--net=/proc/{self._carrier.pid}/ns/net"]

    def carry(self, out=PERFECT, back=PERFECT):
        """From now on packets to the other host go `out`, those from there come `back`."""
        self._ask({OUT: dataclasses.asdict(out), BACK: dataclasses.asdict(back)})

    def traffic(self):
        """Of each direction `carried`, in bytes, and `lost`, in packets."""
        return self._ask({})

    def unplug(self):
        """Here this is known: nothing more can be sent."""
        self._tun.set("down")

    def plug_in(self):
        self._tun.set("up")

    def _ask(self, how):
        with contextlib.suppress(BrokenPipeError):
            self._carrier.stdin.write(json.dumps(how) + "\n")
            self._carrier.stdin.flush()
        answer = self._carrier.stdout.readline()
        if not answer:
            raise OSError(f"the cable is gone: {self._carrier.communicate()[1]}")
        return json.loads(answer)


# The process that carries, in the other namespace.


class _Direction:
    def __init__(self, source, target, dice):
        self.source, self._target, self._dice = source, target, dice
        self.way = PERFECT
        self.traffic = {"carried": 0, "lost": 0}
        self._under_way = []  # A heap of (when it is due, its number, packet).
        self._numbers = itertools.count()
        self._free = 0.0  # When the link has sent what it had to.
        self._last = 0.0  # When the last packet is due.

    def take(self):
        """What has been sent, and no more than leaves others their turn."""
        with contextlib.suppress(BlockingIOError):
            for _ in range(100):
                self._admit(os.read(self.source, 65536), time.monotonic())

    def _admit(self, packet, now):
        way = self.way
        if self._dice.random() < way.loss or self._free > now + _LONGEST_QUEUE_S:
            self.traffic["lost"] += 1
            return
        due = now
        if way.rate > 0:
            due = self._free = max(now, self._free) + len(packet) / way.rate
        due += way.delay
        if way.jitter > 0:
            due += self._dice.random() * way.jitter
        else:
            due = self._last = max(due, self._last)
        heapq.heappush(self._under_way, (due, next(self._numbers), packet))

    def deliver(self):
        """All that is due."""
        while self._under_way and self._under_way[0][0] <= time.monotonic():
            packet = heapq.heappop(self._under_way)[2]
            try:
                self.traffic["carried"] += os.write(self._target, packet)
            except OSError:  # The device is down.
                self.traffic["lost"] += 1

    def wait(self):
        """How long nothing is due; None: nothing is under way."""
        if not self._under_way:
            return None
        return max(0.0, self._under_way[0][0] - time.monotonic())


def _carry(near, far, dice):
    directions = {OUT: _Direction(near, far, dice), BACK: _Direction(far, near, dice)}
    with selectors.SelectSelector() as selector:  # To the microsecond.
        for direction in directions.values():
            selector.register(direction.source, selectors.EVENT_READ, direction)
        selector.register(sys.stdin, selectors.EVENT_READ)
        while True:
            waits = [wait for direction in directions.values()
                     if (wait := direction.wait()) is not None]
            for key, _ in selector.select(min(waits, default=None)):
                if key.data is not None:
                    key.data.take()
                    continue
                line = sys.stdin.readline()
                if not line:
                    return
                for name, how in json.loads(line).items():
                    directions[name].way = Way(**how)
                print(json.dumps({name: direction.traffic
                                  for name, direction in directions.items()}), flush=True)
            for direction in directions.values():
                direction.deliver()


def main():
    near, own, other, seed = sys.argv[1:]
    far = _Tun()
    far.start(own, other)
    _carry(int(near), far.fd, random.Random(int(seed)))


if __name__ == "__main__":
    main()
