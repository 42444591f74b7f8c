#!/usr/bin/env python3
"""Measures how well the ocr worker reads: images of known text, through a gateway, by gRPC.

Renders sentences and pages in several fonts, sizes and states (turned, blurred, as JPEG, faint,
unevenly lit, noisy), adds the photographs that scikit-image ships, and prints for each kind the
character accuracy (1 - edit distance / length, at least 0, averaged over images) and the median
time of an image: with the worker's options as they are (auto), with all preparation off, and of
Debian's `tesseract` program as it comes. Deterministic by --seed.

usage: build/venv/bin/python tests/bench/ocr_accuracy.py [--bin DIR] [--json FILE] [--kinds REGEX]
"""

import argparse
import dataclasses
import io
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

ROOT = pathlib.Path(__file__).resolve().parents[2]
FONTS = pathlib.Path("/usr/share/fonts/truetype")
FACES = ["dejavu/DejaVuSans.ttf", "dejavu/DejaVuSerif.ttf", "liberation/LiberationSans-Regular.ttf",
         "liberation/LiberationSerif-Regular.ttf", "liberation/LiberationMono-Regular.ttf",
         "liberation/LiberationSans-Bold.ttf"]
# Its wheel has the photographs.
SCIKIT_IMAGE = "scikit-image==0.26.0"
OFF = {"upscale": "off", "background": "off", "despeckle": "off", "deskew": "off",
       "min_confidence": 0}

SENTENCES = [
    "The film is a delight from start to finish, and the cast is superb.",
    "I waited three weeks for this blender; it broke on the second day.",
    "Not what I expected, but the soundtrack alone is worth the ticket.",
    "The battery lasts 14 hours, charges in 90 minutes and never gets hot.",
    "Poorly written, badly acted and far too long: avoid it at all costs!",
    "My daughter (aged 7) loved every minute of the show on 21 May.",
    "Quick delivery, great price, and the box arrived without a scratch.",
    "\"Would you buy it again?\" Yes, and I already bought two more.",
    "The plot makes no sense, yet somehow I could not stop watching.",
    "Customer service was rude and refused to refund my $49.95.",
    "A quiet masterpiece; the last scene left the whole room in tears.",
    "The zipper jammed, the strap tore, and the colour faded in a week.",
]

# skimage.data.page(), as a person reads it; the line cut through at its lower edge is left out, and
# so are the 11 rows of pixels that show it.
PAGE_TEXT = """Region-based segmentation
Let us first determine markers of the coins and the background. These markers are pixels that we
can label unambiguously as either object or background. Here, the markers are found at the two
extreme parts of the histogram of grey values:
>>> markers = np.zeros_like(coins)"""
PAGE_ROWS = 180
NO_TEXT_PHOTOS = ["astronaut.png", "brick.png", "camera.png", "cell.png", "coffee.png",
                  "coins.png", "grass.png", "gravel.png", "moon.png", "chelsea.png", "retina.jpg"]


@dataclasses.dataclass
class Sample:
    image: bytes
    text: str


class Maker:
    """Renders text; every random choice comes from the seed and the kind's name."""

    def __init__(self, seed, kind):
        self.random = np.random.default_rng([seed, *kind.encode()])
        self._turn = 0

    def face(self):
        """Every font in its turn."""
        self._turn += 1
        return FACES[self._turn % len(FACES)]

    def sentences(self, count):
        return " ".join(SENTENCES[i] for i in self.random.permutation(len(SENTENCES))[:count])

    def render(self, text, size, columns=60, ink=0, paper=255, margin=None):
        """The text broken into lines of at most `columns` characters, in pixels' size `size`."""
        font = ImageFont.truetype(FONTS / self.face(), size)
        lines, line = [], ""
        for word in text.split():
            if line and len(line) + 1 + len(word) > columns:
                lines.append(line)
                line = word
            else:
                line = f"{line} {word}".strip()
        lines.append(line)
        margin = size if margin is None else margin
        height = round(size * 1.4)
        width = round(max(font.getlength(line) for line in lines)) + 2 * margin
        image = Image.new("L", (width, height * len(lines) + 2 * margin), paper)
        draw = ImageDraw.Draw(image)
        for row, line in enumerate(lines):
            draw.text((margin, margin + row * height), line, ink, font)
        return image


def png(image):
    return encode(image, "PNG")


def encode(image, form, **options):
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def turned(image, degrees):
    return image.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=255)


def lit(image, maker, darkest):
    """As if a lamp stood beyond one corner and something threw a soft shadow."""
    rows, columns = np.mgrid[0:image.height, 0:image.width]
    corner = maker.random.integers(0, 2, 2)
    far = np.hypot(rows / image.height - corner[0], columns / image.width - corner[1]) / 1.42
    shade = maker.random.uniform(0.3, 0.7)
    edge = 1 / (1 + np.exp(-(columns / image.width - shade) * 12))
    light = (1 - (1 - darkest) * far) * (0.75 + 0.25 * edge)
    return Image.fromarray((np.asarray(image) * light).astype(np.uint8))


def noisy(image, maker, sigma):
    pixels = np.asarray(image) + maker.random.normal(0, sigma, (image.height, image.width))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def specked(image, maker, share):
    pixels = np.array(image)
    drawn = maker.random.random(pixels.shape)
    pixels[drawn < share / 2] = 0
    pixels[drawn > 1 - share / 2] = 255
    return Image.fromarray(pixels)


def scan(maker):
    """A Letter page at 300 dpi: a headline, rules and three sizes of text, scanned a bit askew."""
    page = Image.new("L", (2550, 3300), 250)
    draw = ImageDraw.Draw(page)
    said = []
    top = 250
    for size, count, columns in ((90, 1, 40), (46, 12, 80), (38, 12, 100), (34, 12, 110)):
        text = maker.sentences(count)
        block = maker.render(text, size, columns=columns, paper=250, margin=0)
        page.paste(block.crop((0, 0, min(block.width, 2200), block.height)), (180, top))
        top += block.height + 90
        draw.line((180, top - 45, 2370, top - 45), 60, 3)
        said.append(text)
    page = noisy(page.rotate(0.6, Image.Resampling.BICUBIC, fillcolor=250), maker, 6)
    return Sample(encode(page.filter(ImageFilter.GaussianBlur(0.8)), "JPEG", quality=75),
                  "\n".join(said))


def phone_photo(maker):
    """A page photographed by hand: uneven light, two degrees askew, slightly soft, JPEG."""
    text = maker.sentences(8)
    page = maker.render(text, 20, columns=64, margin=40)
    page = turned(page, maker.random.uniform(1.5, 2.5) * maker.random.choice([-1, 1]))
    page = noisy(lit(page, maker, 0.35).filter(ImageFilter.GaussianBlur(0.7)), maker, 4)
    return Sample(encode(page, "JPEG", quality=60), text)


def panels(maker):
    """Dark text on white above light text on a dark panel: its background is uneven, its light is
    not."""
    above, below = maker.sentences(3), maker.sentences(2)
    top = maker.render(above, 24)
    bottom = maker.render(below, 24, ink=255, paper=60)
    page = Image.new("L", (max(top.width, bottom.width) + 40, top.height + bottom.height + 60), 255)
    page.paste(top, (20, 20))
    page.paste(bottom, (20, top.height + 40))
    return Sample(png(page), f"{above}\n{below}")


def picture(maker, photo):
    """Text beside a photograph."""
    text = maker.sentences(3)
    block = maker.render(text, 22, columns=40)
    size = (block.width + photo.width + 40, max(block.height, photo.height) + 40)
    page = Image.new("L", size, 255)
    page.paste(block, (20, 20))
    page.paste(photo, (block.width + 20, 20))
    return Sample(png(page), text)


def sentence_kinds():
    """Kind -> how many sentences, and how an image is made of them."""
    kinds = {}
    for size in (8, 9, 10, 12, 14, 16, 20, 24, 32, 40):
        kinds[f"{size} px"] = (1, lambda m, t, s=size: png(m.render(t, s)))
    kinds["24 px, no margin"] = (1, lambda m, t: png(m.render(t, 24, margin=2)))
    kinds["100 px"] = (1, lambda m, t: png(m.render(t, 100, columns=24)))
    for degrees in (1, 3, 5):
        kinds[f"turned {degrees} degrees"] = (
            4, lambda m, t, d=degrees: png(turned(m.render(t, 24), d * m.random.choice([-1, 1]))))
    kinds["turned 3 degrees, one line"] = (
        1, lambda m, t: png(turned(m.render(t, 24, columns=99), 3 * m.random.choice([-1, 1]))))
    kinds["turned 3 degrees, 12 px"] = (
        4, lambda m, t: png(turned(m.render(t, 12), 3 * m.random.choice([-1, 1]))))
    for radius in (1, 2, 3):
        kinds[f"blur {radius} px"] = (1, lambda m, t, r=radius: png(
            m.render(t, 24).filter(ImageFilter.GaussianBlur(r))))
    for quality in (50, 20, 8):
        kinds[f"JPEG quality {quality}"] = (1, lambda m, t, q=quality: encode(
            m.render(t, 20), "JPEG", quality=q))
    kinds["JPEG quality 20, 12 px"] = (1, lambda m, t: encode(m.render(t, 12), "JPEG", quality=20))
    kinds["faint"] = (1, lambda m, t: png(m.render(t, 24, ink=170, paper=200)))
    kinds["faint, 12 px"] = (1, lambda m, t: png(m.render(t, 12, ink=170, paper=200)))
    kinds["light on dark"] = (1, lambda m, t: png(m.render(t, 20, ink=240, paper=30)))
    kinds["light on dark, 12 px"] = (1, lambda m, t: png(m.render(t, 12, ink=240, paper=30)))
    kinds["uneven light"] = (4, lambda m, t: png(lit(m.render(t, 24), m, 0.25)))
    kinds["uneven light, 12 px"] = (4, lambda m, t: png(lit(m.render(t, 12), m, 0.25)))
    kinds["uneven light, dark ground"] = (
        4, lambda m, t: png(lit(m.render(t, 24, ink=255, paper=100), m, 0.4)))
    for sigma in (20, 50):
        kinds[f"noise {sigma}"] = (1, lambda m, t, s=sigma: png(noisy(m.render(t, 24), m, s)))
    kinds["noise 20, 12 px"] = (1, lambda m, t: png(noisy(m.render(t, 12), m, 20)))
    kinds["specks 1 %"] = (1, lambda m, t: png(specked(m.render(t, 24), m, 0.01)))
    kinds["specks 5 %"] = (1, lambda m, t: png(specked(m.render(t, 24), m, 0.05)))
    return kinds


def photographs(cache):
    """Name -> PNG or JPEG of scikit-image's data; fetched once."""
    cache.mkdir(parents=True, exist_ok=True)
    if not list(cache.glob("scikit_image*.whl")):
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
                        "--only-binary=:all:", "--dest", cache, SCIKIT_IMAGE], check=True)
    (wheel,) = cache.glob("scikit_image*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = [*NO_TEXT_PHOTOS, "page.png"]
        return {name: archive.read(f"skimage/data/{name}") for name in names}


def make_samples(seed, count, wanted, photos):
    """Kind -> samples."""
    made = {}
    for kind, (sentences, make) in sentence_kinds().items():
        if wanted.search(kind):
            maker = Maker(seed, kind)
            texts = [maker.sentences(sentences) for _ in range(count)]
            made[kind] = [Sample(make(maker, text), text) for text in texts]
    for kind, make, repeats in (("panels", panels, count), ("phone photo", phone_photo, count),
                                ("scan, 2550x3300", scan, 2)):
        if wanted.search(kind):
            maker = Maker(seed, kind)
            made[kind] = [make(maker) for _ in range(repeats)]
    if not photos:
        return made
    opened = {name: Image.open(io.BytesIO(data)).convert("L") for name, data in photos.items()}
    if wanted.search("beside a photograph"):
        maker = Maker(seed, "beside a photograph")
        made["beside a photograph"] = [picture(maker, opened[name].resize((400, 400)))
                                       for name in NO_TEXT_PHOTOS[:6]]
    if wanted.search("page.png"):
        page = opened["page.png"]
        made["page.png (photograph)"] = [
            Sample(png(page.crop((0, 0, page.width, PAGE_ROWS))), PAGE_TEXT)]
    if wanted.search("no text"):
        made["no text (photographs)"] = [Sample(photos[name], "") for name in NO_TEXT_PHOTOS]
    return made


def edit_distance(one, two):
    """Levenshtein's, a row at a time."""
    codes = np.array([ord(c) for c in two])
    places = np.arange(len(two) + 1)
    row = places.copy()
    for number, character in enumerate(one, 1):
        new = np.empty_like(row)
        new[0] = number
        new[1:] = np.minimum(row[1:] + 1, row[:-1] + (codes != ord(character)))
        row = np.minimum.accumulate(new - places) + places
    return int(row[-1])


def accuracy(read, text):
    """Line breaks count as spaces. Of an image without text: 1 if none was read."""
    read, text = " ".join(read.split()), " ".join(text.split())
    if not text:
        return float(not read)
    return max(0.0, 1 - edit_distance(text, read) / len(text))


class Gateway:
    """One runner a variant."""

    def __init__(self, variants):
        import harness  # pylint: disable=import-outside-toplevel

        runners = "".join(f"  {name}: {{backend: ocr, resources: {{cpu: 1}}, options: "
                          f"{json.dumps(options)}}}\n" for name, options in variants.items())
        apis = "".join(f"  read_{name}:\n    input: {{image: image}}\n    steps:\n"
                       f"      text: {name}(image)\n    output: {{text: text}}\n    timeout: 120s\n"
                       for name in variants)
        self._server = harness.Server(f"service: accuracy\nrunners:\n{runners}apis:\n{apis}")

    def __enter__(self):
        self._server.__enter__()
        return self

    def __exit__(self, *error):
        self._server.__exit__(*error)

    def read(self, variant, image):
        outputs = self._server.infer(f"accuracy.read_{variant}", timeout=120, image=image)
        return outputs["text"][0].decode()


def read_by_program(image):
    done = subprocess.run(["tesseract", "stdin", "stdout"], input=image, capture_output=True,
                          check=False, env={**os.environ, "OMP_THREAD_LIMIT": "1"}, timeout=300)
    return done.stdout.decode(errors="replace")


def measure(samples, readers, verbose):
    """A row per kind."""
    rows = []
    for kind, images in samples.items():
        row = {"kind": kind, "images": len(images)}
        for name, read in readers.items():
            scores, times = [], []
            for sample in images:
                start = time.monotonic()
                said = read(sample.image)
                times.append((time.monotonic() - start) * 1e3)
                scores.append(accuracy(said, sample.text))
                if verbose and scores[-1] < 0.98:
                    print(f"{kind}, {name}, {scores[-1]:.3f}:\n  {sample.text!r}\n  {said!r}")
            row[name] = {"accuracy": statistics.mean(scores), "ms": statistics.median(times)}
        rows.append(row)
        print(as_line(row, readers), flush=True)
    return rows


def as_line(row, readers):
    cells = "".join(f"{row[name]['accuracy'] * 100:9.1f}{row[name]['ms']:8.0f}" for name in readers)
    return f"{row['kind']:28}{row['images']:7}{cells}"


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin",
                        help="where the programs are (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--images", type=int, default=12, help="of a kind (default: %(default)s)")
    parser.add_argument("--kinds", type=re.compile, default=re.compile(""), metavar="REGEX")
    parser.add_argument("--variant", action="append", default=[], metavar="NAME=JSON",
                        help="more options to try, such as even='{\"background\": \"on\"}'")
    parser.add_argument("--no-program", action="store_true", help="leave Debian's program out")
    parser.add_argument("--json", type=pathlib.Path, help="write the rows here too")
    parser.add_argument("--verbose", action="store_true", help="show what was read wrongly")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    os.environ["TIFFIN_BIN_DIR"] = str(arguments.bin.resolve())
    sys.path.insert(0, str(ROOT / "tests/integration"))
    try:
        photos = photographs(ROOT / "build/bench/photographs")
    except (OSError, subprocess.CalledProcessError) as error:
        photos = {}
        print(f"ocr_accuracy: without photographs: {error}", file=sys.stderr)
    samples = make_samples(arguments.seed, arguments.images, arguments.kinds, photos)
    variants = {"auto": {}, "off": OFF}
    for variant in arguments.variant:
        name, _, options = variant.partition("=")
        variants[name] = json.loads(options)
    with Gateway(variants) as gateway:
        readers = {name: lambda image, n=name: gateway.read(n, image) for name in variants}
        if not arguments.no_program and shutil.which("tesseract"):
            readers["program"] = read_by_program
        print(f"{'':35}" + "".join(f"{name:>17}" for name in readers))
        print(f"{'kind':28}{'images':>7}" + f"{'% right':>9}{'ms':>8}" * len(readers))
        rows = measure(samples, readers, arguments.verbose)
    if arguments.json:
        arguments.json.write_text(json.dumps({"seed": arguments.seed, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
