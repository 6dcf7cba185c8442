"""What is written on pictures and film: a prompt at the foot, and one band for every edit since.

A history is the list of prompts something went through, oldest first; it travels in the file's own comment. Prompts
that stand on a band (edits) begin with `BAND`; the prompt of a first generation is a title on the picture itself.
"""

from __future__ import annotations

from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

MARK, BAND = "xAI sandbox: ", "+ "
MAX_BANDS = 8  # older ones leave the picture, not the history


def pack(history: list[str]) -> str:
    """A history as the text of a file's comment."""
    return MARK + "\n".join(history)


def unpack(comment: str) -> list[str]:
    """The history in a file's comment; empty if the sandbox did not make it."""
    return comment.removeprefix(MARK).split("\n") if comment.startswith(MARK) else []


def prompts(history: list[str]) -> list[str]:
    """The bare prompts, oldest first."""
    return [line.removeprefix(BAND) for line in history]


def one_line(prompt: str) -> str:
    """A prompt as one line of a history, shortened to 300 characters."""
    return " ".join(prompt.split())[:300]


def with_band(history: list[str], prompt: str) -> list[str]:
    """The history after one more edit."""
    return [*history, BAND + one_line(prompt)]


def _bands(history: list[str]) -> list[str]:
    return [line.removeprefix(BAND) for line in history if line.startswith(BAND)][-MAX_BANDS:]


def _band_height(height: int) -> int:
    return max(16, height // 16)


def above_bands(size: tuple[int, int], history: list[str]) -> tuple[int, int]:
    """What is left of a size above its bands."""
    return size[0], max(1, size[1] - len(_bands(history)) * _band_height(size[1]))


def without_bands(picture: Image.Image, history: list[str]) -> Image.Image:
    """The picture above its bands, which are written anew at every step: so all of them stay readable."""
    return picture.crop((0, 0, *above_bands(picture.size, history)))


def strip(size: tuple[int, int], history: list[str]) -> Image.Image:
    """The bands of a history, one below the other.

    :param size: of the whole picture
    """
    letters, width = _band_height(size[1]) * 5 // 8, round(size[0] * 0.94)
    bands = Image.new("RGB", (size[0], max(1, size[1] - above_bands(size, history)[1])), "#16181d")
    for number, text in enumerate(_bands(history)):
        _write(bands, wrap(text, letters, width)[:1], number * _band_height(size[1]) + letters // 5, letters)
    return bands


def banded(picture: Image.Image, bands: Image.Image) -> Image.Image:
    """A picture with its bands below.

    :param picture: of the size that `above_bands` gives
    :param bands: from `strip`
    """
    framed = Image.new("RGB", (picture.width, picture.height + bands.height))
    framed.paste(picture)
    framed.paste(bands, (0, picture.height))
    return framed


def title(picture: Image.Image, prompt: str) -> None:
    """Write a prompt across the foot of a picture, on a shade.

    :param picture: changed in place
    :param prompt: shortened to three lines
    """
    letters = max(14, picture.height // 22)
    lines = wrap(prompt, letters, round(picture.width * 0.94))[:3]
    top = max(0, picture.height - round(letters * 1.3 * len(lines)) - letters // 2)
    foot = picture.crop((0, top, *picture.size)).point([step * 2 // 5 for step in range(256)] * 3)
    picture.paste(foot, (0, top))
    _write(picture, lines, top + letters // 4, letters)


@lru_cache(maxsize=32)
def _font(letters: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(letters)


def wrap(text: str, letters: int, width: int) -> list[str]:
    """Break a text into lines that fit.

    :param text: its first 400 characters count; white space and line ends are one space
    :param letters: height, pixels
    :param width: pixels
    """
    font, lines = _font(letters), [""]
    for word in text[:400].split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _write(picture: Image.Image, lines: list[str], top: int, letters: int) -> None:
    brush, left = ImageDraw.Draw(picture), round(picture.width * 0.03)
    for number, line in enumerate(lines):
        brush.text((left, top + round(number * letters * 1.3)), line, font=_font(letters), fill="#f4f4f0")
