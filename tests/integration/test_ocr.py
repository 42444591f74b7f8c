"""Reading text from images, served: by the real worker, through the gateway."""

import io
import json
import os
import time

import grpc
import pytest
from PIL import Image, ImageDraw, ImageFont

import harness
from harness import ANSWER_S, BIN, refused

Code = grpc.StatusCode

SERVICE = """
service: reading
runners:
  ocr: {backend: ocr, resources: {cpu: 1}}
  hasty: {backend: ocr, resources: {cpu: 1}, options: {time_limit: 2s}}
apis:
  read:
    input: {image: image}
    steps:
      text: ocr(image)
    output: {text: text}
  find:
    input: {image: image}
    steps:
      found: ocr.words(image)
    output: {text: found.text, words: found.words}
"""
SENTENCE = "The film is a delight from start to finish."
SIZE = 30


def png(image):
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def render(lines, size=SIZE):
    font = ImageFont.load_default(size)
    width = round(max(font.getlength(line) for line in lines)) + 2 * size
    image = Image.new("L", (width, round(size * 1.4) * len(lines) + 2 * size), 255)
    draw = ImageDraw.Draw(image)
    for row, line in enumerate(lines):
        draw.text((size, size + row * round(size * 1.4)), line, 0, font)
    return image


@pytest.fixture(scope="module")
def sentence():
    return png(render([SENTENCE]))


@pytest.fixture(scope="module")
def page():
    """A few seconds' worth of text."""
    return png(render([SENTENCE * 2] * 40, size=16))


@pytest.fixture(scope="module")
def long_page():
    """Many seconds' worth of text."""
    return png(render([SENTENCE * 3] * 150, size=16))


@pytest.fixture(scope="module")
def server():
    with harness.Server(SERVICE) as started:
        yield started


def read(server, image, **kwargs):
    (text,) = server.infer("reading.read", image=image, **kwargs)["text"]
    return text.decode()


def test_a_sentence_is_read(server, sentence):
    assert read(server, sentence) == SENTENCE


def test_poor_images_are_read_too(server):
    lines = [SENTENCE, "It broke on the second day, though."] * 2
    image = render(lines).rotate(3, Image.Resampling.BICUBIC, expand=True, fillcolor=255)
    shadow = Image.linear_gradient("L").rotate(90).resize(image.size)
    light = Image.eval(shadow, lambda value: 70 + value * 185 // 255)
    dim = Image.composite(image, Image.new("L", image.size, 0), light)
    assert read(server, png(dim)) == "\n".join(lines)


def test_words_lie_where_they_were_drawn(server, sentence):
    found = server.infer("reading.find", image=sentence)
    assert found["text"][0].decode() == SENTENCE
    words = json.loads(found["words"][0])
    assert [word["text"] for word in words] == SENTENCE.split()
    font = ImageFont.load_default(SIZE)
    before = ""
    for word in words:
        assert set(word) == {"text", "confidence", "box"}
        assert 0.5 < word["confidence"] <= 1
        left, top, right, bottom = font.getbbox(word["text"])
        shift = SIZE + font.getlength(before)
        x, y, width, height = word["box"]
        expected = (shift + left, SIZE + top, shift + right, SIZE + bottom)
        assert (x, y, x + width, y + height) == pytest.approx(expected, abs=4), word
        before += word["text"] + " "


@pytest.mark.parametrize("size", [(300, 200), (1, 1), (1, 5000), (5000, 1)])
def test_an_image_without_text_has_none(size, server):
    found = server.infer("reading.find", image=png(Image.new("L", size, 255)))
    assert found["text"] == [b""]
    assert json.loads(found["words"][0]) == []


def test_what_is_no_image_is_refused(server, sentence):
    with refused(Code.INVALID_ARGUMENT, "ocr", "PNG, JPEG, WebP or BMP"):
        read(server, b"%PDF-1.7 and so on")
    with refused(Code.INVALID_ARGUMENT, "empty"):
        read(server, b"")
    with refused(Code.INVALID_ARGUMENT, "truncated"):
        read(server, sentence[:len(sentence) // 2])
    with refused(Code.INVALID_ARGUMENT, "10000 x 10000", "max_pixels"):
        read(server, png(Image.new("1", (10_000, 10_000))))


def test_the_time_limit_holds(server, sentence, long_page):
    with refused(Code.DEADLINE_EXCEEDED, "2s", "time_limit"):
        server.infer("reading.hasty", image=long_page)
    assert server.infer("reading.hasty", image=sentence)["text"] == [SENTENCE.encode()]


def test_a_cancelled_page_frees_the_worker(server, sentence, page):
    started = time.monotonic()
    assert read(server, page)
    whole_page = time.monotonic() - started

    future = server.infer_later("reading.read", image=page)
    worker = server.worker("ocr")
    before = cpu_seconds(worker.pid)
    harness.eventually(lambda: cpu_seconds(worker.pid) > before + 0.2, what="the page being read")
    future.cancel()
    started = time.monotonic()
    assert read(server, sentence, timeout=ANSWER_S) == SENTENCE
    assert time.monotonic() - started < whole_page / 2
    assert server.worker("ocr").pid == worker.pid


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_images_read_at_the_same_time_do_not_mix():
    two_threads = SERVICE.replace("ocr: {backend: ocr, resources: {cpu: 1}}",
                                  "ocr: {backend: ocr, resources: {cpu: 2}}")
    texts = [f"This is the image number {number}." for number in range(6)]
    with harness.Server(two_threads) as started:
        futures = [started.infer_later("reading.read", image=png(render([text])))
                   for text in texts * 3]
        for text, future in zip(texts * 3, futures, strict=True):
            outputs = harness.outputs_of(future.result(ANSWER_S))
            assert outputs["text"] == [text.encode()]


def test_a_missing_language_stops_the_start(folder):
    file = folder / "service.yaml"
    file.write_text(SERVICE.replace("backend: ocr, resources: {cpu: 1}}",
                                    "backend: ocr, options: {languages: [eng, xyz]}}", 1))
    made = harness.run(BIN / "tiffin-worker-ocr", "--describe", "--service", file, "--runner",
                       "ocr")
    assert made.returncode == 2
    assert "xyz.traineddata" in made.stderr and "tesseract-ocr-xyz" in made.stderr
    assert "eng" in made.stderr
