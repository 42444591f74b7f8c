"""Images that are none, or too much: a clear refusal each, by both protocols, and no harm."""

import io
import struct
import zlib

import grpc
import pytest
from PIL import Image

import harness
from harness import ANSWER_S, refused

Code = grpc.StatusCode


def encode(size, mode="L", image_format="PNG"):
    out = io.BytesIO()
    Image.new(mode, size, color=0 if mode in "L1" else None).save(out, image_format)
    return out.getvalue()


GOOD = encode((8, 8))


def png_chunk(kind, content):
    return (struct.pack(">I", len(content)) + kind + content +
            struct.pack(">I", zlib.crc32(kind + content)))


def png_bomb(width, height):
    """A tiny file that says that it is huge. Its pixels are whole for a few rows only."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0" * (1 << 20), 9)
    return (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", pixels) +
            png_chunk(b"IEND", b""))


def flip(content, at):
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1:]


# name: (the image, words that the message must have)
BAD = {
    "zero bytes": (b"", ["empty"]),
    "text": (b"this is not an image at all", ["image", "PNG"]),
    "GIF": (encode((8, 8), "L", "GIF"), ["a GIF", "send a PNG"]),
    "TIFF": (encode((8, 8), "L", "TIFF"), ["a TIFF", "send a PNG"]),
    "PDF": (encode((8, 8), "L", "PDF"), ["a PDF", "send a PNG"]),
    "noise": (bytes(range(256)) * 40, ["image"]),
    "PNG magic only": (GOOD[:8], ["PNG", "truncated"]),
    "truncated PNG": (GOOD[:len(GOOD) // 2], ["PNG", "truncated"]),
    "PNG without its last byte": (GOOD[:-1], ["PNG", "truncated"]),
    "truncated JPEG": (encode((64, 64), "RGB", "JPEG")[:-20], ["JPEG", "truncated"]),
    "corrupt PNG pixels": (flip(GOOD, GOOD.index(b"IDAT") + 6), ["image"]),
    "10,000 x 10,000": (encode((10_000, 10_000), "1"), ["10000 x 10000"]),
    "a PNG that says 60,000 x 60,000": (png_bomb(60_000, 60_000), ["60000 x 60000"]),
    "zero width": (png_bomb(0, 8), ["image"]),
}


@pytest.fixture(scope="module")
def predict(digits, digits_stubs):
    service_pb2, service_pb2_grpc = digits_stubs
    stub = service_pb2_grpc.InferenceGraphDemoStub(digits.channel)

    def call(image):
        request = service_pb2.PredictRequest(input_image=image)
        return stub.Predict(request, timeout=ANSWER_S).verdict

    return call


@pytest.fixture(autouse=True)
def no_harm(digits, predict):
    """After each test the same workers answer a good request."""
    before = digits.worker_pids()
    yield
    assert predict(GOOD)
    assert digits.worker_pids() == before, digits.said()


def resident_peak(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        (line,) = [line for line in status if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("name", BAD)
def test_typed_api_refuses(name, predict):
    image, words = BAD[name]
    with refused(Code.INVALID_ARGUMENT, "features", "preprocess", *words):
        predict(image)


@pytest.mark.parametrize("name", BAD)
def test_kserve_refuses(name, digits):
    image, words = BAD[name]
    with refused(Code.INVALID_ARGUMENT, *words):
        digits.infer("inference_graph_demo.predict", input_image=image)


@pytest.mark.parametrize("name", ["text", "10,000 x 10,000"])
def test_the_runner_by_itself_refuses(name, digits):
    image, words = BAD[name]
    with refused(Code.INVALID_ARGUMENT, *words):
        digits.infer("inference_graph_demo.preprocess", image=image)


def test_the_limit_on_pixels_holds_before_memory_is_spent(digits, predict):
    worker = digits.worker("preprocess")
    before = resident_peak(worker.pid)
    for name in ("10,000 x 10,000", "a PNG that says 60,000 x 60,000"):
        with refused(Code.INVALID_ARGUMENT):
            predict(BAD[name][0])
    assert resident_peak(worker.pid) < before + (32 << 20)


@pytest.mark.parametrize("size, mode, image_format", [
    ((1, 1), "L", "PNG"), ((1, 1), "RGB", "JPEG"), ((1, 500), "L", "PNG"), ((500, 1), "L", "PNG"),
    ((8, 8), "1", "PNG"), ((8, 8), "P", "PNG"), ((8, 8), "RGBA", "PNG"), ((8, 8), "LA", "PNG"),
    ((8, 8), "I;16", "PNG"), ((30, 20), "CMYK", "JPEG"), ((30, 20), "RGB", "BMP"),
    ((30, 20), "RGB", "WEBP"), ((3000, 2000), "L", "PNG")])
def test_odd_but_whole_images_are_answered(size, mode, image_format, predict):
    assert predict(encode(size, mode, image_format))


def test_one_bad_row_is_named(digits):
    request = harness.infer_request("inference_graph_demo.preprocess")
    harness.add_input(request, "image", "BYTES", [3], harness.frame(GOOD, b"nonsense", GOOD))
    with refused(Code.INVALID_ARGUMENT, "row 1"):
        digits.kserve.ModelInfer(request, timeout=ANSWER_S)


def test_bad_and_good_ones_at_once_do_not_mix(digits):
    futures = []
    for turn in range(60):
        image = GOOD if turn % 2 else BAD["text"][0]
        futures.append(digits.infer_later("inference_graph_demo.predict", input_image=image))
    for turn, future in enumerate(futures):
        assert (future.exception(ANSWER_S) is None) == bool(turn % 2)
