"""The demo's `--photo`: only a picture is taken, and that is said before anything starts."""

from __future__ import annotations

from pathlib import Path

#: What a picture begins with, after so many bytes.
BEGINNINGS = ((0, b"\x89PNG\r\n\x1a\n"), (0, b"\xff\xd8\xff"), (8, b"WEBP"))


def refusal(photo: Path) -> str | None:
    """Return why a file is not taken as the photo, or None.

    :param photo: a path.
    """
    try:
        with photo.open("rb") as file:
            head = file.read(12)
    except OSError as error:
        return f"--photo {photo} cannot be read: {error.strerror}."
    if any(head[start:].startswith(mark) for start, mark in BEGINNINGS):
        return None
    return f"--photo {photo} is no picture: give a PNG, JPEG or WebP file."
