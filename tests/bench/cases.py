"""What is measured: each case is one kind of request to one service."""

import dataclasses
import pathlib
import struct
import zlib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SERVICES = HERE / "services"

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


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    service_file: pathlib.Path
    model: str  # The api, as KServe v2 knows it.
    input_name: str
    datatype: str
    shape: tuple[int, ...]
    payload: bytes  # The tensor's raw contents; the echo gets the same bytes.
    expect: bytes | None = None  # Of the reply; None: like the first one.
    needs_models: bool = False
    worker_transport: str = "express"  # Of `tiffin serve --worker-transport`.

    def over_grpc(self) -> "Case":
        """The same, with calls on gRPC streams between the gateway and its workers."""
        return dataclasses.replace(self, name=f"{self.name}_grpc", worker_transport="grpc")


def floats(count: int) -> bytes:
    return struct.pack(f"<{count}f", *(i % 251 for i in range(count)))


def identity(name: str, service: str, size: int) -> Case:
    payload = floats(size // 4)
    return Case(name, SERVICES / f"{service}.yaml", f"bench_{service}.run", "x", "FP32",
                (size // 4,), payload, payload)


def fanout_large() -> Case:
    # The worker repeats 64 values, counted up from the request's first byte.
    payload = floats(64)
    repeats = LARGE_BYTES // 4 // LANES
    sums = struct.pack(f"<{LANES}f", *(repeats * (payload[0] + lane) for lane in range(LANES)))
    return Case("fanout_600KB", SERVICES / "fanout_large.yaml", "bench_fanout_large.run", "x",
                "FP32", (64,), payload, sums)


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
    return Case(name, file, f"{service}.predict", "input_image", "BYTES", (1,),
                struct.pack("<I", len(image)) + image, needs_models=True)


def batching(name: str, api: str) -> Case:
    payload = floats(64)
    return Case(name, SERVICES / "batching.yaml", f"bench_batching.{api}", "x", "FP32", (64,),
                payload, payload)


def all_cases() -> dict[str, Case]:
    identity_16kb = identity("identity_16KB", "identity", 16384)
    fanout_16kb = identity("fanout_16KB", "fanout", 16384)
    # A name with `_off` is the case before it without batching.
    cases = [
        identity("identity_256B", "identity", 256),
        identity_16kb,
        identity("chain_16KB", "chain", 16384),
        identity("fanout_256B", "fanout", 256),
        fanout_16kb,
        fanout_large(),
        digits("inference_graph_demo",
               ROOT / "deploy/examples/inference_graph_demo/service.yaml", "inference_graph_demo"),
        digits("inference_graph_demo_off", SERVICES / "digits_off.yaml", "bench_digits_off"),
        batching("batching_2ms", "together"),
        batching("batching_2ms_off", "one_by_one"),
        identity_16kb.over_grpc(),
        fanout_16kb.over_grpc(),
    ]
    return {case.name: case for case in cases}
