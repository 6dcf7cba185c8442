"""An answer: what came back for a call, as a value that needs no network to be made."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import Any

from airflow_provider_grok.api import bodies, errors

#: A year: the longest time, in seconds, that a server's wish to be left alone is taken for.
LONGEST_RETRY_AFTER = 365 * 86_400.0


@dataclass(frozen=True)
class Answer:
    """A whole answer.

    :param method: HTTP method of the request.
    :param path: its path, without query.
    :param status: HTTP status.
    :param headers: header fields, names in lower case.
    :param body: the bytes; empty where they were streamed to a file.
    :param length: how many bytes the body had.
    :param sha256: digest of a body that was streamed to a file, in hex.
    """

    method: str
    path: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    length: int = 0
    sha256: str = ""

    @property
    def request_id(self) -> str | None:
        """The server's id of the call, to quote to support."""
        found = self.headers.get("x-request-id")
        return errors.clean(found, 100) if found else None

    @property
    def content_type(self) -> str:
        """The media type, without parameters."""
        return self.headers.get("content-type", "").split(";")[0].strip().lower()

    def json(self) -> dict[str, Any]:
        """The body as a JSON object.

        :raises NotAnApiResponse: for anything else, such as a proxy's web page.
        :raises ApiError: for an error body under a status of success.
        """
        document = self.document()
        if self.status < 300 and "error" in document and not {"id", "status", "data", "batch_id"} & document.keys():
            posts = self.method == "POST"
            raise errors.refusal(
                self.method, self.path, self.status, self.body, request_id=self.request_id, paid=posts, retry_after=None
            )
        return document

    def document(self) -> dict[str, Any]:
        """The body as a JSON object, be it an error or not.

        :raises NotAnApiResponse: for anything else.
        """
        document = bodies.loaded(self.body)
        if isinstance(document, dict):
            return document
        sample = errors.clean(self.body[:200].decode("utf-8", "replace"), 80)
        raise errors.NotAnApiResponse(
            f"{self.method} {self.path} answered {self.status} with {self.content_type or 'no content type'} instead "
            f"of a JSON object: {sample!r}. Check the connection's host: it must be the API's base URL, such as "
            "https://api.x.ai/v1, and nothing between may answer in its place."
        )

    def retry_after(self) -> float | None:
        """Seconds that the server asks to wait, up to a year; None where it does not say, or makes no sense.

        It may give seconds or a date (RFC 9110, 10.2.3); a date counts from the answer's own, whatever this clock says.
        """
        text = self.headers.get("retry-after", "").strip()
        try:
            seconds = float(text)
        except ValueError:
            then, now = _moment(text), _moment(self.headers.get("date", ""))
            if then is None:
                return None
            seconds = then - (time.time() if now is None else now)
        return None if math.isnan(seconds) else min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def _moment(text: str) -> float | None:
    try:
        found = parsedate_to_datetime(text)
        return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
