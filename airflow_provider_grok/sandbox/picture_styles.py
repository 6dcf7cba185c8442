"""How an edit changes a picture: looks chosen by the words of the prompt, so that a person sees what was asked for."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from PIL import Image, ImageChops, ImageColor, ImageDraw, ImageEnhance, ImageFilter, ImageOps

Colour = tuple[int, int, int]
Style = Callable[[Image.Image, random.Random], Image.Image]


def restyle(picture: Image.Image, prompt: str, rng: random.Random) -> Image.Image:
    """Change a picture visibly, by every look and colour its prompt names, else by a turn of its hues.

    :param picture: RGB source, left as it is
    :param prompt: free text; words such as "night", "snow", "vintage" or a CSS colour name steer the change
    :param rng: seeded source of the details
    """
    words = re.findall(r"[a-z]+", prompt.lower())
    looks = [look for pattern, look in STYLES if any(re.fullmatch(pattern, word) for word in words)]
    looks += [_tinted(colour) for colour in _colours(words)]
    for look in looks[:3] or [_other_hues]:
        picture = look(picture, rng)
    return _accent(picture, rng)


def _colours(words: list[str]) -> list[Colour]:
    named = dict.fromkeys(word for word in words if word in ImageColor.colormap)
    return [rgb(word) for word in named]


def rgb(name: str) -> Colour:
    """The colour a CSS name or #hex stands for."""
    red, green, blue = ImageColor.getrgb(name)[:3]
    return red, green, blue


def _duotone(picture: Image.Image, dark: str, light: str, strength: float) -> Image.Image:
    toned = ImageOps.colorize(picture.convert("L"), dark, light)
    return Image.blend(picture, toned, strength)


def _tinted(colour: Colour) -> Style:
    def look(picture: Image.Image, rng: random.Random) -> Image.Image:
        grey = picture.convert("L")
        toned = ImageOps.colorize(grey, "black", "white", mid="#{:02x}{:02x}{:02x}".format(*colour))
        return Image.blend(picture, toned, 0.65)

    return look


def _night(picture: Image.Image, rng: random.Random) -> Image.Image:
    picture = ImageEnhance.Brightness(_duotone(picture, "#02030f", "#7f9bd8", 0.75)).enhance(0.7)
    width, height = picture.size
    _dots(picture, rng, count=60, radius=0.002, colour="#fdf6d8", floor=0.5)
    x, y, r = width * rng.uniform(0.65, 0.85), height * 0.16, min(picture.size) * 0.06
    ImageDraw.Draw(picture).ellipse((x - r, y - r, x + r, y + r), fill="#fdf3c4")
    return picture


def _snow(picture: Image.Image, rng: random.Random) -> Image.Image:
    picture = _duotone(picture, "#26323f", "#ffffff", 0.6)
    _dots(picture, rng, count=220, radius=0.006, colour="white", floor=1.0)
    return picture


def _rain(picture: Image.Image, rng: random.Random) -> Image.Image:
    picture = _duotone(picture, "#10151c", "#a9bccb", 0.6)
    brush, (width, height) = ImageDraw.Draw(picture), picture.size
    for _ in range(140):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        brush.line((x, y, x - width * 0.01, y + height * 0.05), fill="#cfe0ee", width=max(1, width // 600))
    return picture


def _vintage(picture: Image.Image, rng: random.Random) -> Image.Image:
    picture = _duotone(picture, "#2b1a0a", "#f4e3c1", 0.8)
    return ImageChops.multiply(picture, _vignette(picture.size))


def _sunset(picture: Image.Image, rng: random.Random) -> Image.Image:
    glow = ImageOps.colorize(Image.linear_gradient("L"), "#ff7a3d", "#4a1c56").resize(picture.size)
    return Image.blend(picture, glow, 0.5)


def _grey(picture: Image.Image, rng: random.Random) -> Image.Image:
    return ImageOps.autocontrast(picture.convert("L")).convert("RGB")


def _bright(picture: Image.Image, rng: random.Random) -> Image.Image:
    return ImageEnhance.Brightness(ImageEnhance.Color(picture).enhance(1.5)).enhance(1.3)


def _neon(picture: Image.Image, rng: random.Random) -> Image.Image:
    return ImageEnhance.Color(_duotone(picture, "#14002b", "#00f0ff", 0.6)).enhance(2.2)


def _sketch(picture: Image.Image, rng: random.Random) -> Image.Image:
    return ImageOps.invert(picture.convert("L").filter(ImageFilter.FIND_EDGES)).convert("RGB")


def _blur(picture: Image.Image, rng: random.Random) -> Image.Image:
    small = picture.resize((max(1, picture.width // 12), max(1, picture.height // 12)))
    return small.resize(picture.size, Image.Resampling.BICUBIC)


def _other_hues(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Swap the channels, and tint what has no colour: a turn in HSV looks the same and takes ten times as long."""
    red, green, blue = picture.split()
    swapped = Image.merge("RGB", rng.choice([(green, blue, red), (blue, red, green), (blue, green, red)]))
    tint = rgb(f"hsl({rng.randrange(360)},90%,50%)")
    return Image.blend(swapped, Image.new("RGB", picture.size, tint), 0.22)


STYLES: tuple[tuple[str, Style], ...] = (
    ("nights?|midnight|dark|moon(light|lit)?", _night),
    ("snow(y|ing|flakes?)?|winter|ic[ey]|frost(y|ed)?|christmas", _snow),
    ("rain(y|ing)?|storm(y)?|wet", _rain),
    ("vintage|retro|sepia|antique|film|old", _vintage),
    ("sunset|dusk|dawn|golden|autumn|fall|warm", _sunset),
    ("monochrome|noir|grayscale|greyscale|bw", _grey),
    ("sun(ny|ght|light)?|summer|bright(er)?|vivid|day(light)?", _bright),
    ("neon|cyberpunk|synthwave|futuristic", _neon),
    ("sketch|pencil|drawing|lineart|etching", _sketch),
    ("blur(ry|red)?|fog(gy)?|mist(y)?|dream(y)?", _blur),
)


def _vignette(size: tuple[int, int]) -> Image.Image:
    edge = ImageOps.invert(Image.radial_gradient("L")).point([min(255, 70 + step) for step in range(256)])
    return edge.resize(size).convert("RGB")


def _dots(picture: Image.Image, rng: random.Random, *, count: int, radius: float, colour: str, floor: float) -> None:
    brush, (width, height) = ImageDraw.Draw(picture), picture.size
    for _ in range(count):
        x, y = rng.uniform(0, width), rng.uniform(0, height * floor)
        r = max(1.0, width * radius * rng.uniform(0.4, 1.2))
        brush.ellipse((x - r, y - r, x + r, y + r), fill=colour)


def _accent(picture: Image.Image, rng: random.Random) -> Image.Image:
    """A small badge in a corner: two edits with the same words still differ by their seeds."""
    r = min(picture.size) * rng.uniform(0.03, 0.05)
    x, y = rng.uniform(0.05, 0.25) * picture.width, rng.uniform(0.08, 0.3) * picture.height
    colour = tuple(rng.randrange(60, 256) for _ in range(3))
    brush = ImageDraw.Draw(picture)
    brush.regular_polygon((x, y, r), rng.randrange(3, 9), rotation=rng.randrange(90), fill=colour, outline="white")
    return picture
