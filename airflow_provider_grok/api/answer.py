"""An answer: what came back for a call, taken in piece by piece with a limit on its size."""

from __future__ import annotations

import hashlib
import json
import math
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timezone
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_grok.api import errors

if TYPE_CHECKING:
    import httpx

    from airflow_provider_grok.api.endpoint import Endpoint
    from airflow_provider_grok.api.wire import Call

#: How many times the endpoint's `timeout` an answer may take as a whole, besides a second for so many bytes of it.
PATIENCE, SLOWEST = 5, 10_000
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
    headers: Mapping[str, str]
    body: bytes
    length: int
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
        try:
            document = json.loads(self.body)
        except (ValueError, RecursionError):
            document = None
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


class ResponseReader:
    """Sends one call and takes its answer in; shared by the threaded and the asynchronous driver."""

    def __init__(self, endpoint: Endpoint, call: Call[Any]) -> None:
        self.endpoint, self.call = endpoint, call
        self.url = endpoint.url(call.path)
        self.status = 0
        self.headers: dict[str, str] = {}
        self.length = 0
        self.buffer = bytearray()
        self.digest = hashlib.sha256()
        self.deadline = time.monotonic() + PATIENCE * endpoint.timeout

    @contextmanager
    def request(self) -> Iterator[dict[str, Any]]:
        """What httpx is to send; holds a file to upload open."""
        headers = {"accept-encoding": "identity", "x-client-request-id": str(uuid.uuid4())}
        if not self.call.anonymous and self.endpoint.key and self.endpoint.owns(self.url):
            headers["authorization"] = f"Bearer {self.endpoint.key}"
        request: dict[str, Any] = {"method": self.call.method, "url": self.url, "headers": headers}
        if self.call.query:
            request["params"] = dict(self.call.query)
        if self.call.body is not None:
            headers["content-type"] = "application/json"
            request["content"] = self._spelt(self.call.body)
        if not (upload := self.call.upload):
            yield request
            return
        with upload.path.open("rb") as file:
            # httpx puts `data` before `files`, as the API wants it: a life given after the file is refused.
            files = {"file": (upload.filename, file, upload.content_type)}
            yield request | {"data": dict(upload.fields), "files": files}

    def _spelt(self, body: Mapping[str, Any]) -> bytes:
        try:
            return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise errors.InvalidRequest(
                f"{self.call.method} {self.call.shown_path}: the request cannot be written as JSON ({error}). Give "
                "text, finite numbers, lists and dicts only."
            ) from None

    @contextmanager
    def body(self, response: httpx.Response) -> Iterator[Callable[[bytes], None]]:
        """Take in status and headers, and give the function that takes the body's pieces."""
        self.status = response.status_code
        self.headers = {name.lower(): value for name, value in response.headers.items()}
        announced = self.headers.get("content-length", "")
        if announced.isdecimal() and int(announced[:20]) > self.call.limit:
            raise self._too_large(announced)
        if self.call.into and 200 <= self.status < 300:
            with self.call.into.open("wb") as file:
                yield partial(self._take_to_file, file.write)
        else:
            yield self._take

    def _take(self, chunk: bytes) -> None:
        self._count(chunk)
        self.buffer += chunk

    def _take_to_file(self, write: Callable[[bytes], object], chunk: bytes) -> None:
        self._count(chunk)
        self.digest.update(chunk)
        write(chunk)

    def _count(self, chunk: bytes) -> None:
        self.length += len(chunk)
        if self.length > self.call.limit:
            raise self._too_large("more")
        if time.monotonic() > self.deadline + self.length / SLOWEST:
            raise errors.ResponseLost(
                f"{self.call.method} {self.call.shown_path}: the answer was still trickling in after "
                f"{PATIENCE * self.endpoint.timeout:.0f} s (5 x the connection's timeout) and {self.length} bytes."
            )

    def _too_large(self, size: str) -> errors.NotAnApiResponse:
        return errors.NotAnApiResponse(
            f"{self.call.method} {self.call.shown_path} answered with {size} bytes; {self.call.limit} are the most "
            "that is taken for such an answer."
        )

    def answer(self) -> Answer:
        """The answer, once the body is whole."""
        sha256 = self.digest.hexdigest() if self.call.into else ""
        path, body = self.call.shown_path, bytes(self.buffer)
        if self.status >= 400:
            # Some servers repeat the key that they refuse, and refusals end up in logs.
            body = self.endpoint.redact(body.decode("utf-8", "replace")).encode()
        return Answer(self.call.method, path, self.status, self.headers, body, self.length, sha256)

    def failure(self, error: Exception) -> errors.GrokError:
        """Say what an httpx error means: was the request sent, or not?"""
        import httpx

        what = f"{self.call.method} {self.call.shown_path}"
        words = self.endpoint.redact(errors.clean(str(error) or type(error).__name__, 200))
        never_sent = httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.ProxyError
        if isinstance(error, never_sent):
            host = urlsplit(self.url).netloc
            return errors.Unreachable(
                f"{what}: nothing answers at {host} ({words}). Nothing was sent. Check the connection's host and the "
                "network; for the sandbox, see that `airflow-grok sandbox` is running on that port."
            )
        if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL | httpx.LocalProtocolError):
            return errors.InvalidRequest(f"{what}: not a request that can be sent ({words}). Check host and API key.")
        if isinstance(error, httpx.TimeoutException):
            words = f"no answer within {self.endpoint.timeout:g} s, the connection's timeout"
        return errors.ResponseLost(f"{what}: the answer was lost ({words}).")
