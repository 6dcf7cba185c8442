"""Pictures of the sandbox: repeatable, of the asked size, and visibly changed by an edit."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageChops, ImageStat

from airflow_provider_grok.sandbox import draw


def painted(kind: str = "PNG", size: tuple[int, int] = (120, 80), colour: str = "#a06030") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, kind)
    return buffer.getvalue()


def opened(picture: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(picture))
    image.load()
    return image


def difference(one: bytes, other: bytes) -> float:
    """Mean difference of two pictures, 0 to 255 per channel, of their upper halves where no caption stands."""
    first, second = (opened(picture).convert("RGB") for picture in (one, other))
    upper = (0, 0, first.width, first.height // 2)
    gap = ImageChops.difference(first.crop(upper), second.resize(first.size).crop(upper))
    return sum(ImageStat.Stat(gap).mean) / 3


@pytest.mark.parametrize(
    ("ratio", "resolution", "megapixels"),
    [("1:1", "1k", 1.05), ("16:9", "1k", 1.05), ("9:19.5", "1.5k", 2.36), ("5:2", "2k", 4.19), ("auto", "2k", 4.19)],
)
def test_a_size_keeps_the_ratio_and_the_number_of_pixels(ratio: str, resolution: str, megapixels: float) -> None:
    width, height = draw.size_for(ratio, resolution)
    across, down = (1.0, 1.0) if ratio == "auto" else map(float, ratio.split(":"))
    assert width / height == pytest.approx(across / down, rel=0.02)
    assert width * height / 1e6 == pytest.approx(megapixels, rel=0.03)


def test_a_generated_picture_is_a_jpeg_of_the_asked_size() -> None:
    image = opened(draw.generate(prompt="a red bicycle", size=(640, 480), seed=1))
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (640, 480))


def test_equal_inputs_make_equal_bytes_and_another_seed_another_picture() -> None:
    one, same, other = (draw.generate(prompt="a lake", size=(320, 320), seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert difference(one, other) > 5


@pytest.mark.parametrize("prompt", ["make it blue", "by night", "in the snow", "vintage look", "swap the background"])
def test_an_edit_changes_its_source_visibly(prompt: str) -> None:
    source = draw.generate(prompt="a lake", size=(400, 300), seed=1)
    edited = draw.edit([source], prompt=prompt, size=None, seed=1)
    assert opened(edited).size == (400, 300)
    assert difference(source, edited) > 8


def test_an_edit_still_resembles_its_source() -> None:
    dark, light = painted(colour="#101010"), painted(colour="#e8e8e8")
    edits = [
        opened(draw.edit([source], prompt="add a hat", size=None, seed=3)).convert("L") for source in (dark, light)
    ]
    first, second = (ImageStat.Stat(edit).mean[0] for edit in edits)
    assert first < second


def test_a_chain_of_edits_carries_every_prompt() -> None:
    picture, prompts = painted(), ["add a hat", "make it night", "two lines\nof text"]
    for prompt in prompts:
        picture = draw.edit([picture], prompt=prompt, size=None, seed=1)
    assert draw.captions(picture) == ["add a hat", "make it night", "two lines of text"]
    bands = opened(picture).convert("L").resize((1, 80)).crop((0, 50, 1, 80))
    assert ImageStat.Stat(bands).mean[0] < 100, "three dark caption bands stand at the foot"


def test_every_source_shows_in_a_composition() -> None:
    plain = [painted(colour="gray")] * 2
    with_green, with_red = (
        draw.edit([*plain[:1], painted(colour=colour)], prompt="both", size=(300, 200), seed=1)
        for colour in ("#00ff00", "#ff0000")
    )
    assert difference(with_green, with_red) > 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_three_kinds_of_source_are_read(kind: str) -> None:
    assert opened(draw.edit([painted(kind)], prompt="brighter", size=None, seed=1)).format == "JPEG"


def test_a_transparent_source_lies_on_white() -> None:
    buffer = io.BytesIO()
    Image.new("RGBA", (64, 64), (0, 0, 0, 0)).save(buffer, "PNG")
    assert ImageStat.Stat(draw.decode(buffer.getvalue())).mean == [255, 255, 255]


@pytest.mark.parametrize("broken", [b"", b"no picture", painted()[:60], painted("GIF")])
def test_a_broken_or_foreign_source_is_refused(broken: bytes) -> None:
    with pytest.raises(ValueError, match="picture"):
        draw.edit([broken], prompt="x", size=None, seed=1)


def test_a_decompression_bomb_is_refused_before_it_is_unpacked() -> None:
    buffer = io.BytesIO()
    Image.new("1", (10_000, 6_000)).save(buffer, "PNG")
    with pytest.raises(ValueError, match="10000 x 6000"):
        draw.edit([buffer.getvalue()], prompt="x", size=None, seed=1)
