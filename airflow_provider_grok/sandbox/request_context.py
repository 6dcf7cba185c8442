"""`RequestContext`: one request to the API and what is known about it while it is answered."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from airflow_provider_grok.sandbox.backend import Backend
from airflow_provider_grok.sandbox.errors import Refusal, Undeserialisable, invalid

DEEPEST = 200  # of lists and objects in one another
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")  # an escape for one half of a character; both halves are fine
NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


@dataclass
class RequestContext:
    """A request on its way to an answer.

    :param request_id: the answer's `x-request-id`.
    :param script: the action of the fault that applies; empty if none.
    :param json: the body, for the journal.
    :param unknown: names of fields that the API does not know, for the journal.
    """

    backend: Backend
    request: Request
    request_id: str
    script: dict[str, Any] = field(default_factory=dict)
    json: Any = None
    unknown: list[str] = field(default_factory=list)

    @property
    def base(self) -> str:
        """Scheme, host and port as the client wrote them: what the links in answers begin with."""
        host = self.request.headers.get("host") or "127.0.0.1"
        return f"{self.request.url.scheme}://{host}"

    @property
    def path(self) -> str:
        """The path that was asked."""
        return self.request.url.path

    def part(self, name: str) -> str:
        """Return a part of the path, such as `file_id`."""
        return str(self.request.path_params[name])

    async def body(self) -> dict[str, Any]:
        """Read the JSON object that was sent.

        :raises Refusal: 415 if it is said to be something else, 400 if it is no JSON, 422 if it is no object.
        """
        content_type = self.request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type != "application/json" and not content_type.endswith("+json"):
            raise Refusal(415, f"Expected request with `Content-Type: application/json`, got {content_type!r}.")
        return self._read(await self.request.body())

    async def optional_body(self) -> dict[str, Any]:
        """Read a JSON object that may be left out, with or without a content type."""
        data = await self.request.body()
        return self._read(data) if data.strip() else {}

    def _read(self, data: bytes) -> dict[str, Any]:
        try:
            self.json = parse(data)
        except ValueError as error:
            raise invalid(f"Failed to parse the request body as JSON: {error}") from None
        if not isinstance(self.json, dict):
            raise Undeserialisable(f"invalid type: {type(self.json).__name__}, expected an object")
        return self.json

    def note_unknown(self, names: list[str]) -> None:
        """Note fields that the API does not know; a strict sandbox refuses them.

        :raises Refusal: 400 naming the first.
        """
        self.unknown.extend(names)
        if names and self.backend.settings.strict:
            raise invalid(f"Argument not supported: {names[0]}")


def parse(data: bytes) -> Any:
    """Read JSON of a sane depth and of whole characters, so that whatever works on it later can.

    :raises ValueError: if it is no JSON, nested too deeply, or holds half of a character.
    """
    text = data.decode("utf-8-sig")
    try:
        document = json.loads(text)
    except RecursionError:
        raise ValueError(f"nested too deep: {DEEPEST} levels at the most are read") from None
    brackets = data.translate(None, NO_BRACKETS)
    # Quick, but it counts the brackets in texts too; where that is too many, look at the document.
    depth = max(accumulate(1 if bracket in b"[{" else -1 for bracket in brackets), default=0)
    if depth > DEEPEST and (depth := depth_of(document)) > DEEPEST:
        raise ValueError(f"nested {depth} deep, {DEEPEST} at the most are read")
    if SURROGATE.search(text):
        json.dumps(document, ensure_ascii=False).encode()
    return document


def depth_of(document: Any) -> int:
    """Return how many lists and objects stand in one another."""
    deepest, waiting = 0, deque([(document, 1)])
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, dict | list):
            deepest = max(deepest, depth)
            inner = value.values() if isinstance(value, dict) else value
            waiting.extend((one, depth + 1) for one in inner)
    return deepest


Handler = Callable[[RequestContext], Awaitable[Response]]


def route(method: str, path: str, handler: Handler) -> Route:
    """Return a route whose handler gets the context."""

    async def endpoint(request: Request) -> Response:
        context: RequestContext = request.scope["context"]
        context.request = request
        return await handler(context)

    return Route(path, endpoint, methods=[method])
