"""What can befall one request on a bad network, and how each is brought about for one request of a test."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from fnmatch import fnmatchcase
from time import time
from typing import Any

import httpx
import pytest

from airflow_provider_grok.sandbox.server import Sandbox

PAGE = "<!doctype html><html><head><title>Welcome to CorpNet</title></head><body>Please sign in</body></html>"
HTML = {"headers": {"content-type": "text/html"}, "body": PAGE}
GARBAGE = {"headers": {"content-type": "application/json"}, "body": '{"id": "file_'}

#: How long an answer takes, and how long the client waits for it, in real seconds, where it comes too late.
LATE, PATIENT = 0.3, 0.12
#: Real seconds that a second of virtual time takes where an answer comes too late: the two must not drift apart.
DRAG = 0.1


@dataclass(frozen=True, eq=False)
class Mishap:
    """Something that goes wrong once.

    :param name: for the test's id.
    :param action: what the sandbox is to do; a function where it depends on the time of day.
    :param turn: how the request's address is changed instead, so that it leads nowhere.
    """

    name: str
    action: dict[str, Any] | Callable[[], dict[str, Any]] = field(default_factory=dict)
    turn: Callable[[httpx.URL], httpx.URL] | None = None

    @property
    def is_late(self) -> bool:
        """Whether the client stops waiting for the answer."""
        return isinstance(self.action, dict) and "delay" in self.action

    def befall(self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, method: str, path: str) -> Callable[[], int]:
        """Let it befall the next request of a method and path; returns how to ask how often it did.

        :param sandbox: the server.
        :param monkeypatch: to turn the request aside.
        :param method: of the request.
        :param path: glob of its path.
        """
        if self.turn is not None:
            return turn_aside(monkeypatch, method, path, self.turn)
        action = self.action() if callable(self.action) else self.action
        before = len(sandbox.faults.list)
        sandbox.faults.add({"method": method, "path": path, "action": action})
        return lambda: int(sandbox.faults.list[before]["hits"])


def turn_aside(
    monkeypatch: pytest.MonkeyPatch, method: str, path: str, turn: Callable[[httpx.URL], httpx.URL]
) -> Callable[[], int]:
    """Let one request go to another address: what its socket says then is what a real one says."""
    hits: list[httpx.URL] = []

    def meant(request: httpx.Request) -> bool:
        return not hits and request.method == method and fnmatchcase(request.url.path, path)

    def aside(request: httpx.Request) -> httpx.Request:
        if meant(request):
            hits.append(request.url)
            request.url = turn(request.url)
        return request

    send, asend = httpx.HTTPTransport.handle_request, httpx.AsyncHTTPTransport.handle_async_request
    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", lambda self, request: send(self, aside(request)))
    monkeypatch.setattr(
        httpx.AsyncHTTPTransport, "handle_async_request", lambda self, request: asend(self, aside(request))
    )
    return lambda: len(hits)


def closed_port(url: httpx.URL) -> httpx.URL:
    """The same address at a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return url.copy_with(port=port)


def unknown_host(url: httpx.URL) -> httpx.URL:
    """The same address at a name that no server knows (RFC 2606)."""
    return url.copy_with(host="grok.invalid")


def _in_half_a_minute() -> dict[str, Any]:
    return {"status": 429, "headers": {"Retry-After": formatdate(time() + 30, usegmt=True)}}


def _in_two_minutes() -> dict[str, Any]:
    return {"status": 429, "headers": {"Retry-After": formatdate(time() + 120, usegmt=True)}}


#: Nothing was sent.
UNSENT = [Mishap("refused", turn=closed_port), Mishap("no-such-host", turn=unknown_host)]
#: Refused before any work, because of the rate.
REFUSED = [
    Mishap("429", {"status": 429}),
    Mishap("429-seconds", {"status": 429, "headers": {"Retry-After": "7"}}),
    Mishap("429-minutes", {"status": 429, "headers": {"Retry-After": "120"}}),
    Mishap("429-date", _in_half_a_minute),
    Mishap("429-late-date", _in_two_minutes),
]
#: The server, or a proxy, failed.
FAILED = [
    *(Mishap(str(status), {"status": status}) for status in (408, 409, 425, 500, 502, 503, 504, 529)),
    Mishap("502-page", {"status": 502, **HTML}),
    Mishap("500-after", {"status": 500, "after": True}),
    Mishap("502-page-after", {"status": 502, **HTML, "after": True}),
]
#: Success, it says, and is none.
UNTRUE = [
    Mishap("page", {"status": 200, **HTML}),
    Mishap("garbage", {"status": 200, **GARBAGE}),
    Mishap("nothing", {"status": 200, "body": ""}),
    Mishap("error-200", {"status": 200, "body": {"code": "internal-error", "error": "Try again later."}}),
    Mishap("openai-error-200", {"status": 200, "body": {"error": {"message": "overloaded", "type": "server_error"}}}),
    Mishap("page-after", {"status": 200, **HTML, "after": True}),
    Mishap("garbage-after", {"status": 200, **GARBAGE, "after": True}),
    Mishap("error-200-after", {"status": 200, "body": {"error": "upstream hung up"}, "after": True}),
]
#: No whole answer came.
LOST = [
    Mishap("closed-before", {"drop": "before"}),
    Mishap("closed-after", {"drop": "after"}),
    Mishap("cut-short", {"truncate": 4}),
    Mishap("late-before", {"delay": LATE}),
    Mishap("late-after", {"delay": LATE, "after": True}),
]
FAMILIES = [UNSENT, REFUSED, FAILED, UNTRUE, LOST]
EVERY = [mishap for family in FAMILIES for mishap in family]


def some(number: int) -> list[Mishap]:
    """A few mishaps, others for each number, and a lost answer always.

    :param number: of the errand.
    """
    few = [family[number % len(family)] for family in FAMILIES]
    few += [family[(number + len(family) // 2) % len(family)] for family in (FAILED, UNTRUE)]
    return list(dict.fromkeys([*few, LOST[1]]))
