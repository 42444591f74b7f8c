"""Images of text that are bad, unusual, or none, sent to the sentiment service: a clear refusal
each or the right answer, and no harm to others."""

import difflib
import io
import re
import struct
import zlib

import grpc
import numpy as np
import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFont

import harness
from harness import ANSWER_S, refused

Code = grpc.StatusCode

CLASSIFY = "sentiment_analysis.classify"
OCR = "sentiment_analysis.ocr"
STEP = ("step 'read'", "runner 'ocr'")
FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
SENTENCE = "The film is a delight from start to finish."
ANSWER = re.compile(r'(POSITIVE|NEGATIVE) (0\.\d\d|1\.00): "(?P<text>.+)"')
# Of what is drawn here, large and sharp.
READ_WELL = 0.97


def ink():
    """How black each pixel of an image of the sentence is: 255 on the letters, 0 beside them."""
    font = ImageFont.truetype(FONT, 32)
    image = Image.new("L", (round(font.getlength(SENTENCE)) + 80, 110), 0)
    ImageDraw.Draw(image).text((40, 35), SENTENCE, 255, font)
    return image


INK = ink()
GRAY = ImageChops.invert(INK)


def encode(image, image_format="PNG", **kwargs):
    out = io.BytesIO()
    image.save(out, image_format, **kwargs)
    return out.getvalue()


def blank(size, mode="L", image_format="PNG", **kwargs):
    return encode(Image.new(mode, size), image_format, **kwargs)


def frames(image_format):
    """An animation whose frames have the sentence."""
    turned = GRAY.rotate(5, fillcolor=255)
    return encode(GRAY.convert("RGB"), image_format, save_all=True, duration=100, loop=0,
                  append_images=[turned.convert("RGB"), turned.rotate(2).convert("RGB")])


def png_of_16_bits(color_type, samples):
    """Of samples [rows, columns, channels] of 16 bits; Pillow writes gray ones only."""
    def chunk(kind, content):
        return (struct.pack(">I", len(content)) + kind + content +
                struct.pack(">I", zlib.crc32(kind + content)))

    rows, columns, _ = samples.shape
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    return (b"\x89PNG\r\n\x1a\n" +
            chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, 16, color_type, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b""))


def pdf():
    """A whole document, with the sentence on its page."""
    content = f"BT /F1 24 Tf 50 700 Td ({SENTENCE}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    file = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(file)
    file += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    file += b"".join(b"%010d 00000 n \n" % place for place in places)
    return file + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1, start)


def ramp(dark, light):
    """The sentence in samples of 16 bits, [rows, columns, 1]."""
    weight = np.asarray(INK, np.float64)[:, :, None] / 255
    return np.round(light + (dark - light) * weight).astype(np.uint16)


def transparent(mode):
    """Black letters on black that can't be seen through the alpha channel."""
    black = Image.new("L", INK.size, 0)
    return Image.merge(mode, [black] * (len(mode) - 1) + [INK])


def palette():
    """Dark blue on yellow, with numbers that say the contrary of how light the colors are."""
    image = GRAY.point(lambda value: 0 if value > 127 else 1).convert("P")
    image.putpalette([255, 240, 120, 10, 10, 90])
    return image


def cmyk(paper, letters):
    return Image.composite(Image.new("CMYK", INK.size, letters), Image.new("CMYK", INK.size, paper),
                           INK)


def lying():
    """On its side, as a phone stores it, and told so by EXIF."""
    exif = Image.Exif()
    exif[0x0112] = 6  # To be turned by 90 degrees clockwise.
    return encode(GRAY.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=95, exif=exif)


PNG = encode(GRAY)
JPEG = encode(GRAY.convert("RGB"), "JPEG", quality=95)
WEBP = encode(GRAY.convert("RGB"), "WEBP", lossless=True)
BMP = encode(GRAY.convert("RGB"), "BMP")

KNOWN_FORMATS = "PNG, JPEG, WebP or BMP"
# name: (the image, words that the message must have)
BAD_IMAGES = {
    "zero bytes": (b"", ["empty"]),
    "text": (SENTENCE.encode(), ["image", KNOWN_FORMATS]),
    "noise": (bytes(range(256)) * 40, ["image", KNOWN_FORMATS]),
    "PDF": (pdf(), ["image", KNOWN_FORMATS]),
    "GIF": (encode(GRAY, "GIF"), ["image", KNOWN_FORMATS]),
    "animated GIF": (frames("GIF"), ["image", KNOWN_FORMATS]),
    "TIFF": (encode(GRAY, "TIFF"), ["image", KNOWN_FORMATS]),
    "animated PNG": (frames("PNG"), ["PNG", "animation"]),
    "animated WebP": (frames("WEBP"), ["WebP", "animation"]),
    "PNG magic only": (PNG[:8], ["PNG", "truncated"]),
    "truncated PNG": (PNG[:len(PNG) // 2], ["PNG", "truncated"]),
    "PNG without its last byte": (PNG[:-1], ["PNG", "truncated"]),
    "truncated JPEG": (JPEG[:len(JPEG) // 2], ["JPEG", "truncated"]),
    "JPEG without its last byte": (JPEG[:-1], ["JPEG", "truncated"]),
    "truncated WebP": (WEBP[:len(WEBP) // 2], ["WebP", "truncated"]),
    "truncated BMP": (BMP[:len(BMP) // 2], ["image"]),
    "10,000 x 10,000": (blank((10_000, 10_000), "1"), ["10000 x 10000", "max_pixels"]),
}

# name: an image of the sentence
GOOD_IMAGES = {
    "gray PNG": PNG,
    "color PNG": encode(GRAY.convert("RGB")),
    "PNG of 1 bit": encode(GRAY.convert("1", dither=Image.Dither.NONE)),
    "16-bit gray PNG": png_of_16_bits(0, ramp(0, 65535)),
    "faint 16-bit gray PNG": png_of_16_bits(0, ramp(0x5000, 0xB0FF)),
    "16-bit color PNG": png_of_16_bits(2, np.repeat(ramp(0, 65535), 3, axis=2)),
    "16-bit gray PNG by Pillow": encode(Image.fromarray(ramp(0, 65535)[:, :, 0])),
    "transparent PNG": encode(transparent("RGBA")),
    "transparent gray PNG": encode(transparent("LA")),
    "transparent 16-bit gray PNG": png_of_16_bits(
        4, np.concatenate([ramp(0, 0), ramp(65535, 0)], axis=2)),
    "palette PNG": encode(palette()),
    "transparent palette PNG": encode(palette(), transparency=0),
    "gray PNG with a transparent value": encode(
        GRAY.point(lambda value: 1 if value > 127 else 0).point([0, 64] + [0] * 254),
        transparency=64),
    "JPEG": JPEG,
    "progressive JPEG": encode(GRAY, "JPEG", quality=95, progressive=True),
    "turned JPEG": lying(),
    "CMYK JPEG, black ink": encode(cmyk((0, 0, 0, 0), (0, 0, 0, 255)), "JPEG", quality=95),
    "CMYK JPEG, all inks": encode(cmyk((0, 0, 0, 0), (255, 255, 255, 255)), "JPEG", quality=95),
    "CMYK JPEG, no black": encode(GRAY.convert("RGB").convert("CMYK"), "JPEG", quality=95),
    "CMYK JPEG, colors": encode(cmyk((0, 0, 120, 0), (255, 200, 0, 60)), "JPEG", quality=95),
    "WebP": encode(GRAY.convert("RGB"), "WEBP", quality=90),
    "lossless WebP": WEBP,
    "transparent WebP": encode(transparent("RGBA"), "WEBP", lossless=True, exact=True),
    "BMP": BMP,
    "gray BMP": encode(GRAY, "BMP"),
    "BMP of 1 bit": encode(GRAY.convert("1", dither=Image.Dither.NONE), "BMP"),
    "palette BMP": encode(palette(), "BMP"),
}


def classify(server, image, **kwargs):
    (answer,) = server.infer(CLASSIFY, image=image, **kwargs)["text"]
    return answer.decode()


def assert_read(answer):
    found = ANSWER.fullmatch(answer)
    assert found is not None, answer
    read = found["text"]
    assert difflib.SequenceMatcher(None, read, SENTENCE, False).ratio() >= READ_WELL, read
    assert answer.startswith("POSITIVE"), answer


@pytest.fixture
def no_harm(sentiment):
    """After the test the same workers answer a good request."""
    before = sentiment.worker_pids()
    assert len(before) == 2
    yield
    assert_read(classify(sentiment, PNG))
    assert sentiment.worker_pids() == before, sentiment.said()


@pytest.mark.usefixtures("no_harm")
@pytest.mark.parametrize("name", BAD_IMAGES)
def test_a_bad_image_is_refused_by_step_and_runner(name, sentiment):
    image, words = BAD_IMAGES[name]
    with refused(Code.INVALID_ARGUMENT, *STEP, *words):
        classify(sentiment, image)


@pytest.mark.usefixtures("no_harm")
@pytest.mark.parametrize("name", ["zero bytes", "PDF", "10,000 x 10,000"])
def test_the_runner_by_itself_refuses(name, sentiment):
    image, words = BAD_IMAGES[name]
    with refused(Code.INVALID_ARGUMENT, "ocr", *words):
        sentiment.infer(OCR, image=image)


def resident_peak(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        (line,) = [line for line in status if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def test_the_limit_on_pixels_holds_before_memory_is_spent(sentiment):
    worker = sentiment.worker("ocr")
    classify(sentiment, PNG)
    before = resident_peak(worker.pid)
    with refused(Code.INVALID_ARGUMENT, within=ANSWER_S):
        classify(sentiment, BAD_IMAGES["10,000 x 10,000"][0])
    assert resident_peak(worker.pid) < before + (32 << 20)


@pytest.mark.usefixtures("no_harm")
def test_bad_and_good_images_at_once_do_not_mix(sentiment):
    bad = [BAD_IMAGES[name][0] for name in ("text", "PDF", "truncated PNG", "animated GIF")]
    images = [PNG if turn % 2 else bad[turn // 2 % len(bad)] for turn in range(24)]
    futures = [sentiment.infer_later(CLASSIFY, image=image) for image in images]
    for image, future in zip(images, futures, strict=True):
        if image is PNG:
            (answer,) = harness.outputs_of(future.result(ANSWER_S))["text"]
            assert_read(answer.decode())
        else:
            assert future.exception(ANSWER_S).code() == Code.INVALID_ARGUMENT


@pytest.mark.usefixtures("no_harm")
@pytest.mark.parametrize("image", [
    blank((1, 1)), blank((1, 1), "RGB", "JPEG"), blank((1, 1), "RGBA"), blank((1, 1), "LA"),
    blank((300, 200), "RGBA")],
    ids=["1 x 1", "1 x 1 JPEG", "1 x 1 RGBA", "1 x 1 LA", "transparent"])
def test_an_image_without_text_is_answered(image, sentiment):
    assert classify(sentiment, image) == "NO TEXT"


@pytest.mark.parametrize("name", GOOD_IMAGES)
def test_unusual_images_are_read_right(name, sentiment):
    assert_read(classify(sentiment, GOOD_IMAGES[name]))
