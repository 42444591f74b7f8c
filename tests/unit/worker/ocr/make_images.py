"""Renders the images that the ocr backend's unit tests read, with the font that Pillow brings.

usage: make_images.py DIRECTORY
"""

import json
import pathlib
import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SENTENCE = "The film is a delight from start to finish."
PARAGRAPH = [
    "They said it was the best of blenders,",
    "and it broke on the second day. The box",
    "arrived without a scratch, though, and",
    "they gave me my money back at once.",
]


def render(lines, size, ink=0, paper=255):
    font = ImageFont.load_default(size)
    margin = size
    width = round(max(font.getlength(line) for line in lines)) + 2 * margin
    image = Image.new("L", (width, round(size * 1.4) * len(lines) + 2 * margin), paper)
    draw = ImageDraw.Draw(image)
    for row, line in enumerate(lines):
        draw.text((margin, margin + row * round(size * 1.4)), line, ink, font)
    return image


def word_boxes(line, size):
    """Where `render` puts the words of a single line: [left, top, right, bottom]."""
    font = ImageFont.load_default(size)
    boxes, before = [], ""
    for word in line.split():
        left, top, right, bottom = font.getbbox(word)
        shift = font.getlength(before)
        boxes.append([size + shift + left, size + top, size + shift + right, size + bottom])
        before += word + " "
    return boxes


def lit(image):
    """Dark at the left, light at the right, with a soft step between."""
    x = np.linspace(0, 1, image.width)
    light = 0.2 + 0.5 * x + 0.3 / (1 + np.exp(-(x - 0.4) * 15))
    return Image.fromarray((np.asarray(image) * light).astype(np.uint8))


def specked(image, share):
    random = np.random.default_rng(1)
    pixels = np.array(image)
    drawn = random.random(pixels.shape)
    pixels[drawn < share / 2] = 0
    pixels[drawn > 1 - share / 2] = 255
    return Image.fromarray(pixels)


def turned(image, degrees):
    return image.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=255)


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    sentence = render([SENTENCE], 28)
    paragraph = render(PARAGRAPH, 28)
    (out / "expected.json").write_text(json.dumps({
        "sentence": SENTENCE, "paragraph": "\n".join(PARAGRAPH),
        "boxes": word_boxes(SENTENCE, 28)}))
    sentence.save(out / "sentence.png")
    sentence.convert("RGB").save(out / "sentence.jpg", quality=90)
    sentence.save(out / "sentence.webp", lossless=True)
    sentence.save(out / "sentence.bmp")
    clear = Image.new("RGBA", sentence.size, (0, 0, 0, 0))
    clear.putalpha(Image.eval(sentence, lambda value: 255 - value))
    clear.save(out / "transparent.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # To be shown turned by 90 degrees.
    sentence.rotate(90, expand=True).save(out / "sideways.jpg", exif=exif, quality=90)

    paragraph.save(out / "paragraph.png")
    render(["I think that I'm glad, and so I said it.", "left | middle | right"], 28).save(
        out / "bars.png")
    render(PARAGRAPH, 9).save(out / "small.png")
    lit(paragraph).save(out / "unlevel.png")
    lit(render(PARAGRAPH, 28, 255, 90)).save(out / "unlevel_dark.png")
    turned(paragraph, 4).save(out / "rising.png")
    turned(paragraph, -4).save(out / "falling.png")
    specked(paragraph, 0.05).save(out / "specked.png")
    render([SENTENCE], 28, 240, 20).save(out / "dark.png")
    render(PARAGRAPH * 40, 16).save(out / "long.png")

    Image.new("L", (300, 200), 255).save(out / "blank.png")
    Image.new("L", (1, 1), 0).save(out / "one.png")
    Image.new("L", (1, 20_000), 128).save(out / "tall.png")
    Image.new("L", (20_000, 1), 128).save(out / "wide.png")
    strip = Image.new("L", (40_000, 60), 255)
    strip.paste(sentence.crop((0, 20, sentence.width, 80)), (39_000, 0))
    strip.save(out / "strip.png")
    random = np.random.default_rng(1)
    Image.fromarray(random.integers(0, 256, (300, 400), dtype=np.uint8)).save(out / "noise.png")
    pixels = np.full((1500, 1500), 255, np.uint8)
    pixels[random.random(pixels.shape) < 0.1] = 0
    Image.fromarray(pixels).save(out / "much_noise.png")
    marks = np.full((1400, 1400), 255, np.uint8)
    for row in range(3):
        for column in range(3):
            marks[row::4, column::4] = 0
    Image.fromarray(marks).save(out / "marks.png")
    Image.new("1", (10_000, 10_000), 1).save(out / "huge.png")


if __name__ == "__main__":
    main()
