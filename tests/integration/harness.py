"""Runs the real programs for tests: servers in folders of their own, stopped by their pids.

Nothing here sleeps for a fixed time. What can announce itself (a line on stderr, a journal, the end
of a process) is waited for; what can't (/proc) is polled by `eventually`, with a bound.
"""

import contextlib
import dataclasses
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("TIFFIN_BIN_DIR", ROOT / "build/release/bin")).absolute()
TIFFIN = BIN / "tiffin"
MODELS = ROOT / "build/models"
IMAGES = ROOT / "build/images/digits"
TEXT_IMAGES = ROOT / "build/images/sentiment"
DIGITS_SERVICE = ROOT / "deploy/examples/inference_graph_demo/service.yaml"
SENTIMENT_SERVICE = ROOT / "deploy/examples/sentiment_analysis/service.yaml"

# How many times longer all may take: more than 1 where the programs are built with a sanitizer.
SLOWNESS = float(os.environ.get("TIFFIN_SLOWNESS", "1"))

# Bounds for what takes milliseconds on a quiet machine; never waited out when all is well.
START_S = 60 * SLOWNESS
ANSWER_S = 30 * SLOWNESS
END_S = 30 * SLOWNESS

MIB = 1 << 20

# Bytes by which a process may have grown though all was given back: what a sanitizer remembers.
REMEMBERED = 0 if SLOWNESS == 1 else 96 * MIB

# A sanitizer's report. It ends a process, but one that is just started again fails no test.
REPORT = re.compile(r"ERROR: \w+Sanitizer|: runtime error: ")


def eventually(predicate, timeout=ANSWER_S, what="the condition"):
    """Polls until `predicate()` is true and returns what it gave. For /proc and the like."""
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {timeout} s")
        time.sleep(0.01)


class Process:
    """A process of this machine, not necessarily a child. Its pidfd makes its end visible, and
    keeps a reused pid from being taken for it."""

    def __init__(self, pid):
        self.pid = pid
        self._fd = os.pidfd_open(pid)
        self.cmdline = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]

    def __del__(self):
        if hasattr(self, "_fd"):
            os.close(self._fd)

    def gone(self, timeout=0.0):
        """True as soon as the process has ended, False after `timeout` seconds."""
        ready, _, _ = select.select([self._fd], [], [], timeout)
        return bool(ready)

    def kill(self, sig=signal.SIGKILL):
        signal.pidfd_send_signal(self._fd, sig)

    def option(self, name):
        return self.cmdline[self.cmdline.index(name) + 1] if name in self.cmdline else None


def child_states(pid):
    """Process id -> state of the processes whose parent is `pid`, those too that nobody has
    reaped."""
    found = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = entry.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid:
                found[int(entry.parent.name)] = state
    return found


def children(pid):
    """The processes whose parent is `pid`, without those that have ended."""
    found = []
    for child, state in child_states(pid).items():
        with contextlib.suppress(OSError):
            if state != "Z":
                found.append(Process(child))
    return found


def open_descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def memory(pid):
    """The bytes of memory that are the process's own (PSS)."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+) kB", text, re.M).group(1)) << 10


def segments(*pids):
    """Inode -> bytes of the segments that the processes know: mapped, or by a descriptor only."""
    sizes = {}
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
            if "memfd:tiffin" in line:
                span, _, _, _, inode = line.split()[:5]
                first, last = (int(part, 16) for part in span.split("-"))
                sizes[int(inode)] = max(sizes.get(int(inode), 0), last - first)
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                path = f"/proc/{pid}/fd/{fd}"
                if "memfd:tiffin" in os.readlink(path):
                    status = os.stat(path)
                    sizes[status.st_ino] = status.st_size
    return sizes


def run(*args, timeout=START_S, **kwargs):
    """Runs a program to its end; its output is text."""
    kwargs.setdefault("env", os.environ)
    ended = subprocess.run(
        [str(arg) for arg in args], capture_output=True, text=True, timeout=timeout, check=False,
        **kwargs)
    assert not REPORT.search(ended.stderr), ended.stderr
    return ended


class Server:
    """`tiffin serve` with its workers, in a temporary folder. A context manager: leaving it ends
    all of them, whatever happened."""

    def __init__(self, *services, store=MODELS, address="127.0.0.1:0", folder=None, args=(),
                 env=None, credentials=None, program=TIFFIN):
        """`services`: files, or the YAML texts of service files. `credentials`: of its clients,
        where it has TLS."""
        self._own_folder = folder is None
        # Short: paths of Unix sockets end at 108 bytes.
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="tf-"))
        self.runtime_dir = self.folder / "run"
        self.files = []
        for index, service in enumerate(services):
            if isinstance(service, str):
                file = self.folder / f"service{index}.yaml"
                file.write_text(service)
                service = file
            self.files.append(service)
        self.command = [program, "serve", *self.files, "--store", store, "--grpc-address", address,
                        "--runtime-dir", self.runtime_dir, *args]
        if os.geteuid() != 0:  # Only root may read /proc of workers that are not debuggable.
            self.command.append("--debuggable-workers")
        self._env = {**os.environ, **(env or {})}
        self.lines = []
        self._changed = threading.Condition()
        self._ended = False
        self._popen = None
        self._channel = None
        self._credentials = credentials

    # Life.

    def start(self):
        """Starts it without waiting."""
        self._popen = subprocess.Popen(
            [str(arg) for arg in self.command], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=self._env)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __enter__(self):
        try:
            self.start()
            line = self.wait_for_line(r"serving on \S+", START_S)
            self.address = re.search(r"serving on ([^\s\"',]+)", line).group(1)
            # Said before, if there is HTTP.
            found = re.search(r"HTTP on ([^\s\"',]+)", "\n".join(self.lines))
            self.http_address = found and found.group(1)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind, *_):
        self.close()
        if kind is not None:
            print(self.said())  # pytest shows it with the failure.

    def close(self):
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._popen is not None and self._popen.poll() is None:
            workers = children(self.pid)
            self._popen.terminate()
            try:
                self._popen.wait(END_S)
            except subprocess.TimeoutExpired:
                self._popen.kill()
                self._popen.wait()
            for worker in workers:
                if not worker.gone(END_S):
                    worker.kill()
        if self._own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._expect_no_report()

    def _expect_no_report(self):
        """Neither of the server nor of its workers, which write to the same stderr."""
        if self._popen is None:
            return
        self._reader.join(END_S)
        for number, line in enumerate(self.lines):
            if REPORT.search(line):
                raise AssertionError("\n".join(self.lines[number:number + 60]))

    @property
    def pid(self):
        return self._popen.pid

    def signal(self, number):
        self._popen.send_signal(number)

    def terminate(self):
        self._popen.terminate()

    def kill(self):
        self._popen.kill()
        self._popen.wait()

    def wait(self, timeout=END_S):
        """The exit code."""
        code = self._popen.wait(timeout)
        self._reader.join(timeout)
        return code

    # What it says.

    def _read(self):
        for raw in self._popen.stderr:
            with self._changed:
                self.lines.append(raw.decode(errors="replace").rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_for_line(self, pattern, timeout=ANSWER_S, since=0):
        """The first line that matches, of those said already too, from line number `since` on."""
        deadline = time.monotonic() + timeout
        seen = since
        with self._changed:
            while True:
                for line in self.lines[seen:]:
                    if re.search(pattern, line):
                        return line
                seen = len(self.lines)
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    raise AssertionError(f"no line with '{pattern}' in:\n{self.said()}")
                self._changed.wait(left)

    def said(self, count=40):
        """The last lines, for messages."""
        return "\n".join(self.lines[-count:])

    # Its workers.

    def workers(self, runner=None):
        found = [child for child in children(self.pid) if child.option("--runner")]
        return [child for child in found if runner in (None, child.option("--runner"))]

    def worker(self, runner):
        (found,) = self.workers(runner)
        return found

    def worker_pids(self):
        return {child.pid for child in self.workers()}

    # Its clients.

    @property
    def channel(self):
        if self._channel is None:
            limit = 300 << 20
            options = [("grpc.max_send_message_length", limit),
                       ("grpc.max_receive_message_length", limit)]
            self._channel = (
                grpc.insecure_channel(self.address, options) if self._credentials is None else
                grpc.secure_channel(self.address, self._credentials, options))
        return self._channel

    @property
    def kserve(self):
        return service_pb2_grpc.GRPCInferenceServiceStub(self.channel)

    def infer(self, model, *args, timeout=ANSWER_S, metadata=(), **inputs):
        """Calls a model with arrays, by position for INPUT0 and so on, or by name. Its outputs as
        a dictionary."""
        request = infer_request(model, *args, **inputs)
        return outputs_of(self.kserve.ModelInfer(request, timeout=timeout, metadata=metadata))

    def infer_later(self, model, *args, timeout=ANSWER_S, metadata=(), **inputs):
        """The same as a future of the response."""
        request = infer_request(model, *args, **inputs)
        return self.kserve.ModelInfer.future(request, timeout=timeout, metadata=metadata)


class GoodClient:
    """Calls an identity model again and again, as long as its context, and checks every answer."""

    def __init__(self, server, model, dtype=np.float32):
        self._server = server
        self._model = model
        self._dtype = dtype
        self.answers = 0
        self.slowest = 0.0
        self.failures = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        while not self._end.is_set():
            array = np.full((1, 20_000), self.answers % 100, self._dtype)
            start = time.monotonic()
            try:
                assert np.array_equal(self._server.infer(self._model, array)["OUTPUT0"], array)
                self.answers += 1
            except (grpc.RpcError, AssertionError) as error:
                self.failures.append(error)
            self.slowest = max(self.slowest, time.monotonic() - start)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()


DTYPES = {
    np.dtype(np.bool_): "BOOL", np.dtype(np.uint8): "UINT8", np.dtype(np.uint16): "UINT16",
    np.dtype(np.uint32): "UINT32", np.dtype(np.uint64): "UINT64", np.dtype(np.int8): "INT8",
    np.dtype(np.int16): "INT16", np.dtype(np.int32): "INT32", np.dtype(np.int64): "INT64",
    np.dtype(np.float16): "FP16", np.dtype(np.float32): "FP32", np.dtype(np.float64): "FP64"}
NUMPY_TYPES = {name: dtype for dtype, name in DTYPES.items()}


def frame(*elements):
    """BYTES elements as they travel: length, content."""
    return b"".join(len(element).to_bytes(4, "little") + element for element in elements)


def unframe(raw):
    elements = []
    while raw:
        size = int.from_bytes(raw[:4], "little")
        elements.append(raw[4:4 + size])
        raw = raw[4 + size:]
    return elements


def infer_request(model, *args, **inputs):
    """A ModelInferRequest with raw contents. bytes and str are one BYTES element of shape [1]."""
    request = service_pb2.ModelInferRequest(model_name=model)
    named = {f"INPUT{index}": value for index, value in enumerate(args)} | inputs
    for name, value in named.items():
        if isinstance(value, str):
            value = value.encode()
        if isinstance(value, bytes):
            add_input(request, name, "BYTES", [1], frame(value))
        else:
            add_input(request, name, DTYPES[value.dtype], value.shape, value.tobytes())
    return request


def add_input(request, name, datatype, shape, raw=None):
    tensor = request.inputs.add(name=name, datatype=datatype, shape=shape)
    if raw is not None:
        request.raw_input_contents.append(raw)
    return tensor


def outputs_of(response):
    found = {}
    for tensor, raw in zip(response.outputs, response.raw_output_contents, strict=True):
        if tensor.datatype == "BYTES":
            found[tensor.name] = unframe(raw)
        else:
            array = np.frombuffer(raw, NUMPY_TYPES[tensor.datatype])
            found[tensor.name] = array.reshape(list(tensor.shape))
    return found


@contextlib.contextmanager
def refused(code, *words, within=None):
    """The call inside must fail with `code` and a message that has all of `words`."""
    start = time.monotonic()
    try:
        yield
    except grpc.RpcError as error:
        took = time.monotonic() - start
        said = f"{error.code()}: {error.details()}"
        assert error.code() == code, said
        for word in words:
            assert word in error.details(), f"'{word}' is missing in {said}"
        assert len(error.details()) <= 1024
        assert within is None or took < within * SLOWNESS, f"took {took} s: {said}"
    else:
        raise AssertionError(f"the call succeeded, expected {code}")


@dataclasses.dataclass
class Entry:
    """One execution, as the testing backend's option `journal` tells it."""

    pid: int
    rows: int
    first: str


class Journal:
    """A named pipe as the journal of testing runners: executions can be waited for."""

    def __init__(self, folder):
        self.path = pathlib.Path(tempfile.mktemp(prefix="journal-", dir=folder))
        os.mkfifo(self.path)
        # Both ends, so that writers never wait for a reader nor see a broken pipe.
        self._fd = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)
        self._text = ""

    def close(self):
        os.close(self._fd)

    def next(self, timeout=ANSWER_S):
        """The next execution, None if there is none for `timeout` seconds."""
        while "\n" not in self._text:
            ready, _, _ = select.select([self._fd], [], [], timeout)
            if not ready:
                return None
            self._text += os.read(self._fd, 65536).decode()
        line, _, self._text = self._text.partition("\n")
        pid, rows, first = (line.split(" ", 2) + [""])[:3]
        return Entry(int(pid), int(rows), first)

    def all_so_far(self):
        entries = []
        while (entry := self.next(timeout=0)) is not None:
            entries.append(entry)
        return entries


class Gate:
    """A file that `delay` runners with `until` wait for."""

    def __init__(self, folder):
        self.path = pathlib.Path(tempfile.mktemp(prefix="gate-", dir=folder))

    def open(self):
        self.path.touch()

    def close(self):
        self.path.unlink(missing_ok=True)
