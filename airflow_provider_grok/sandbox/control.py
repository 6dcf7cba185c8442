"""The control interface under `/_sandbox/`: clock, faults, journal, ledger, reset. It needs no key, so it is for this
machine only: a web page that points its own name at this address (DNS rebinding) is refused."""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from airflow_provider_grok.sandbox.backend import Backend
from airflow_provider_grok.sandbox.errors import Refusal
from airflow_provider_grok.sandbox.exchange import parse
from airflow_provider_grok.sandbox.gallery import Gallery


def is_local(netloc: str) -> bool:
    """Tell whether a host, with or without port, is this machine by name or address."""
    try:
        name = (urlsplit(f"//{netloc}").hostname or "").rstrip(".")
        return name == "localhost" or name.endswith(".localhost") or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class LocalOnly:
    """Refuses requests that name a foreign host or come from a foreign web page."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass local requests on."""
        headers = Request(scope).headers
        host, origin = headers.get("host", ""), headers.get("origin")
        if is_local(host) and (origin is None or is_local(urlsplit(origin).netloc)):
            await self.app(scope, receive, send)
            return
        error = f"The control interface answers to localhost only, not to {host!r} or pages of {origin!r}."
        await JSONResponse({"error": error}, 403)(scope, receive, send)


class Control:
    """The routes over one backend."""

    def __init__(self, backend: Backend) -> None:
        """Control a backend."""
        self.backend = backend

    async def health(self, request: Request) -> Response:
        """Say that the sandbox is up."""
        return JSONResponse({"status": "ok"})

    async def reset(self, request: Request) -> Response:
        """Empty everything."""
        self.backend.reset()
        return JSONResponse({"status": "ok"})

    async def clock(self, request: Request) -> Response:
        """Show the time, or move it, or change how fast it runs."""
        clock = self.backend.clock
        if request.method == "POST":
            order = await read_object(request, {"advance", "rate"})
            if "rate" in order:
                clock.rate = number("rate", order["rate"])
            if "advance" in order:
                clock.advance(number("advance", order["advance"]))
            self.backend.keep_clock()
        return JSONResponse({"now": clock.now(), "rate": clock.rate})

    async def faults(self, request: Request) -> Response:
        """Show the faults on order, add one, or withdraw all."""
        faults = self.backend.faults
        if request.method == "POST":
            return JSONResponse(faults.add(await read_object(request, None)))
        if request.method == "DELETE":
            faults.clear()
        return JSONResponse({"faults": faults.list})

    async def journal(self, request: Request) -> Response:
        """Show all requests."""
        return JSONResponse({"requests": self.backend.journal.entries})

    async def ledger(self, request: Request) -> Response:
        """Show all charges."""
        await self.backend.jobs.settle()  # a request of a batch is billed when it ends
        ledger = self.backend.ledger
        return JSONResponse({"charges": ledger.charges, "total_ticks": ledger.total_ticks})

    def routes(self) -> list[Route]:
        """Return the routes, those of the gallery too."""
        gallery = Gallery(self.backend)
        return [
            Route("/", gallery.index),
            Route("/_sandbox/media/{file_id}", gallery.media),
            Route("/_sandbox/gallery.zip", gallery.archive),
            Route("/_sandbox/health", self.health),
            Route("/_sandbox/reset", self.reset, methods=["POST"]),
            Route("/_sandbox/clock", self.clock, methods=["GET", "POST"]),
            Route("/_sandbox/faults", self.faults, methods=["GET", "POST", "DELETE"]),
            Route("/_sandbox/journal", self.journal),
            Route("/_sandbox/ledger", self.ledger),
        ]


async def read_object(request: Request, known: set[str] | None) -> dict[str, Any]:
    """Read a JSON object.

    :param known: the keys it may have; None for any.
    :raises ValueError: if it is something else.
    """
    order = parse(await request.body())
    if not isinstance(order, dict):
        raise ValueError(f"send a JSON object, not {order!r}")
    if known is not None and not order.keys() <= known:
        raise ValueError(f"unknown: {sorted(order.keys() - known)}; known are {sorted(known)}")
    return order


def number(name: str, value: Any) -> float:
    """Return a number.

    :raises ValueError: if it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number, not {value!r}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{name} is too large a number") from None


def refuse(request: Request, error: Refusal) -> Response:
    """Turn a refusal into its answer."""
    return error.response()


def bad_order(request: Request, error: Exception) -> Response:
    """Say what was not understood."""
    return JSONResponse({"error": str(error)}, 400)


def application(backend: Backend) -> ASGIApp:
    """Return the control interface of a backend."""
    handlers: Any = {ValueError: bad_order, Refusal: refuse}
    return LocalOnly(Starlette(routes=Control(backend).routes(), exception_handlers=handlers))
