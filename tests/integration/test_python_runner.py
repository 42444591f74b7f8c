"""Runners that are Python code of the user's."""

import json

import grpc
import numpy as np
import pytest

import harness
from harness import BIN, ROOT, Server, eventually, refused
from prometheus_text import await_value

VENV = ROOT / "build/venv"  # Has numpy and Pillow.

RUNNER = '''
import atexit
import logging
import os
import subprocess
import sys
import threading
from typing import Annotated

import numpy as np
import tiffin


class Everything:
    def load(self, options):
        self.folder = options["folder"]
        self.kept = None
        self.loads = getattr(self, "loads", 0) + 1

    def close(self):
        atexit.register(lambda: open(self.folder + "/exited", "w").close())
        print("closing")
        with open(self.folder + "/closed", "w") as file:
            file.write("closed")

    def run(self, text: str) -> str:
        return f"<{text.strip()}>"

    @tiffin.method
    def data(self, data: bytes) -> bytes:
        return data[::-1]

    @tiffin.method
    def sum_up(self, value: dict) -> tiffin.Json:
        return {"sum": sum(value["numbers"]), "ü": None}

    @tiffin.method(inputs={"a": "fp32[2,-1]", "b": "int64[]"},
                   outputs={"sum": "fp32[2]", "b": "int64[]"})
    def tensors(self, a, b):
        return {"sum": a.sum(axis=1), "b": b + 1}

    @tiffin.method(inputs={"words": "bytes[-1]"}, outputs={"words": "bytes[-1]"})
    def words(self, words):
        return np.array([word.upper() for word in words], object)

    @tiffin.method(inputs={"x": "fp32[4]"}, outputs={"y": "fp32[4]", "rows": "int64[]"},
                   batchable=True, retry_safe=True)
    def rows(self, x):
        return {"y": x[:, ::-1], "rows": np.full(len(x), len(x))}

    @tiffin.method(batchable=True, retry_safe=True)
    def texts(self, texts: list[str]) -> list[str]:
        return [f"{text} of {len(texts)}" for text in texts]

    @tiffin.method
    def size(self, photo: tiffin.Image) -> tiffin.Json:
        return [*photo.shape, str(photo.dtype), int(photo[0, 0, 0])]

    @tiffin.method(inputs={"photo": tiffin.Image("gray")}, outputs={"shape": "int64[2]"})
    def gray(self, photo):
        return np.array(photo.shape)

    @tiffin.method(inputs={"photo": "image"}, outputs={"photo": "image"})
    def encoded(self, photo):
        assert isinstance(photo, bytes)
        return photo

    @tiffin.method(inputs={"x": "fp32[-1]"}, outputs={"told": "json"})
    def memory(self, x):
        address = x.__array_interface__["data"][0]
        inside = ""
        with open("/proc/self/maps") as maps:
            for line in maps:
                first, last = (int(part, 16) for part in line.split()[0].split("-"))
                if first <= address < last:
                    inside = line
        try:
            x[0] = 1
            wrote = True
        except ValueError:
            wrote = False
        return {"writeable": x.flags.writeable, "owns": x.flags.owndata, "inside": inside,
                "wrote": wrote}

    @tiffin.method(inputs={"n": "int64[]"}, outputs={"y": "fp32[-1]", "inside": "text"})
    def made(self, n):
        y = tiffin.empty(int(n), "fp32")
        y[:] = np.arange(int(n))
        address = y.__array_interface__["data"][0]
        with open("/proc/self/maps") as maps:
            for line in maps:
                first, last = (int(part, 16) for part in line.split()[0].split("-"))
                if first <= address < last:
                    return {"y": y, "inside": line}
        return {"y": y, "inside": ""}

    @tiffin.method(inputs={"x": "fp32[-1]", "how": "text"}, outputs={"y": "fp32[-1]"})
    def keep(self, x, how):
        if how == "array":
            self.kept = x
        elif how == "view":
            self.kept = [x[1:]]
        elif how == "buffer":
            self.kept = memoryview(x)
        elif how == "cycle":
            cycle = [x]
            cycle.append(cycle)
        elif how == "copy":
            self.kept = x.copy()
        elif how == "output":
            self.kept = tiffin.empty(x.shape, "fp32")
            self.kept[:] = 1
            return self.kept
        elif how == "exception":
            self.kept = x
            raise ValueError("after keeping")
        elif how == "read":
            return np.array(self.kept)
        return x + 1

    @tiffin.method
    def wrong(self, what: str) -> Annotated[np.ndarray, "fp32[2]"]:
        return {"dtype": np.zeros(2), "shape": np.zeros(3, np.float32), "list": [1.0, 2.0],
                "none": None, "bytes": np.zeros((2, 2), np.float32)[:, 0]}[what]

    @tiffin.method(outputs={"a": "text", "b": "json"})
    def wrong_dict(self, what: str):
        return {"missing": {"a": "x"}, "other": {"a": "x", "c": 1}, "text": {"a": b"x", "b": 1},
                "json": {"a": "x", "b": {1, 2}}, "nan": {"a": "x", "b": float("nan")},
                "surrogate": {"a": "\\udc80", "b": 1}, "list": ["x", 1]}[what]

    @tiffin.method
    def fail(self, how: str) -> str:
        if how == "invalid":
            raise tiffin.InvalidArgument("the text must not be 'invalid'")
        if how == "unavailable":
            raise tiffin.Unavailable("later")
        if how == "memory":
            raise MemoryError("no more")
        if how == "exit":
            sys.exit(3)
        if how == "deep":
            def inner():
                raise KeyError("in the depth")
            inner()
        if how == "recursion":
            return self.fail(how)
        raise ValueError(how)

    @tiffin.method
    def say(self, text: str) -> str:
        print(text)
        print("to stderr", file=sys.stderr)
        print("no end of line", end="")
        print()
        sys.stdout.buffer.write("bytes ü\\n".encode())
        os.write(1, b"by the descriptor\\n")
        subprocess.run(["echo", "by a child"], check=True)
        logging.getLogger("my.logger").warning("logged %s", text)
        try:
            1 / 0
        except ZeroDivisionError:
            logging.exception("caught")
        return ",".join(tiffin.context().request_ids)

    @tiffin.method
    def wait(self, until: str) -> tiffin.Json:
        context = tiffin.context()
        with open(self.folder + "/waiting", "w") as file:
            file.write(str(context.time_left()))
        while not os.path.exists(until):
            if context.cancelled:
                with open(self.folder + "/cancelled", "w") as file:
                    file.write(str(context.time_left()))
                raise tiffin.Cancelled("told so")
        return context.time_left()

    @tiffin.method
    def hang(self, until: str) -> str:
        with open(self.folder + "/hangs", "w"):
            pass
        while not os.path.exists(until):
            pass
        return "done"

    @tiffin.method
    def threads(self, text: str) -> tiffin.Json:
        told = []
        def work():
            told.append(os.environ["OMP_NUM_THREADS"])
            told.append(len(tiffin.context().request_ids))
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        self.local = getattr(self, "local", None) or threading.local()
        self.local.count = getattr(self.local, "count", 0) + 1
        failing = threading.Thread(target=lambda: 1 / 0, name="failing")
        failing.start()
        failing.join()
        return told
'''

SERVICE = """
service: py
runners:
  r: {python: "runner.py:Everything", environment: ENV, options: {folder: "FOLDER"}}
"""


def write(folder, source, name="runner.py"):
    (folder / name).write_text(source)
    return folder


def service_in(folder, yaml, environment=VENV):
    file = folder / "service.yaml"
    file.write_text(yaml.replace("ENV", str(environment)).replace("FOLDER", str(folder)))
    return file


@pytest.fixture(scope="module")
def server(module_folder):
    write(module_folder, RUNNER)
    with Server(service_in(module_folder, SERVICE), args=["--log-format", "json"]) as running:
        running.home = module_folder
        yield running


def call(server, method, **inputs):
    return server.infer(f"py.r.{method}" if method else "py.r", **inputs)


def records(server, event, **fields):
    """The lines of the log with these fields."""
    found = []
    for line in list(server.lines):
        if line.startswith("{"):
            record = json.loads(line)
            if record["event"] == event and fields.items() <= record.items():
                found.append(record)
    return found


def text(outputs, name="output"):
    return outputs[name][0].decode()


def test_a_text_goes_in_and_comes_out(server):
    assert text(call(server, "", text="  hällo ")) == "<hällo>"


def test_bytes_and_json(server):
    assert call(server, "data", data=b"\x00\xffab") == {"output": [b"ba\xff\x00"]}
    told = json.loads(text(call(server, "sum_up", value=json.dumps({"numbers": [1, 2.5]}))))
    assert told == {"sum": 3.5, "ü": None}


def test_tensors_of_several_inputs_and_outputs(server):
    a = np.arange(6, dtype=np.float32).reshape(2, 3)
    answer = call(server, "tensors", a=a, b=np.array(41, np.int64))
    assert np.array_equal(answer["sum"], a.sum(axis=1))
    assert answer["b"] == 42 and answer["b"].dtype == np.int64


def test_the_description_has_every_method(server):
    description = json.loads(harness.run(
        BIN / "tiffin-worker-python", "--service", server.files[0], "--runner", "r",
        "--describe").stdout)
    methods = description["methods"]
    assert methods["run"] == {
        "inputs": [{"name": "text", "type": "text"}],
        "outputs": [{"name": "output", "type": "text"}],
        "batchable": False, "retry_safe": False}
    assert methods["rows"]["batchable"] and methods["rows"]["retry_safe"]
    assert methods["gray"]["inputs"] == [{"name": "photo", "type": "image"}]
    assert "load" not in methods and "close" not in methods


def test_tensors_of_bytes(server):
    request = harness.infer_request("py.r.words")
    harness.add_input(request, "words", "BYTES", [3], harness.frame(b"a", b"", "ü".encode()))
    answer = harness.outputs_of(server.kserve.ModelInfer(request))
    assert answer == {"words": [b"A", b"", "ü".encode()]}


def test_rows_come_first(server):
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    answer = call(server, "rows", x=x)
    assert np.array_equal(answer["y"], x[:, ::-1])
    assert answer["rows"].tolist() == [3, 3, 3]


def test_texts_of_a_batch_are_a_list(server):
    request = harness.infer_request("py.r.texts")
    harness.add_input(request, "texts", "BYTES", [2], harness.frame(b"a", b"b"))
    answer = harness.outputs_of(server.kserve.ModelInfer(request))
    assert answer == {"output": [b"a of 2", b"b of 2"]}


def test_requests_that_wait_together_run_together(folder):
    write(folder, '''
import os
import tiffin
class Gathers:
    def load(self, options):
        self.gate = options["gate"]
    @tiffin.method(batchable=True, retry_safe=True)
    def run(self, texts: list[str]) -> list[str]:
        if "gate" in texts:
            open(self.gate + "-awaited", "w").close()
            while not os.path.exists(self.gate):
                pass
        ids = len(tiffin.context().request_ids)
        if "bad" in texts:
            raise tiffin.InvalidArgument(f"bad among {len(texts)}")
        return [f"{text}/{len(texts)}/{ids}" for text in texts]
''')
    gate = folder / "gate"
    file = service_in(folder, f"""
service: py
runners:
  r: {{python: "runner.py:Gathers", options: {{gate: "{gate}"}}}}
""")
    with Server(file, args=["--http-address", "127.0.0.1:0"]) as running:
        first = running.infer_later("py.r", texts="gate")
        eventually((folder / "gate-awaited").exists)
        others = [running.infer_later("py.r", texts=word) for word in ("a", "b", "c")]
        await_value(running, 3, "tiffin_replica_calls_queued", service="py", runner="r",
                    replica="0")
        gate.touch()
        assert text(harness.outputs_of(first.result())) == "gate/1/1"
        answers = [text(harness.outputs_of(other.result())) for other in others]
        assert answers == ["a/3/3", "b/3/3", "c/3/3"]
        with refused(grpc.StatusCode.INVALID_ARGUMENT, "bad among 1"):
            running.infer("py.r", texts="bad")


def test_images_are_arrays_where_asked(server):
    image = sorted(harness.IMAGES.glob("*.png"))[0].read_bytes()
    height, width, channels, dtype, _ = json.loads(text(call(server, "size", photo=image)))
    assert channels == 3 and dtype == "uint8"
    assert call(server, "gray", photo=image)["shape"].tolist() == [height, width]
    assert call(server, "encoded", photo=image) == {"photo": [image]}
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "not an image"):
        call(server, "size", photo=image[:40])


def test_inputs_are_read_only_memory_that_is_shared(server):
    large = json.loads(text(call(server, "memory", x=np.ones(100_000, np.float32)), "told"))
    assert not large["writeable"] and not large["owns"] and not large["wrote"]
    assert "memfd:tiffin-segment" in large["inside"] and " r--s " in large["inside"]


def test_an_output_is_made_where_it_goes(server):
    answer = call(server, "made", n=np.array(50_000, np.int64))
    assert np.array_equal(answer["y"], np.arange(50_000, dtype=np.float32))
    assert "memfd:tiffin-segment" in text(answer, "inside") and " rw-s " in text(answer, "inside")


@pytest.mark.parametrize("size", [8, 50_000])
@pytest.mark.parametrize("how", ["array", "view", "buffer", "output", "exception"])
def test_what_is_kept_fails_the_call_and_stays_as_it_was(server, how, size):
    x = np.full(size, 7, np.float32)
    name = "'y' is still referred to" if how == "output" else "'x' is still referred to"
    with refused(grpc.StatusCode.INTERNAL, name, ".copy()"):
        call(server, "keep", x=x, how=how)
    # Others use the memory again.
    for value in range(20):
        other = np.full(size, value, np.float32)
        assert np.array_equal(call(server, "keep", x=other, how="")["y"], other + 1)
    kept = call(server, "keep", x=x, how="read")["y"] if how != "view" else np.array([7.0])
    assert set(kept.tolist()) == {1.0 if how == "output" else 7.0}


@pytest.mark.parametrize("how", ["copy", "cycle"])
def test_what_is_copied_or_goes_away_is_fine(server, how):
    x = np.arange(1000, dtype=np.float32)
    assert np.array_equal(call(server, "keep", x=x, how=how)["y"], x + 1)


@pytest.mark.parametrize("what, words", [
    ("dtype", ["'output'", "float64", "fp32[2] is declared", ".astype(numpy.float32)"]),
    ("shape", ["'output'", "(3,)", "fp32[2] is declared"]),
    ("list", ["returned list where an array of fp32[2]", "numpy.asarray"]),
    ("none", ["returned NoneType where an array"])])
def test_arrays_that_were_not_declared(server, what, words):
    with refused(grpc.StatusCode.INTERNAL, *words):
        call(server, "wrong", what=what)


def test_arrays_need_not_be_contiguous(server):
    assert call(server, "wrong", what="bytes")["output"].tolist() == [0, 0]


@pytest.mark.parametrize("what, words", [
    ("missing", ["must return a, b"]), ("other", ["'b'"]),
    ("text", ["output 'a'", "returned bytes where str"]), ("json", ["TypeError", "set"]),
    ("nan", ["ValueError"]), ("surrogate", ["UnicodeEncodeError"]),
    ("list", ["returned list", "dict of its outputs: a, b"])])
def test_dictionaries_that_were_not_declared(server, what, words):
    with refused(grpc.StatusCode.INTERNAL, *words):
        call(server, "wrong_dict", what=what)


@pytest.mark.parametrize("how, code, words", [
    ("invalid", grpc.StatusCode.INVALID_ARGUMENT, ["the text must not be 'invalid'"]),
    ("unavailable", grpc.StatusCode.UNAVAILABLE, ["later"]),
    ("memory", grpc.StatusCode.RESOURCE_EXHAUSTED, ["MemoryError: no more"]),
    ("exit", grpc.StatusCode.INTERNAL, ["SystemExit: 3"]),
    ("deep", grpc.StatusCode.INTERNAL, ["KeyError: 'in the depth'"]),
    ("recursion", grpc.StatusCode.INTERNAL, ["RecursionError"]),
    ("other", grpc.StatusCode.INTERNAL, ["ValueError: other"])])
def test_exceptions(server, how, code, words):
    before = {worker.pid for worker in server.workers()}
    with refused(code, *words):
        call(server, "fail", how=how)
    assert {worker.pid for worker in server.workers()} == before


def test_an_exception_has_its_traceback_in_the_log(server):
    with pytest.raises(grpc.RpcError):
        server.infer("py.r.fail", how="deep", metadata=[("x-request-id", "traced-1")])
    (line,) = eventually(lambda: records(server, "python_exception", request_id="traced-1"))
    assert "in inner" in line["traceback"] and "KeyError" in line["traceback"]
    assert str(server.home / "runner.py") in line["traceback"]
    assert line["method"] == "fail" and line["level"] == "error"
    # What the client did wrong is no fault of the code's.
    with pytest.raises(grpc.RpcError):
        server.infer("py.r.fail", how="invalid", metadata=[("x-request-id", "traced-2")])
    eventually(lambda: records(server, "call_failed", request_id="traced-2"))
    assert not records(server, "python_exception", request_id="traced-2")


def test_wrong_inputs_never_get_there(server):
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "UTF-8"):
        call(server, "", text=b"\xff")
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "JSON"):
        call(server, "sum_up", value="{")
    with refused(grpc.StatusCode.INVALID_ARGUMENT):
        call(server, "rows", x=np.zeros((1, 5), np.float32))


def test_what_is_printed_and_logged_has_the_request(server):
    answer = server.infer("py.r.say", text="two\nlines", metadata=[("x-request-id", "said-1")])
    assert text(answer) == "said-1"
    printed = eventually(lambda: len(found := records(server, "print", request_id="said-1")) == 5
                         and found)
    assert [(line["stream"], line["text"]) for line in printed] == [
        ("stdout", "two"), ("stdout", "lines"), ("stderr", "to stderr"),
        ("stdout", "no end of line"), ("stdout", "bytes ü")]
    warning, error = eventually(
        lambda: len(found := records(server, "python", request_id="said-1")) == 2 and found)
    assert (warning["logger"], warning["level"]) == ("my.logger", "warning")
    assert warning["text"] == "logged two\nlines"
    assert error["text"] == "caught" and "ZeroDivisionError" in error["traceback"]
    server.wait_for_line("^by the descriptor$")
    server.wait_for_line("^by a child$")
    assert text(call(server, "", text="still")) == "<still>"


def test_the_deadline_is_known(server):
    answer = server.infer("py.r.wait", until=str(server.home), timeout=20 * harness.SLOWNESS)
    left = json.loads(text(answer))
    assert 10 * harness.SLOWNESS < left < 21 * harness.SLOWNESS  # gRPC rounds up.


def test_a_cancelled_call_is_told(server):
    waiting, cancelled = server.home / "waiting", server.home / "cancelled"
    waiting.unlink(missing_ok=True)
    cancelled.unlink(missing_ok=True)
    future = server.infer_later("py.r.wait", until=str(server.home / "never"))
    eventually(waiting.exists)
    future.cancel()
    eventually(cancelled.exists)
    assert text(call(server, "", text="next")) == "<next>"


def test_a_hung_method_stops_neither_heartbeat_nor_server(server):
    hangs, end = server.home / "hangs", server.home / "end"
    pid = server.worker("r").pid
    with refused(grpc.StatusCode.DEADLINE_EXCEEDED):
        server.infer("py.r.hang", until=str(end), timeout=4)  # Two heartbeats would be missed.
    assert hangs.exists()
    assert server.worker("r").pid == pid
    end.touch()
    assert text(call(server, "", text="after")) == "<after>"
    assert server.worker("r").pid == pid


def test_threads_of_pythons(server):
    threads, ids = json.loads(text(call(server, "threads", text="")))
    assert threads == server.worker("r").option("--threads")
    assert ids == 0  # It is not the call's own thread.
    (failed,) = eventually(lambda: records(server, "python_exception", thread="failing"))
    assert "ZeroDivisionError" in failed["traceback"]


def test_close_is_called(folder):
    write(folder, RUNNER)
    with Server(service_in(folder, SERVICE)) as running:
        assert text(call(running, "", text="x")) == "<x>"
    assert (folder / "exited").exists()
    assert any('"text":"closing"' in line for line in running.lines)
    assert (folder / "closed").read_text() == "closed"
