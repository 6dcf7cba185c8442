"""A response: the request of one call as httpx sends it, and its answer taken in piece by piece."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_grok.api import errors
from airflow_provider_grok.api.answer import Answer

if TYPE_CHECKING:
    import httpx

    from airflow_provider_grok.api.call import Call
    from airflow_provider_grok.api.endpoint import Endpoint

#: How many times the endpoint's `timeout` an answer may take as a whole, besides a second for so many bytes of it.
PATIENCE, SLOWEST = 5, 10_000


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
