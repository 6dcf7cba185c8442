"""Videos of the sandbox: real MP4 clips that move slowly over their pictures and carry their prompts."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence

from PIL import Image, ImageOps

from airflow_provider_grok.sandbox import draw, lettering, mp4, picture_styles
from airflow_provider_grok.sandbox.mp4 import Size, probe

__all__ = ["captions", "edit", "extend", "make", "probe", "size_for"]
SHORT_SIDES = {"480p": 480, "720p": 720, "1080p": 1080}


def size_for(resolution: str, aspect_ratio: str | None, picture: bytes | None) -> Size:
    """Pixels of a clip, both sides even, as H.264 wants them.

    :param resolution: ``480p``, ``720p`` or ``1080p``: the shorter side
    :param aspect_ratio: ``W:H``; None means 16:9
    :param picture: a first frame; its ratio then counts, kept within 1:2.5 and 2.5:1
    :raises ValueError: `picture` is no picture
    """
    across, down = draw.decode(picture).size if picture else map(float, (aspect_ratio or "16:9").split(":"))
    ratio, side = min(2.5, max(0.4, across / down)), SHORT_SIDES[resolution]
    return (_even(side * ratio), side) if ratio >= 1 else (side, _even(side / ratio))


def _even(length: float) -> int:
    return max(16, 2 * round(length / 2))


def captions(video: bytes) -> list[str]:
    """The prompts a sandbox clip went through, oldest first; empty for any other.

    :param video: MP4
    :raises ValueError: not a video
    """
    return lettering.prompts(mp4.history(video))


def make(
    *,
    seconds: float,
    size: Size,
    prompt: str,
    seed: int,
    first: bytes | None = None,
    last: bytes | None = None,
    keyframes: Sequence[tuple[float, bytes]] = (),
    references: Sequence[bytes] = (),
    audio: bool = True,
) -> bytes:
    """Film a slow move over the given pictures, or over a scenery painted from the prompt.

    :param seconds: length
    :param size: pixels, even
    :param prompt: written at the foot
    :param seed: equal inputs give equal bytes
    :param first: picture the clip begins with
    :param last: picture it ends with
    :param keyframes: pictures in between, each with its second
    :param references: pictures that are set into the scenery
    :param audio: add a soft tone
    :returns: an MP4
    :raises ValueError: one of the pictures is broken
    """
    rng = random.Random(f"{seed}/{prompt}")  # noqa: S311 - repeatable films, no secrets
    history = [lettering.one_line(prompt)]
    opening = draw.decode(first, near=size) if first else draw.scenery(prompt, size, rng)
    draw.set_in(opening, [draw.decode(reference, near=size) for reference in references])
    stops = [(0.0, opening), *((at, draw.decode(picture, near=size)) for at, picture in keyframes)]
    if last:
        stops.append((seconds, draw.decode(last, near=size)))
    frames = _titled(_moving(stops, seconds, size, rng), prompt)
    return mp4.encode(frames, size, history=history, seconds=seconds, pitch=_pitch(seed) if audio else None)


def edit(video: bytes, *, prompt: str, seed: int) -> bytes:
    """Change every frame of a clip and add the prompt below the captions it already has.

    :param video: MP4
    :param prompt: steers the change as in `picture_styles`
    :param seed: equal inputs give equal bytes
    :returns: an MP4 of the same length and ratio, at most 720p
    :raises ValueError: not a video
    """
    (seconds, whole), history, audio = probe(video), mp4.history(video), mp4.has_sound(video)
    size = _at_most_720p(whole)
    newer = lettering.with_band(history, prompt)
    bands, above = lettering.strip(size, newer), lettering.above_bands(size, newer)

    def changed(frame: Image.Image) -> Image.Image:
        rng = random.Random(f"{seed}/{prompt}")  # noqa: S311 - the same details on every frame
        scene = ImageOps.fit(lettering.without_bands(frame, history), above, Image.Resampling.BILINEAR)
        return lettering.banded(picture_styles.restyle(scene, prompt, rng), bands)

    frames = map(changed, mp4.frames(video, size))
    return mp4.encode(frames, size, history=newer, seconds=seconds, pitch=_pitch(seed) if audio else None)


def extend(video: bytes, *, seconds: float, prompt: str, seed: int) -> bytes:
    """Go on from the last frame of a clip; the answer holds both parts.

    :param video: MP4
    :param seconds: length of the added part
    :param prompt: written at the foot of the added part
    :param seed: equal inputs give equal bytes
    :returns: an MP4 of the same size
    :raises ValueError: not a video
    """
    (before, whole), history, audio = probe(video), mp4.history(video), mp4.has_sound(video)
    size = _even(whole[0]), _even(whole[1])
    rng = random.Random(f"{seed}/{prompt}")  # noqa: S311 - repeatable films, no secrets
    newer = lettering.with_band(history, prompt)
    bands, above = lettering.strip(size, newer), lettering.above_bands(size, newer)

    def both() -> Iterator[Image.Image]:
        frame = Image.new("RGB", size)
        for frame in mp4.frames(video, size):
            yield frame
        scene = lettering.without_bands(frame, history)
        stops = [(0.0, scene), (seconds, picture_styles.restyle(scene.copy(), prompt, rng))]
        yield from (lettering.banded(moved, bands) for moved in _moving(stops, seconds, above, rng))

    return mp4.encode(both(), size, history=newer, seconds=before + seconds, pitch=_pitch(seed) if audio else None)


def _at_most_720p(size: Size) -> Size:
    shrink = min(1.0, 720 / min(size))
    return _even(size[0] * shrink), _even(size[1] * shrink)


def _moving(
    stops: list[tuple[float, Image.Image]], seconds: float, size: Size, rng: random.Random
) -> Iterator[Image.Image]:
    """Fade from each picture to the next while the view moves across: cropping is cheap, scaling is not."""
    larger = round(size[0] * 1.1), round(size[1] * 1.1)
    still = [(at, ImageOps.fit(picture, larger, Image.Resampling.BILINEAR)) for at, picture in stops]
    room, mirrored = (larger[0] - size[0], larger[1] - size[1]), rng.random() < 0.5
    for number in range(round(seconds * mp4.FPS)):
        gone = number / (seconds * mp4.FPS)
        left, top = round(room[0] * (1 - gone if mirrored else gone)), round(room[1] * gone)
        yield _between(still, number / mp4.FPS).crop((left, top, left + size[0], top + size[1]))


def _between(stops: list[tuple[float, Image.Image]], now: float) -> Image.Image:
    before = max((stop for stop in stops if stop[0] <= now), key=lambda stop: stop[0])
    after = min((stop for stop in stops if stop[0] > now), key=lambda stop: stop[0], default=None)
    if after is None:
        return before[1]
    return Image.blend(before[1], after[1], (now - before[0]) / (after[0] - before[0]))


def _titled(frames: Iterable[Image.Image], prompt: str) -> Iterator[Image.Image]:
    for frame in frames:
        lettering.title(frame, prompt)
        yield frame


def _pitch(seed: int) -> int:
    return (220, 262, 294, 330, 392, 440)[seed % 6]
