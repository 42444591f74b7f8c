"""Workers that a test starts itself, as a cluster would, and a name server for their addresses."""

import re
import socket
import struct
import threading

import grpc
import numpy as np

import harness
from harness import BIN, START_S, eventually

ROW = np.array([[1, 2, 3]], np.float32)
LARGE = np.arange(300_000, dtype=np.float32).reshape(1, -1)  # Five pieces, the last one short.

# What the workers run: their own service file, which says what a gateway's doesn't.
WORKERS = """
service: away
runners:
  echo: {{backend: testing, options: {{behavior: identity, dtype: fp32, shape: [-1]}}}}
  twin: {{backend: testing, options: {{behavior: identity, dtype: fp32, shape: [-1]}}}}
  hold: {{backend: testing,
         options: {{behavior: delay, until: {gate}, ms: 60000, shape: [-1], journal: {journal}}}}}
  large: {{backend: testing,
          options: {{behavior: produce, dtype: uint8, shape: [-1], bytes: 268435456}}}}
"""


class Worker(harness.Server):
    """`tiffin-worker-testing`, with nobody to tend it. A context manager, as servers are."""

    def __init__(self, runner, listen, *, folder, args=(), gate="/nowhere", journal="/dev/null",
                 file=None):
        super().__init__(file or WORKERS.format(gate=gate, journal=journal), folder=folder)
        self.file = self.files[0]  # Its service file.
        self.runner = runner
        self.listen = listen
        self.args = args
        self.prefix = []
        self.address = None

    def start(self):
        # At the next start, where it was before.
        self.command = [*self.prefix, BIN / "tiffin-worker-testing",
                        "--service", self.file, "--runner",
                        self.runner, "--listen", self.address or self.listen, "--debuggable",
                        *self.args]
        if self._popen is not None:
            self._reader.join()  # Of the life before.
        self.lines.clear()
        self._ended = False
        return super().start()

    def __enter__(self):
        try:
            self.start()
            self.await_listening()
        except BaseException:
            self.close()
            raise
        return self

    def await_listening(self):
        line = self.wait_for_line(r"listening on \S+", START_S)
        self.address = re.search(r"listening on ([^\s\"',]+)", line).group(1)

    def restart(self):
        """After it has been killed."""
        self.start()
        self.await_listening()


class Names:
    """A name server on the loopback, whose answers are the test's. A context manager."""

    def __init__(self):
        self.addresses = {}  # Name -> IPv4 addresses; none: it is not known.
        self.asked = threading.Event()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._socket.close()

    def _run(self):
        while True:
            try:
                query, peer = self._socket.recvfrom(4096)
            except OSError:
                return
            try:
                self._socket.sendto(self._answer(query), peer)
            except OSError:
                return
            self.asked.set()

    def _answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        question = query[12:at + 5]
        kind = struct.unpack(">H", query[at + 1:at + 3])[0]
        known = self.addresses.get(".".join(labels))
        answers = (known or []) if kind == 1 else []
        flags = 0x8180 if known else 0x8183  # NXDOMAIN.
        records = b"".join(
            b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + socket.inet_aton(address)
            for address in answers)
        return query[:2] + struct.pack(">HHHHH", flags, 1, len(answers), 0, 0) + question + records


def service(**endpoints):
    """A gateway's service file: an api for each runner, and its workers' addresses."""
    lines = ["service: away", "runners:"]
    for runner, addresses in endpoints.items():
        if isinstance(addresses, str):
            addresses = [addresses]
        listed = ", ".join(f'"{address}"' for address in addresses)
        lines.append(f"  {runner}: {{endpoints: [{listed}]}}")
    lines.append("apis:")
    for runner in endpoints:
        lines += [f"  call_{runner}:", '    input: {x: "fp32[rows,-1]"}', "    steps:",
                  f"      a: {runner}(x)", "    output: {y: a}"]
    return "\n".join(lines) + "\n"


def answers(server, array=ROW, api="away.call_echo"):
    return np.array_equal(server.infer(api, x=array)["y"], array)


class Load:
    """Clients of an API at once, as long as the context; what they saw is checked."""

    def __init__(self, server, clients=4, array=LARGE[:, :20_000]):
        self._server, self._array = server, array
        self._end = threading.Event()
        self.answers, self.failures = 0, []
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def _run(self):
        while not self._end.is_set():
            try:
                assert answers(self._server, self._array)
                self.answers += 1
            except (grpc.RpcError, AssertionError) as error:
                self.failures.append(error)

    def more(self, count=20):
        wanted = self.answers + count
        eventually(lambda: self.answers >= wanted or self.failures, what="more answers")

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        for thread in self._threads:
            thread.join()
