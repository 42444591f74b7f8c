"""What is measured: each case is one kind of request to one service, held against a reference."""

import dataclasses
import pathlib
import struct
import zlib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SERVICES = HERE / "services"
EXAMPLES = ROOT / "deploy/examples"

IN_FLIGHT = (1, 8, 32)

# What services/fanout_large.yaml produces, and how many sums are made of it.
LARGE_BYTES = 614400
LANES = 64

# The 0 of an 8x8 digit, in the 17 shades of scikit-learn's set of digits.
DIGIT = """
 0  0  5 13  9  1  0  0
 0  0 13 15 10 15  5  0
 0  3 15  2  0 11  8  0
 0  4 12  0  0  8  8  0
 0  5  8  0  0  9  8  0
 0  4 11  0  1 12  7  0
 0  2 14  5 10 12  0  0
 0  0  6 13 10  0  0  0
"""


# What the model of the sentiment example is asked, and what it should say: 20 tokens each, with
# the two that begin and end a text.
SENTENCES = {
    "The soup was cold, the waiter was slow, and we had to wait an hour.": "NEGATIVE",
    "A warm and funny film that I would be glad to see again with all my friends.": "POSITIVE",
    "The phone is bad, and the battery is gone after a day, like the last.": "NEGATIVE",
    "We came back the next day, for the food was fresh and the people so kind.": "POSITIVE",
    "This is the worst book of the year; I do not know why anyone likes it.": "NEGATIVE",
    "Great sound, small size, good price: I use it daily and would buy again.": "POSITIVE",
    "The plot makes no sense, the jokes are old, and the end comes too late.": "NEGATIVE",
    "My son loves this game so much that he plays it each evening, and all alone.": "POSITIVE",
}


@dataclasses.dataclass(frozen=True)
class Extra:
    """What a tensor of LARGE_BYTES costs beyond a small one, in the same graph: a comparison of two
    cases."""

    name: str
    large: str
    small: str
    service_file: pathlib.Path  # With a runner `a` that reads the tensor once.


EXTRA = Extra("fanout_600KB_extra", "fanout_600KB", "fanout_16KB", SERVICES / "fanout_large.yaml")


@dataclasses.dataclass(frozen=True)
class InProcess:
    """The same engine calls in one process, by bench-in-process: a case's reference."""

    graph: str
    # The runner whose workers' number and threads it gets; without one, a thread for each core.
    like_runner: str = ""


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    service_file: pathlib.Path
    model: str  # The api or runner, as KServe v2 knows it.
    input_name: str
    datatype: str
    shape: tuple[int, ...]
    # The tensor's raw contents, in turns; a path is an image's. The echo gets the same bytes.
    payloads: tuple[bytes | pathlib.Path, ...]
    # Of the replies, one for each payload; None: like the first one.
    expect: tuple[bytes, ...] | None = None
    output: str = ""  # The one asked for, where there are several.
    in_process: InProcess | None = None  # None: the echo is the reference.
    # What the answer in text must match in full, where there is an in-process reference; its own
    # answer is then what the service must say, to the letter.
    answers: str = ""
    in_flight: tuple[int, ...] = IN_FLIGHT
    needs_models: bool = False
    seconds: float = 1  # A slow case is measured that many times longer.
    worker_transport: str = "express"  # Of `tiffin serve --worker-transport`.
    loops: int = 1  # Of `tiffin serve --loops`; the client has as many connections.
    group: str = ""  # Cases of one group are measured in turns.

    def over_grpc(self) -> "Case":
        """The same, with calls on gRPC streams between the gateway and its workers."""
        return dataclasses.replace(self, name=f"{self.name}_grpc", worker_transport="grpc",
                                   group=f"{self.group}_grpc")

    def on_loops(self, loops: int) -> "Case":
        """The same on several loops, which share what is in flight."""
        return dataclasses.replace(self, name=f"{self.name}_loops", loops=loops,
                                   group=f"{self.group}_loops")

    def payload_bytes(self) -> list[bytes]:
        return [framed(payload.read_bytes()) if isinstance(payload, pathlib.Path) else payload
                for payload in self.payloads]


def framed(element: bytes) -> bytes:
    """As KServe v2 writes an element of BYTES."""
    return struct.pack("<I", len(element)) + element


def floats(count: int) -> bytes:
    return struct.pack(f"<{count}f", *(i % 251 for i in range(count)))


def identity(name: str, service: str, size: int, group: str = "") -> Case:
    payload = floats(size // 4)
    return Case(name, SERVICES / f"{service}.yaml", f"bench_{service}.run", "x", "FP32",
                (size // 4,), (payload,), (payload,), group=group or service)


def fanout_large() -> Case:
    # The worker repeats 64 values, counted up from the request's first byte.
    payload = floats(64)
    repeats = LARGE_BYTES // 4 // LANES
    sums = struct.pack(f"<{LANES}f", *(repeats * (payload[0] + lane) for lane in range(LANES)))
    return Case("fanout_600KB", SERVICES / "fanout_large.yaml", "bench_fanout_large.run", "x",
                "FP32", (64,), (payload,), (sums,), group="fanout")


def gray_png(rows: list[list[int]]) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (struct.pack(">I", len(data)) + kind + data
                + struct.pack(">I", zlib.crc32(kind + data)))

    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0)
    pixels = b"".join(b"\0" + bytes(row) for row in rows)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels))
            + chunk(b"IEND", b""))


def digits(name: str, file: pathlib.Path, service: str) -> Case:
    image = gray_png([[16 * int(shade) if int(shade) < 16 else 255 for shade in line.split()]
                      for line in DIGIT.strip().splitlines()])
    return Case(name, file, f"{service}.predict", "input_image", "BYTES", (1,), (framed(image),),
                in_process=InProcess("digits"),
                answers=r"0 \(agree: model_a 0 \d\.\d\d, model_b 0 \d\.\d\d\)",
                needs_models=True, group="digits")


def sentiment_analysis() -> Case:
    return Case("sentiment_analysis", EXAMPLES / "sentiment_analysis/service.yaml",
                "sentiment_analysis.classify", "image", "BYTES", (1,),
                (ROOT / "build/images/sentiment/plain.png",),
                in_process=InProcess("sentiment"),
                answers=r"POSITIVE \d\.\d\d: "
                        r'"What a wonderful evening, thank you for the lovely dinner!"',
                in_flight=(1, 4), needs_models=True, seconds=4, group="sentiment")


def sentiment_model(name: str, file: pathlib.Path, service: str) -> Case:
    return Case(name, file, f"{service}.sentiment", "text", "BYTES", (1,),
                tuple(framed(text.encode()) for text in SENTENCES),
                tuple(framed(label.encode()) for label in SENTENCES.values()), output="label",
                in_process=InProcess("text", like_runner="sentiment"), answers="NEGATIVE|POSITIVE",
                needs_models=True, seconds=4, group="sentiment")


def batching(name: str, api: str) -> Case:
    payload = floats(64)
    return Case(name, SERVICES / "batching.yaml", f"bench_batching.{api}", "x", "FP32", (64,),
                (payload,), (payload,), group="batching")


def all_cases() -> dict[str, Case]:
    identity_16kb = identity("identity_16KB", "identity", 16384)
    fanout_16kb = identity("fanout_16KB", "fanout", 16384)
    # A name with `_off` is the case of that name without batching, in the same group.
    cases = [
        identity("identity_256B", "identity", 256),
        identity_16kb,
        # In turns with the same in C++.
        identity("python_256B", "python", 256, group="identity"),
        identity("python_16KB", "python", 16384, group="identity"),
        identity("chain_16KB", "chain", 16384),
        identity("fanout_256B", "fanout", 256),
        fanout_16kb,
        identity("fanout_16KB_off", "fanout_off", 16384, group="fanout"),
        fanout_large(),
        identity("client_600KB", "fanout", LARGE_BYTES),
        digits("inference_graph_demo", EXAMPLES / "inference_graph_demo/service.yaml",
               "inference_graph_demo"),
        digits("inference_graph_demo_off", SERVICES / "digits_off.yaml", "bench_digits_off"),
        sentiment_analysis(),
        sentiment_model("sentiment_model", EXAMPLES / "sentiment_analysis/service.yaml",
                        "sentiment_analysis"),
        sentiment_model("sentiment_model_off", SERVICES / "sentiment_off.yaml",
                        "bench_sentiment_off"),
        batching("batching_2ms", "together"),
        batching("batching_2ms_off", "one_by_one"),
        identity_16kb.over_grpc(),
        fanout_16kb.over_grpc(),
        fanout_16kb.on_loops(2),
    ]
    return {case.name: case for case in cases}
