"""Which names a stored file may have, and what they tell."""

from __future__ import annotations

import mimetypes

from airflow_provider_grok.sandbox.errors import invalid

LONGEST = 255  # characters
# docs.x.ai, Files API, upload: besides the ASCII control characters.
FORBIDDEN = {'"': "a double quote", ";": "a semicolon", "\\": "a backslash", "\x85": "NEL"} | {
    "\u2028": "U+2028",
    "\u2029": "U+2029",
}


def check_filename(name: str) -> None:
    """Refuse a name that the Files API refuses (docs.x.ai, Files API, upload).

    :raises Refusal: 400 naming what is wrong.
    """
    if not name:
        raise invalid("filename must not be empty.")
    if len(name) > LONGEST:
        raise invalid(f"filename must be at most {LONGEST} characters, got {len(name)}.")
    for character in name:
        if character in FORBIDDEN:
            raise invalid(f"filename must not contain {FORBIDDEN[character]}: {name!r}")
        if ord(character) < 0x20 or ord(character) == 0x7F:
            raise invalid(f"filename must not contain control characters: {name!r}")


def extension(name: str) -> str:
    """Return the extension with its dot, or an empty text."""
    stem, dot, end = name.rpartition(".")
    return f".{end}" if dot and stem and end.isalnum() else ""


def type_by_name(name: str) -> str:
    """Return the content type that a name suggests, for an upload that does not state one."""
    return mimetypes.guess_type(name)[0] or "application/octet-stream"
