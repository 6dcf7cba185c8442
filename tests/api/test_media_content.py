"""What a file is by its content, and whether it is there to its end."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from airflow_provider_grok.api import errors
from airflow_provider_grok.api.media_content import check_result, is_whole, media_type


@pytest.mark.parametrize(
    ("brand", "kind"),
    [
        (b"isom", "video/mp4"),
        (b"mp42", "video/mp4"),
        (b"M4V ", "video/mp4"),
        (b"hevc", "image/heic"),
        (b"heic", "image/heic"),
        (b"avif", "image/avif"),
        (b"avis", "image/avif"),
        (b"M4A ", "audio/mp4"),
        (b"qt  ", "video/quicktime"),
    ],
)
def test_the_brand_tells_films_from_pictures_and_sound(brand: bytes, kind: str) -> None:
    assert media_type(b"\x00\x00\x00\x18ftyp" + brand + b"\x00" * 4, "clip.mp4") == kind


def encoded(kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image = Image.effect_noise((64, 64), 80).convert("RGB")
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg_with_preview() -> bytes:
    """A JPEG with a whole small JPEG among its segments, as cameras write them."""
    preview, picture = encoded("JPEG", quality=5), encoded("JPEG")
    segment = b"\xff\xe1" + (len(preview) + 2).to_bytes(2, "big") + preview
    return picture[:2] + segment + picture[2:]


PICTURES = {
    "jpeg": encoded("JPEG"),
    "progressive jpeg": encoded("JPEG", progressive=True),
    "jpeg with a preview": jpeg_with_preview(),
    "png": encoded("PNG"),
    "webp": encoded("WEBP"),
}


@pytest.mark.parametrize("data", PICTURES.values(), ids=PICTURES.keys())
def test_a_picture_that_is_cut_off_anywhere_is_not_whole(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "picture"
    path.write_bytes(data)
    kind = check_result(path)
    for length in (len(data) - 1, len(data) - 2, len(data) // 2, len(data) // 3, 100, 20):
        path.write_bytes(data[:length])
        assert not is_whole(path, kind)
        with pytest.raises(errors.NotAnApiResponse, match="cut off before its end"):
            check_result(path)


def test_bytes_behind_the_end_of_a_jpeg_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(PICTURES["jpeg"] + b"\x00" * 99)
    assert check_result(path) == "image/jpeg"


def box(kind: bytes, body: bytes) -> bytes:
    return (8 + len(body)).to_bytes(4, "big") + kind + body


FILM = box(b"ftyp", b"isom\x00\x00\x02\x00") + box(b"moov", b"\x01" * 50) + box(b"mdat", b"\x02" * 500)


def test_a_film_is_whole_when_its_boxes_are(tmp_path: Path) -> None:
    path = tmp_path / "film"
    for end in (b"", b"\x00\x00\x00"):
        path.write_bytes(FILM + end)
        assert check_result(path) == "video/mp4"
    wide = box(b"ftyp", b"isom\x00\x00\x02\x00") + box(b"moov", b"") + b"\x00\x00\x00\x01mdat" + (24).to_bytes(8, "big")
    path.write_bytes(wide + b"12345678")
    assert check_result(path) == "video/mp4"
    for cut in (FILM[:-1], FILM[:100], FILM[:20], wide):
        path.write_bytes(cut)
        assert not is_whole(path, "video/mp4")


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("<!DOCTYPE html>")
    with pytest.raises(errors.NotAnApiResponse, match="text/html, which is neither"):
        check_result(path)
    path.write_bytes(b"")
    with pytest.raises(errors.NotAnApiResponse, match="an empty file"):
        check_result(path)
