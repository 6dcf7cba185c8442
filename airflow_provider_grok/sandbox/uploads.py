"""Reading an upload in the order in which it arrives, straight to disk.

The order matters: the API streams the file part through, so a life stated after it comes too late.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from airflow_provider_grok.sandbox.errors import Refusal, invalid
from airflow_provider_grok.sandbox.filenames import check_filename, type_by_name

LARGEST = 50 * 1024 * 1024  # bytes (docs.x.ai, Files API, upload)
LONGEST_FIELD = 4096  # bytes of a text field that are kept
SHORTEST_LIFE, LONGEST_LIFE = 3600, 2_592_000  # seconds
LIFE_FIELDS = ("expires_after", "expires_after[anchor]", "expires_after[seconds]")
EXTENDED_NAME = re.compile(rb"filename\*\s*=\s*utf-8''([^;\s]+)", re.IGNORECASE)


def check_life(name: str, seconds: int | None) -> None:
    """Refuse a life out of bounds (docs.x.ai, Files API).

    :param seconds: 3600 to 2592000; None is allowed.
    :raises Refusal: 400 naming the value and the bounds.
    """
    if seconds is not None and not SHORTEST_LIFE <= seconds <= LONGEST_LIFE:
        raise invalid(f"{name} must be between {SHORTEST_LIFE} and {LONGEST_LIFE} seconds, got {seconds}.")


class Upload:
    """A multipart body being read: fields in memory, the file on disk."""

    def __init__(self, target: Path) -> None:
        """Prepare to read.

        :param target: where the bytes go.
        """
        self.target = target
        self.fields: dict[str, str] = {}
        self.unknown: list[str] = []
        self.filename: str | None = None
        self.content_type = ""
        self.size = 0
        self.digest = hashlib.sha256()
        self._file: BinaryIO | None = None
        self._begin_part()

    def _begin_part(self) -> None:
        self._headers: dict[str, bytes] = {}
        self._header_name = self._header_value = b""
        self._name = ""
        self._value = bytearray()
        self._is_file = False

    async def read(self, request: Request) -> None:
        """Read the whole request; after a refusal the rest is read and thrown away, so that the client hears it.

        :raises Refusal: 400 for whatever is wrong, 413 if too large, 415 if it is no multipart body.
        """
        refusal: Refusal | None = None
        parser: MultipartParser | None = None
        try:
            parser = self._parser(request)
        except Refusal as error:
            refusal = error
        async for chunk in request.stream():
            if parser is None or refusal is not None:
                continue
            try:
                parser.write(chunk)
            except Refusal as error:
                refusal = error
            except MultipartParseError as error:
                refusal = invalid(f"The multipart body cannot be read: {error}")
        self.close()
        if refusal is not None:
            raise refusal
        if self.filename is None:
            raise invalid("The upload has no file part: send a part named `file` with a filename.")

    def close(self) -> None:
        """Close the file on disk."""
        if self._file is not None:
            self._file.close()

    def _parser(self, request: Request) -> MultipartParser:
        content_type, options = parse_options_header(request.headers.get("content-type", ""))
        if content_type != b"multipart/form-data":
            raise Refusal(415, "Expected request with `Content-Type: multipart/form-data`.")
        if not options.get(b"boundary"):
            raise invalid("The multipart content type has no boundary.")
        return MultipartParser(
            options[b"boundary"],
            {
                "on_part_begin": self._begin_part,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
            },
        )

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._header_name.decode("latin-1").lower()] = self._header_value
        self._header_name = self._header_value = b""

    def _on_headers_finished(self) -> None:
        disposition = self._headers.get("content-disposition", b"")
        _, options = parse_options_header(disposition)
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._is_file = self._name == "file"
        if self._is_file:
            self._begin_file(disposition, options.get(b"filename", b""))
        elif self._name in LIFE_FIELDS and self.filename is not None:
            raise invalid(f"{self._name} must come before the file part.")

    def _begin_file(self, disposition: bytes, name: bytes) -> None:
        extended = EXTENDED_NAME.search(disposition)
        if extended:
            name = unquote_to_bytes(extended[1])
        if not name:
            raise invalid("The file part has no filename in its Content-Disposition.")
        if self.filename is not None:
            raise invalid("The upload has more than one file part.")
        # A backslash is gone after the header was parsed, as an escape; so look for it before.
        filename = name.decode("utf-8", "replace") + ("\\" if b"\\" in disposition else "")
        check_filename(filename)
        self._check_fields()
        self.filename = filename
        stated = self._headers.get("content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
        self.content_type = stated or type_by_name(filename)
        self._file = self.target.open("wb")

    def _check_fields(self) -> None:
        """Check the life before the first byte is stored."""
        check_life("expires_after", self.expires_after)

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if not self._is_file:
            if len(self._value) < LONGEST_FIELD:
                self._value += data[start:end]
            return
        self.size += end - start
        if self.size > LARGEST:
            raise Refusal(413, f"The file is larger than {LARGEST} bytes.")
        if self._file is not None:
            piece = data[start:end]
            self._file.write(piece)
            self.digest.update(piece)

    def _on_part_end(self) -> None:
        if self._is_file:
            return
        self.fields[self._name] = self._value.decode("utf-8", "replace")
        if self._name not in (*LIFE_FIELDS, "purpose"):
            self.unknown.append(self._name)

    @property
    def expires_after(self) -> int | None:
        """The asked life in seconds, in either of its two spellings.

        :raises Refusal: 400 if it is not a number or has another anchor.
        """
        anchor = self.fields.get("expires_after[anchor]", "created_at")
        if anchor != "created_at":
            raise invalid(f"expires_after[anchor] must be created_at, got {anchor!r}.")
        text = self.fields.get("expires_after", self.fields.get("expires_after[seconds]"))
        if text is None:
            if "expires_after[anchor]" in self.fields:
                raise invalid("expires_after[anchor] needs expires_after[seconds].")
            return None
        if not re.fullmatch(r"-?[0-9]{1,18}", text.strip()):
            raise invalid(f"expires_after must be an integer number of seconds, got {text!r}.")
        return int(text)
