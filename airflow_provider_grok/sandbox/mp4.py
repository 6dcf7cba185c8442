"""MP4 files in and out: frames to H.264 with a soft tone, and any clip back to frames."""

from __future__ import annotations

import io
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import lru_cache
from math import ceil, pi, sin
from pathlib import Path
from typing import Any, TypeVar

import av
from PIL import Image

from airflow_provider_grok.sandbox import lettering

FPS = 8
SOUND_RATE = 24_000
LONGEST_SOURCE = 60.0
MAX_FRAME_PIXELS = 4096 * 2304
Size = tuple[int, int]
T = TypeVar("T")


def probe(video: bytes) -> tuple[float, Size]:
    """Length in seconds and size in pixels of a clip.

    :param video: MP4
    :raises ValueError: not a video, or larger than 4096 x 2304 or a minute
    """
    return _with(video, _measure)


def _measure(container: Any) -> tuple[float, Size]:
    if not container.streams.video:
        raise ValueError("no video stream")
    stream = container.streams.video[0]
    length = stream.duration * stream.time_base if stream.duration else Fraction(container.duration or 0, av.time_base)
    if not 0 < length <= LONGEST_SOURCE or stream.width * stream.height > MAX_FRAME_PIXELS:
        raise ValueError(
            f"{float(length):.1f} s of {stream.width} x {stream.height} pixels is no clip of up to a minute"
        )
    return float(length), (int(stream.width), int(stream.height))


def history(video: bytes) -> list[str]:
    """The history in a clip's comment (see `lettering`); empty if the sandbox did not make it.

    :raises ValueError: not a video
    """
    return lettering.unpack(_with(video, lambda container: str(container.metadata.get("comment", ""))))


def has_sound(video: bytes) -> bool:
    """Whether a clip has an audio stream.

    :raises ValueError: not a video
    """
    return _with(video, lambda container: bool(container.streams.audio))


def _open(video: bytes) -> Any:
    """Open an MP4, and nothing else: FFmpeg would take a playlist or a session description for a video, and read local
    files or open sockets for it.

    :raises ValueError: not an MP4
    """
    if video[4:8] != b"ftyp":
        raise ValueError("not a readable video: an MP4 begins with an ftyp box")
    return av.open(io.BytesIO(video), format="mp4")


def _with(video: bytes, read: Callable[[Any], T]) -> T:
    try:
        with _open(video) as container:
            return read(container)
    except Exception as error:  # broken data makes PyAV raise errors of FFmpeg, AttributeError, MemoryError
        if type(error) is ValueError:  # our own words; some errors of FFmpeg are of a class below
            raise
        raise ValueError("not a readable video") from error


def frames(video: bytes, size: Size) -> Iterator[Image.Image]:
    """The clip at our own pace: for every eighth of a second the frame that is shown then.

    :param video: MP4
    :param size: pixels to which the frames are scaled
    :raises ValueError: not a video
    """
    seconds, _ = probe(video)
    due, shown = 0, None
    with _open(video) as container:
        for frame in container.decode(video=0):
            while shown is not None and frame.time is not None and due / FPS < frame.time - 1e-6:
                yield shown.to_image(width=size[0], height=size[1])
                due += 1
            shown = frame
    if shown is None:
        raise ValueError("the video has no frames")
    while due < ceil(seconds * FPS - 1e-6):
        yield shown.to_image(width=size[0], height=size[1])
        due += 1


def encode(
    images: Iterable[Image.Image], size: Size, *, history: list[str], seconds: float, pitch: int | None
) -> bytes:
    """An MP4 that a browser can play while it loads.

    :param images: one for every eighth of a second
    :param size: of the images; both sides even
    :param history: prompts, for the comment (see `lettering`)
    :param seconds: length of the sound
    :param pitch: of the tone, Hz; None for a silent clip
    """
    # A file, not memory: moving the index to the front ("faststart") makes FFmpeg open its output a second time.
    with tempfile.TemporaryDirectory(prefix="grok-sandbox-") as folder:
        path = Path(folder) / "clip.mp4"
        with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
            container.metadata["comment"] = lettering.pack(history)
            picture = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "crf": "28"})
            picture.width, picture.height = size
            picture.pix_fmt = "yuv420p"
            sound = container.add_stream("aac", rate=SOUND_RATE, layout="mono") if pitch else None
            _mux_pictures(container, picture, images)
            if sound and pitch:
                _mux_sound(container, sound, pitch, seconds)
        return path.read_bytes()


def _mux_pictures(container: Any, stream: Any, images: Iterable[Image.Image]) -> None:
    for number, image in enumerate(images):
        frame = av.VideoFrame.from_image(image)  # type: ignore[no-untyped-call]
        frame.pts, frame.time_base = number, Fraction(1, FPS)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _mux_sound(container: Any, stream: Any, pitch: int, seconds: float) -> None:
    tone, block = _tone(pitch), 1024
    for start in range(0, int(seconds * SOUND_RATE) - block, block):
        frame = av.AudioFrame(format="s16", layout="mono", samples=block)
        frame.rate, frame.pts, frame.time_base = SOUND_RATE, start, Fraction(1, SOUND_RATE)
        offset = start % SOUND_RATE
        frame.planes[0].update((tone[offset:] + tone[:offset])[:block].tobytes())
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


@lru_cache(maxsize=8)
def _tone(pitch: int) -> array[int]:
    """One second of a soft chord that swells and sinks; it can be repeated without a click."""
    turns = [2 * pi * step / SOUND_RATE for step in range(SOUND_RATE)]
    return array(
        "h", (round(1500 * (1 - sin(turn) / 2) * (sin(pitch * turn) + sin(2 * pitch * turn) / 3)) for turn in turns)
    )
