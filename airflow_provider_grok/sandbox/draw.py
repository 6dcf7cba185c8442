"""Pictures of the sandbox: made from the prompt and a seed, and edits that visibly change their source."""

from __future__ import annotations

import io
import random
from math import sqrt

from PIL import Image, ImageDraw, ImageOps

from airflow_provider_grok.sandbox import lettering, picture_styles

MAX_SOURCE_PIXELS = 50_000_000
SIDES = {"1k": 1024, "1.5k": 1536, "2k": 2048}
MAX_SIDE = SIDES["2k"]
CANVAS = 512  # scenery is painted at most this wide and enlarged: cheap, and soft edges suit it
FORMATS = ("JPEG", "PNG", "WEBP")


def size_for(aspect_ratio: str, resolution: str) -> tuple[int, int]:
    """Pixels of a picture (docs.x.ai, Image generation: 1k is about 1 megapixel, 2k about 4).

    :param aspect_ratio: ``W:H``, decimals allowed, or ``auto`` (square)
    :param resolution: ``1k``, ``1.5k`` or ``2k``
    """
    across, down = (1.0, 1.0) if aspect_ratio == "auto" else map(float, aspect_ratio.split(":"))
    side, ratio = SIDES[resolution], sqrt(across / down)
    return _even(side * ratio), _even(side / ratio)


def _even(length: float) -> int:
    return max(16, 8 * round(length / 8))


def generate(*, prompt: str, size: tuple[int, int], seed: int) -> bytes:
    """Paint a picture and write its prompt on it.

    :param prompt: what was asked for
    :param size: pixels
    :param seed: equal inputs give equal bytes
    :returns: a JPEG
    """
    rng = random.Random(f"{seed}/{prompt}")  # noqa: S311 - repeatable pictures, no secrets
    picture = scenery(prompt, size, rng)
    lettering.title(picture, prompt)
    return encode(picture, [lettering.one_line(prompt)])


def edit(
    sources: list[bytes], *, prompt: str, size: tuple[int, int] | None, seed: int, resolution: str = "1k"
) -> bytes:
    """Change a picture so that one sees it, and add its prompt below the captions it already has.

    :param sources: JPEG, PNG or WebP; the first is changed, the others are set into it
    :param prompt: what was asked for
    :param size: pixels; None takes the first source's, see `resolution`
    :param resolution: ``1k`` keeps a source's own pixels (at most 2048 on a side); a higher one makes more of them
    :param seed: equal inputs give equal bytes
    :returns: a JPEG
    :raises ValueError: a source is no such picture, or too large
    """
    rng = random.Random(f"{seed}/{prompt}")  # noqa: S311 - repeatable pictures, no secrets
    first, history = decode(sources[0], near=size), _history(sources[0])
    size = size or _resized(first.size, resolution)
    scene = lettering.without_bands(first, history)
    history = lettering.with_band(history, prompt)
    picture = ImageOps.fit(scene, lettering.above_bands(size, history), Image.Resampling.BILINEAR)
    picture = picture_styles.restyle(picture, prompt, rng)
    set_in(picture, [decode(source, near=size) for source in sources[1:]])
    return encode(lettering.banded(picture, lettering.strip(size, history)), history)


def _resized(size: tuple[int, int], resolution: str) -> tuple[int, int]:
    if resolution == "1k":
        return _within(size, MAX_SIDE)
    return _within(size_for(f"{size[0]}:{size[1]}", resolution), 2 * MAX_SIDE)


def _within(size: tuple[int, int], longest: int) -> tuple[int, int]:
    shrink = min(1.0, longest / max(size))
    return max(1, round(size[0] * shrink)), max(1, round(size[1] * shrink))


def decode(source: bytes, near: tuple[int, int] | None = None) -> Image.Image:
    """Open a picture that somebody else made.

    :param source: JPEG, PNG or WebP
    :param near: a size about which it will be shown: a large JPEG is then read in a fraction of the time
    :raises ValueError: it is broken, of another kind, or has over 50 million pixels
    """
    try:
        picture = Image.open(io.BytesIO(source), formats=FORMATS)
        if picture.width * picture.height > MAX_SOURCE_PIXELS:
            raise ValueError(f"picture of {picture.width} x {picture.height}: at most {MAX_SOURCE_PIXELS} pixels")
        if near:
            picture.draft("RGB", near)
        upright = ImageOps.exif_transpose(picture)
        return _on_white(upright)
    except ValueError:
        raise
    except Exception as error:  # broken data makes Pillow raise OSError, SyntaxError, struct.error and more
        raise ValueError("not a readable JPEG, PNG or WebP picture") from error


def _on_white(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")


def captions(source: bytes) -> list[str]:
    """The prompts a sandbox picture went through, oldest first; empty for any other picture.

    :param source: JPEG, PNG or WebP
    :raises ValueError: not a picture
    """
    return lettering.prompts(_history(source))


def _history(source: bytes) -> list[str]:
    try:
        with Image.open(io.BytesIO(source), formats=FORMATS) as picture:
            comment = picture.info.get("comment", b"")
    except Exception as error:  # see `decode`
        raise ValueError("not a readable JPEG, PNG or WebP picture") from error
    return lettering.unpack(comment.decode("utf-8", "replace") if isinstance(comment, bytes) else str(comment))


def encode(picture: Image.Image, history: list[str]) -> bytes:
    """A JPEG with its prompts in the comment: the next edit reads them there.

    :param picture: RGB
    :param history: see `lettering`
    """
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=82, comment=lettering.pack(history).encode())
    return buffer.getvalue()


def scenery(prompt: str, size: tuple[int, int], rng: random.Random) -> Image.Image:
    """A sky, a sun and hills in colours drawn from the rng, restyled by the words of the prompt.

    :param prompt: what was asked for
    :param size: pixels
    :param rng: seeded source of everything else
    """
    small = _within(size, CANVAS)
    hue = rng.randrange(360)
    sky = ImageOps.colorize(Image.linear_gradient("L"), _hsl(hue, 60, 45), _hsl(hue + 40, 75, 80)).resize(small)
    brush = ImageDraw.Draw(sky)
    x, y = small[0] * rng.uniform(0.2, 0.8), small[1] * rng.uniform(0.2, 0.45)
    r = min(small) * rng.uniform(0.08, 0.16)
    brush.ellipse((x - r, y - r, x + r, y + r), fill=_hsl(hue + 60, 90, 88))
    for layer in range(4):
        brush.polygon(_hill(small, layer, rng), fill=_hsl(hue + 150 + 12 * layer, 45, 52 - 10 * layer))
    return picture_styles.restyle(sky, prompt, rng).resize(size, Image.Resampling.BILINEAR)


def _hsl(hue: int, saturation: int, lightness: int) -> str:
    return "#{:02x}{:02x}{:02x}".format(*picture_styles.rgb(f"hsl({hue % 360},{saturation}%,{lightness}%)"))


def _hill(size: tuple[int, int], layer: int, rng: random.Random) -> list[tuple[float, float]]:
    width, height = size
    base, steps = height * (0.5 + 0.12 * layer), 7
    ridge = [(width * step / steps, base + height * rng.uniform(-0.09, 0.09)) for step in range(steps + 1)]
    return [(0, height), *ridge, (width, height)]


def set_in(picture: Image.Image, others: list[Image.Image]) -> None:
    """Hang pictures as framed prints down the right side, so that each can be told apart.

    :param picture: changed in place
    :param others: any number
    """
    edge = min(picture.size) // 4
    for place, other in enumerate(others):
        frame = ImageOps.expand(ImageOps.fit(other, (edge, edge)), max(2, edge // 30), "white")
        across, down = divmod(place, 3)
        picture.paste(frame, (picture.width - (across + 1) * round(edge * 1.15), round(edge * (0.1 + 1.2 * down))))
