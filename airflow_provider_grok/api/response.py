"""A response: the request of one call as httpx sends it, and its answer taken in piece by piece."""

from __future__ import annotations

import hashlib
import json
import logging
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from airflow_provider_grok.api import errors
from airflow_provider_grok.api.answer import Answer
from airflow_provider_grok.api.client import proxy_of
from airflow_provider_grok.api.deadline import PATIENCE, Deadline

if TYPE_CHECKING:
    import httpx

    from airflow_provider_grok.api.call import Call
    from airflow_provider_grok.api.endpoint import Endpoint

P = TypeVar("P")

log = logging.getLogger(__name__)


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
        self.sent = self._to_proxy = False
        self.deadline = Deadline(endpoint.timeout, call.upload.path.stat().st_size if call.upload else 0)

    @contextmanager
    def request(self) -> Iterator[dict[str, Any]]:
        """What httpx is to send; holds a file to upload open."""
        headers = {"accept-encoding": "identity", "x-client-request-id": str(uuid.uuid4())}
        if not self.call.anonymous and self.endpoint.key and self.endpoint.owns(self.url):
            headers["authorization"] = f"Bearer {self.endpoint.key}"
        request: dict[str, Any] = {"method": self.call.method, "url": self.url, "headers": headers}
        if self.call.query:
            request["params"] = self._harmless(dict(self.call.query))
        if self.call.body is not None:
            headers["content-type"] = "application/json"
            request["content"] = self._spelt(self.call.body)
        if not (upload := self.call.upload):
            yield request
            return
        with upload.path.open("rb") as file:
            # httpx puts `data` before `files`, as the API wants it: a life given after the file is refused.
            files = {"file": (upload.filename, file, upload.content_type)}
            yield request | {"data": self._harmless(dict(upload.fields)), "files": files}

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Note, from what httpcore tells of an exchange, whether the request has left: else there was no attempt.

        :param event: e.g. `http11.send_request_headers.complete` (httpcore, Request extensions: trace).
        :param info: its details.
        """
        step, _, end = event.rpartition(".")
        if not step.endswith("send_request_headers"):
            return
        if end == "started":
            self._to_proxy = info["request"].method == b"CONNECT"
        # Headers that httpcore would not even write have not left; some of a line that broke may have.
        elif not self._to_proxy and type(info.get("exception")).__name__ != "LocalProtocolError":
            self.sent = True

    def _spelt(self, body: Mapping[str, Any]) -> bytes:
        try:
            text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
            return self._harmless(text).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise errors.InvalidRequest(
                f"{self.call.method} {self.call.shown_path}: the request cannot be written as JSON ({error}). Give "
                "text, finite numbers, lists and dicts only."
            ) from None

    def _harmless(self, part: P) -> P:
        """A part of a request, but for one that holds the key: a template in somebody's data may have fetched it."""
        if self.endpoint.key_in(part if isinstance(part, str) else str(part)):
            raise errors.InvalidRequest(
                f"{self.call.method} {self.call.shown_path}: the request holds the connection's API key itself. "
                "Nothing was sent. Look for a template such as {{ conn....password }} in prompts that come from data, "
                "and use .expand instead of .expand_kwargs for them."
            )
        return part

    @contextmanager
    def body(self, response: httpx.Response) -> Iterator[Callable[[bytes], None]]:
        """Take in status and headers, and give the function that takes the body's pieces."""
        self.status = response.status_code
        self.headers = {name.lower(): value for name, value in response.headers.items()}
        self._check_encoding()
        announced = self.headers.get("content-length", "")
        if announced.isdecimal() and int(announced[:20]) > self.call.limit:
            raise self._too_large(announced)
        if self.call.into and 200 <= self.status < 300:
            with self.call.into.open("wb") as file:
                yield partial(self._take_to_file, file.write)
        else:
            yield self._take

    def _check_encoding(self) -> None:
        encodings = {name.strip().lower() for name in self.headers.get("content-encoding", "").split(",")}
        if packed := self.endpoint.redact(", ".join(sorted(encodings - {"", "identity"}))):
            raise errors.NotAnApiResponse(
                f"{self.call.method} {self.call.shown_path} answered {self.status} with a body packed as {packed}, "
                f"which nobody asked for. Unpacked it may have any size; {self.call.limit} bytes are the most that is "
                "taken. Check the gateway in between."
            )

    def _take(self, chunk: bytes) -> None:
        self._count(chunk)
        self.buffer += chunk

    def _take_to_file(self, write: Callable[[bytes], object], chunk: bytes) -> None:
        self._count(chunk)
        self.digest.update(chunk)
        write(chunk)

    def _count(self, chunk: bytes) -> None:
        self.length += len(chunk)
        self.deadline.moved += len(chunk)
        if self.length > self.call.limit:
            raise self._too_large("more")

    def _too_large(self, size: str) -> errors.NotAnApiResponse:
        return errors.NotAnApiResponse(
            f"{self.call.method} {self.call.shown_path} answered with {size} bytes; {self.call.limit} are the most "
            "that is taken for such an answer."
        )

    def answer(self) -> Answer:
        """The answer, once the body is whole; whatever the server repeats, the key is not in it."""
        sha256 = self.digest.hexdigest() if self.call.into else ""
        headers = {name: self.endpoint.redact(value) for name, value in self.headers.items()}
        body = self.endpoint.redact_bytes(bytes(self.buffer))
        found = Answer(self.call.method, self.call.shown_path, self.status, headers, body, self.length, sha256)
        log.debug(
            "%s %s answered %s (%s).", found.method, found.path, found.status, found.request_id or "no request id"
        )
        return found

    def too_late(self) -> errors.GrokError:
        """Say that the deadline has passed."""
        patience = f"{self.deadline.seconds:.0f} s ({PATIENCE} x the connection's timeout)"
        if not self.sent:
            return self._unreachable(f"no connection within {patience}")
        return errors.ResponseLost(
            f"{self.call.method} {self.call.shown_path}: the answer was still trickling in after {patience} and "
            f"{self.length} bytes."
        )

    def failure(self, error: Exception) -> errors.GrokError:
        """Say what an exception of the HTTP client means: was the request sent, or not?"""
        import httpx

        what = f"{self.call.method} {self.call.shown_path}"
        words = self.endpoint.redact(errors.clean(str(error) or type(error).__name__, 200))
        if not self.sent:
            if isinstance(error, httpx.TransportError) and not isinstance(
                error, httpx.UnsupportedProtocol | httpx.LocalProtocolError
            ):
                return self._unreachable(words)
            # Other words than those about a URL may show what cannot be written, such as the header with the key.
            words = words if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL) else type(error).__name__
            return errors.InvalidRequest(f"{what}: not a request that can be sent ({words}). Check host and API key.")
        if isinstance(error, httpx.TimeoutException):
            words = f"no answer within {self.endpoint.timeout:g} s, the connection's timeout"
        return errors.ResponseLost(f"{what}: the answer was lost ({type(error).__name__}: {words}).")

    def _unreachable(self, words: str) -> errors.Unreachable:
        parts = urlsplit(self.url)
        host, proxy = parts.netloc.rpartition("@")[2], proxy_of(self.url)
        where = f"{host} through the proxy {proxy}" if proxy else host
        advice = (
            "Check HTTP_PROXY, HTTPS_PROXY and NO_PROXY of the worker's environment, and the connection's host."
            if proxy
            else "Check the connection's host and the network; for the sandbox, see that `airflow-grok sandbox` is "
            "running on that port."
        )
        return errors.Unreachable(
            f"{self.call.method} {self.call.shown_path}: nothing answers at {where} ({words}). Nothing was sent. "
            f"{advice}"
        )
