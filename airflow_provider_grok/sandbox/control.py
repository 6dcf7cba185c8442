"""The control interface under `/_sandbox/`: clock, faults, journal, ledger, reset. It needs no key, so it is for this
machine only (see `host_guard`)."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_provider_grok.sandbox.backend import Backend
from airflow_provider_grok.sandbox.errors import Refusal
from airflow_provider_grok.sandbox.fault_answers import LenientJSONResponse
from airflow_provider_grok.sandbox.gallery import Gallery
from airflow_provider_grok.sandbox.host_guard import foreign_control, with_security_headers
from airflow_provider_grok.sandbox.request_context import parse


class LocalOnly:
    """Refuses whoever is not on this machine, and sends the security headers with every answer.

    :param app: the control interface.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass local requests on."""

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": with_security_headers(list(message["headers"]))}
            await send(message)

        reason = foreign_control(scope)
        app = self.app if reason is None else JSONResponse({"error": reason}, 403)
        await app(scope, receive, secured)


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
            return LenientJSONResponse(faults.add(await read_object(request, None)))
        if request.method == "DELETE":
            faults.clear()
        return LenientJSONResponse({"faults": faults.list})

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
