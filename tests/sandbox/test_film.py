"""Videos of the sandbox: real MP4 of the asked length, size and look."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import pytest
from PIL import Image, ImageChops, ImageStat

from airflow_provider_grok.sandbox import draw, film, mp4

SMALL = (160, 90)


def picture(prompt: str, size: tuple[int, int] = SMALL) -> bytes:
    return draw.generate(prompt=prompt, size=size, seed=4)


def frame(video: bytes, second: float) -> Image.Image:
    _, size = film.probe(video)
    return list(mp4.frames(video, size))[int(second * mp4.FPS)]


def gap(one: Image.Image, other: Image.Image) -> float:
    difference = ImageChops.difference(one.convert("RGB"), other.convert("RGB").resize(one.size))
    return sum(ImageStat.Stat(difference).mean) / 3


def test_a_clip_is_h264_with_aac_and_can_be_played_while_it_loads() -> None:
    clip = film.make(seconds=2, size=SMALL, prompt="waves", seed=1)
    with av.open(io.BytesIO(clip)) as container:
        video, audio = container.streams
        assert (video.codec_context.name, video.codec_context.pix_fmt, audio.codec_context.name) == (
            "h264",
            "yuv420p",
            "aac",
        )
        assert video.average_rate is not None
        assert video.average_rate <= Fraction(12)
    assert clip.index(b"moov") < clip.index(b"mdat")
    assert film.probe(clip) == (2.0, SMALL)


def test_a_silent_clip_has_no_audio_stream() -> None:
    clip = film.make(seconds=1, size=SMALL, prompt="waves", seed=1, audio=False)
    with av.open(io.BytesIO(clip)) as container:
        assert len(container.streams.audio) == 0


def test_equal_inputs_make_equal_bytes_and_another_seed_another_clip() -> None:
    one, same, other = (film.make(seconds=1, size=SMALL, prompt="waves", seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one != other


@pytest.mark.parametrize(
    ("resolution", "ratio", "size"),
    [
        ("480p", None, (854, 480)),
        ("720p", "9:16", (720, 1280)),
        ("1080p", "1:1", (1080, 1080)),
        ("480p", "4:3", (640, 480)),
    ],
)
def test_the_shorter_side_is_the_resolution(resolution: str, ratio: str | None, size: tuple[int, int]) -> None:
    assert film.size_for(resolution, ratio, None) == size


def test_a_first_picture_gives_the_clip_its_ratio() -> None:
    assert film.size_for("480p", "16:9", picture("x", (300, 200))) == (720, 480)


def test_a_clip_begins_with_its_first_picture_and_ends_with_its_last() -> None:
    first, last = picture("sun"), picture("snow at night")
    clip = film.make(seconds=2, size=SMALL, prompt="", seed=1, first=first, last=last, audio=False)
    one, other = draw.decode(first), draw.decode(last)
    assert gap(frame(clip, 0), one) < gap(frame(clip, 0), other)
    assert gap(frame(clip, 1.8), other) < gap(frame(clip, 1.8), one)


def test_a_keyframe_shows_at_its_second() -> None:
    first, middle = picture("sun"), picture("snow at night")
    clip = film.make(seconds=3, size=SMALL, prompt="", seed=1, first=first, keyframes=[(1.0, middle)], audio=False)
    assert gap(frame(clip, 1.0), draw.decode(middle)) < gap(frame(clip, 1.0), draw.decode(first))


def test_references_show_in_the_scenery() -> None:
    plain = film.make(seconds=1, size=SMALL, prompt="x", seed=1, audio=False)
    hung = film.make(seconds=1, size=SMALL, prompt="x", seed=1, references=[picture("y")], audio=False)
    assert gap(frame(plain, 0), frame(hung, 0)) > 1


def test_an_edit_keeps_the_length_and_changes_the_look() -> None:
    clip = film.make(seconds=2, size=SMALL, prompt="waves", seed=1)
    edited = film.edit(clip, prompt="make it snow", seed=1)
    assert film.probe(edited) == (2.0, SMALL)
    assert film.captions(edited) == ["waves", "make it snow"]
    assert gap(frame(clip, 1), frame(edited, 1)) > 8


def test_an_edit_of_a_large_clip_comes_in_720p() -> None:
    clip = film.make(seconds=0.25, size=(1920, 1080), prompt="waves", seed=1, audio=False)
    assert film.probe(film.edit(clip, prompt="x", seed=1))[1] == (1280, 720)


def test_an_extension_holds_the_input_and_the_new_part() -> None:
    clip = film.make(seconds=2, size=SMALL, prompt="waves", seed=1)
    longer = film.extend(clip, seconds=3, prompt="the sun sets", seed=1)
    assert film.probe(longer) == (5.0, SMALL)
    assert film.captions(longer) == ["waves", "the sun sets"]
    assert gap(frame(clip, 1), frame(longer, 1)) < 8


@pytest.mark.parametrize("broken", [b"", b"no video", picture("still")])
def test_what_is_no_video_is_refused(broken: bytes) -> None:
    with pytest.raises(ValueError, match=r"video|clip"):
        film.probe(broken)
