"""Storage rules: media types, and how a result is asked to be stored."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from airflow_provider_grok.api import errors, files


def encoded(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, kind)
    return buffer.getvalue()[:16]


@pytest.mark.parametrize(
    ("head", "name", "kind"),
    [
        (encoded("PNG"), "a.jpg", "image/png"),
        (encoded("JPEG"), "a.png", "image/jpeg"),
        (encoded("WEBP"), "", "image/webp"),
        (b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00", "", "video/mp4"),
        (b"\x00\x00\x00\x14ftypqt  ", "", "video/quicktime"),
        (b"%PDF-1.7\n", "", "application/pdf"),
        (b'{"custom_id"', "rows.jsonl", "application/jsonl"),
        (b"a,b\n", "a.csv", "text/csv"),
        (b"", "", "application/octet-stream"),
    ],
)
def test_a_media_type_is_told_by_the_first_bytes(head: bytes, name: str, kind: str) -> None:
    assert files.media_type(head, name) == kind


@pytest.mark.parametrize("file_id", ["file_0b9d-1", "file-abc123", "7Q==", "team:1~a@b.c"])
def test_an_id_is_whatever_the_server_made(file_id: str) -> None:
    assert files.check_id(file_id) == file_id


@pytest.mark.parametrize("value", ["", "a b", "a/b", "../a", ".", "https://x.ai/a", "a?b", "a\x00", None, 5])
def test_what_cannot_be_an_id_is_refused(value: Any) -> None:
    with pytest.raises(errors.InvalidRequest, match="is no file id"):
        files.check_id(value)


def test_storage_options_say_no_more_than_was_asked() -> None:
    assert files.storage_options("a.jpg") == {"filename": "a.jpg"}
    assert files.storage_options("a.jpg", public_url=False) == {"filename": "a.jpg"}
    assert files.storage_options("a.jpg", expires_after=7200, public_url=True) == {
        "filename": "a.jpg",
        "expires_after": 7200,
        "public_url": True,
    }
    assert files.storage_options("a.jpg", public_url=3600)["public_url"] == {"expires_after": 3600}


def test_a_link_that_outlives_its_file_is_refused() -> None:
    with pytest.raises(errors.InvalidRequest, match="would live 7200 s and its file only 3600 s"):
        files.storage_options("a.jpg", expires_after=3600, public_url=7200)
