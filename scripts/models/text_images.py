"""Images of sentences, as one meets them: several fonts, lines, colors, a tilt, a JPEG."""

import dataclasses
import pathlib
import textwrap

from models.console import Problem

FONTS = pathlib.Path("/usr/share/fonts/truetype/dejavu")
PACKAGE = "fonts-dejavu-core"
MARGIN = 24  # In pixels, as all sizes here.
LINE_HEIGHT = 1.4  # In font sizes.


@dataclasses.dataclass(frozen=True)
class Look:
    font: str = "DejaVuSans"
    size: int = 28
    columns: int = 200  # A longer line is broken there.
    ink: str = "black"
    paper: str = "white"
    degrees: float = 0
    ending: str = ".png"


LOOKS = {
    "plain": Look(),
    "serif": Look(font="DejaVuSerif", columns=40),
    "bold": Look(font="DejaVuSans-Bold", size=24, columns=48),
    "mono": Look(font="DejaVuSansMono", size=22, columns=44),
    "tilted": Look(degrees=2, columns=44),
    "jpeg": Look(ending=".jpg", columns=40),
    "light_on_dark": Look(ink="white", paper="#203040", columns=40),
    "gray": Look(font="DejaVuSerif", size=32, columns=36, ink="#404040", paper="#d8d4c8"),
}
NO_TEXT = "no_text.png"


def render(text, look):
    from PIL import Image, ImageDraw, ImageFont

    path = FONTS / f"{look.font}.ttf"
    if not path.is_file():
        raise Problem(f"the font {path} is missing: install {PACKAGE}, as scripts/setup does")
    font = ImageFont.truetype(str(path), look.size)
    lines = textwrap.wrap(text, look.columns, break_long_words=False)
    height = round(look.size * LINE_HEIGHT)
    width = max(round(font.getlength(line)) for line in lines)
    image = Image.new(
        "RGB", (width + 2 * MARGIN, height * len(lines) + 2 * MARGIN), look.paper)
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((MARGIN, MARGIN + number * height), line, look.ink, font)
    if look.degrees:
        image = image.rotate(
            look.degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=look.paper)
    return image


def render_shapes():
    """A picture without any text: two hills below a sun."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (480, 320), "#c8e0f0")
    draw = ImageDraw.Draw(image)
    draw.ellipse((340, 40, 420, 120), "#f8d060")
    draw.ellipse((-160, 180, 320, 560), "#78a868")
    draw.ellipse((160, 220, 680, 600), "#5c9058")
    return image


def write(folder, texts):
    """Writes an image of each text, look after look, and one without; returns file name -> text."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for number, text in enumerate(texts):
        name, look = list(LOOKS.items())[number % len(LOOKS)]
        # The first of a look goes by its name alone.
        turn = number // len(LOOKS)
        file = f"{name}{f'_{turn + 1}' if turn else ''}{look.ending}"
        image = render(text, look)
        image.save(folder / file, **({"quality": 70} if look.ending == ".jpg" else {}))
        written[file] = text
    render_shapes().save(folder / NO_TEXT)
    written[NO_TEXT] = ""
    return written
