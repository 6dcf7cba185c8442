"""Requests and answers of the simulated server."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

#: Which team an API key belongs to.
TEAMS = {"xai-key-of-team-one": "team-1", "xai-new-key-of-team-one": "team-1", "xai-key-of-team-two": "team-2"}


@dataclass(frozen=True)
class Request:
    """A request as it arrives.

    :param sender: name of the task instance that sent it.
    :param content: content of an upload.
    """

    method: str
    path: str
    key: str
    sender: str
    query: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    filename: str = ""
    content: bytes = b""
    expires_after: int | None = None


@dataclass(frozen=True)
class Response:
    """An answer as it leaves the server.

    :param seconds: how long the server worked on it.
    :param ended: id of the job of whose bad end it tells.
    """

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    ended: str = ""


def answered(status: int, body: Any, **more: Any) -> Response:
    """An answer of the API."""
    return Response(status, json.dumps(body, separators=(",", ":")).encode(), **more)


def refused(status: int, code: str, words: str, **more: Any) -> Response:
    """A refusal in the API's own shape."""
    return answered(status, {"code": code, "error": words, **more})
