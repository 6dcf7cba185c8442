"""The demo's photo: a picture, or it is said at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from airflow_provider_grok.demo.photo import refusal


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_is_taken(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "photo"
    Image.new("RGB", (8, 8)).save(path, kind)
    assert refusal(path) is None


@pytest.mark.parametrize("data", [b"", b"root:x:0:0", b"GIF89a", b"<svg/>", b"%PDF-1.7", b"RIFF____WAVE"])
def test_whatever_else_a_file_holds_is_refused_with_the_name(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(data)
    assert refusal(path) == f"--photo {path} is no picture: give a PNG, JPEG or WebP file."


def test_what_cannot_be_read_is_refused_with_the_reason(tmp_path: Path) -> None:
    assert "Is a directory" in str(refusal(tmp_path))
    assert "No such file" in str(refusal(tmp_path / "none.png"))
