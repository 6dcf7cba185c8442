"""The sandbox as a web application: every request passes here for its key, its fault, its id and the journal."""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from airflow_provider_grok.sandbox import (
    account,
    assets,
    batches,
    control,
    fault_refusals,
    files,
    images,
    public_urls,
    videos,
    visibility,
)
from airflow_provider_grok.sandbox.backend import Backend
from airflow_provider_grok.sandbox.body_limits import LARGEST_BODY, LARGEST_ORDER, LimitedBody
from airflow_provider_grok.sandbox.errors import CODES, Refusal, invalid
from airflow_provider_grok.sandbox.fault_answers import injected_answer
from airflow_provider_grok.sandbox.host_guard import foreign_host, with_security_headers
from airflow_provider_grok.sandbox.jobs import Maker
from airflow_provider_grok.sandbox.request_context import RequestContext, parse

log = logging.getLogger(__name__)

SCHEMAS = (files.SCHEMA, assets.SCHEMA, batches.SCHEMA, visibility.SCHEMA)
MAKERS: dict[str, Maker] = {**images.MAKERS, **videos.MAKERS}
ROUTES = [
    *account.ROUTES,
    *files.ROUTES,
    *public_urls.ROUTES,
    *images.ROUTES,
    *videos.ROUTES,
    *batches.ROUTES,
    *assets.ROUTES,
]
KEPT_BYTES = 1_000_000  # of a body that nobody reads, for the journal


class Application:
    """The ASGI application.

    :param backend: what the routes work on.
    :param loopback: whether it listens on loopback: then it answers to names of this machine only.
    """

    def __init__(self, backend: Backend, *, loopback: bool = True) -> None:
        self.backend = backend
        self._loopback = loopback
        for schema in SCHEMAS:
            backend.store.create(schema)
        backend.jobs.makers.update(MAKERS)
        handlers: Any = {Refusal: refuse, HTTPException: refuse_route}
        self._api = Starlette(routes=ROUTES, exception_handlers=handlers)
        self._api.router.redirect_slashes = False
        self._control = control.application(backend)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._lifespan(receive, send)
        elif scope["path"] in ("/", "/favicon.ico") or scope["path"].startswith("/_sandbox/"):
            await self._control(scope, LimitedBody(receive, LARGEST_ORDER), send)
        elif self._loopback and (reason := foreign_host(scope)):
            refused = await capture(Refusal(403, reason).response(), scope, receive)
            await deliver(refused, str(uuid.uuid4()), None, receive, send)
        else:
            await self._handle(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        self.backend.jobs.resume()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.backend.jobs.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        backend = self.backend
        meter = LimitedBody(receive, LARGEST_BODY)
        request = Request(scope, meter)
        script = backend.faults.take(scope["method"], scope["path"])
        # Not out of the seeded stream: how often a client polls must not change the ids of files.
        context = RequestContext(backend, request, str(uuid.uuid4()), script)
        scope["context"] = context
        late = script.get("after", False)
        await asyncio.sleep(0 if late else script.get("delay", 0))
        answer = await self._answer(context, scope, meter)
        await asyncio.sleep(script.get("delay", 0) if late else 0)
        backend.journal.write(entry(context, meter, answer), backend.clock.now())
        if answer is None or script.get("drop"):
            await hang_up(receive, send)
        else:
            await deliver(answer, context.request_id, script.get("truncate"), receive, send)

    async def _answer(self, context: RequestContext, scope: Scope, meter: LimitedBody) -> Answer | None:
        """Return the answer, or None if the connection is to be closed with nothing done."""
        script = context.script
        if script.get("drop") == "before":
            await drain(context)
            return None
        if "status" in script and not script.get("after"):
            await drain(context)
            return await capture(injected_answer(script), scope, meter)
        refusal = refuse_unread(context)
        if refusal is not None:
            await drain(context)
            return await capture(refusal.response(), scope, meter)
        answer = await capture(self._api, scope, meter)
        return await capture(injected_answer(script), scope, meter) if "status" in script else answer


class Answer:
    """A whole answer, before it is sent."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.start: Message = {}
        self.body = b""

    async def take(self, message: Message) -> None:
        """Take a message from the application."""
        if message["type"] == "http.response.start":
            self.start = message
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")


async def capture(app: Any, scope: Scope, receive: Receive) -> Answer:
    """Let an application answer, and keep the answer instead of sending it."""
    answer = Answer()
    try:
        await app(scope, receive, answer.take)
    except RecursionError:
        answer = Answer()
        await invalid("The request is nested too deeply.").response()(scope, receive, answer.take)
    except Refusal as refusal:  # of the body, where nobody else reads it
        answer = Answer()
        await refusal.response()(scope, receive, answer.take)
    except ClientDisconnect:
        await Response(status_code=499)(scope, receive, answer.take)
    except Exception:
        log.exception("the sandbox failed at %s %s", scope["method"], scope["path"])
        answer = Answer()
        await Refusal(500, "The sandbox itself failed; see its log.").response()(scope, receive, answer.take)
    return answer


async def drain(context: RequestContext) -> None:
    """Read a body that nobody wants, so that the client gets to read the answer; keep it if it is JSON and not long.

    A body that is too large or too slow is left unread.
    """
    data, is_json = bytearray(), "json" in context.request.headers.get("content-type", "")
    try:
        async for chunk in context.request.stream():
            if is_json and len(data) <= KEPT_BYTES:
                data += chunk
        if data and len(data) <= KEPT_BYTES:
            context.json = parse(bytes(data))
    except (Refusal, ValueError):
        context.json = None


def refuse_unread(context: RequestContext) -> Refusal | None:
    """Return why a request is refused before its body is looked at, or None."""
    headers = context.request.headers
    if context.path.startswith("/v1/") and not key_is_right(context):
        return wrong_key(context.request)
    encoding = headers.get("content-encoding", "identity").strip().lower()
    # Nobody asked for it: a few kilobytes of it may become gigabytes.
    if encoding != "identity":
        return Refusal(415, f"Content-Encoding {encoding!r} is not supported.")
    return fault_refusals.refusal(context.script["refuse"]) if "refuse" in context.script else None


def key_is_right(context: RequestContext) -> bool:
    """Tell whether the request bears the key."""
    scheme, _, key = context.request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and key.strip() == context.backend.settings.api_key


def wrong_key(request: Request) -> Refusal:
    """Return the refusal of a wrong key, which is a 400 (docs.x.ai, Errors)."""
    key = request.headers.get("authorization", "").partition(" ")[2].strip()
    if not key:
        return invalid("No API key provided. Incorrect API key provided: send `Authorization: Bearer <key>`.")
    shown = f"{key[:2]}***{key[-2:]}" if len(key) > 8 else "***"
    return invalid(f"Incorrect API key provided: {shown}. You can obtain an API key from https://console.x.ai.")


def refuse(request: Request, error: Refusal) -> Response:
    """Turn a refusal into its answer."""
    return error.response()


def refuse_route(request: Request, error: HTTPException) -> Response:
    """Answer a path or method that does not exist in the API's own form."""
    code = CODES.get(error.status_code, "unknown")
    message = f"{error.detail}: {request.method} {request.url.path}"
    return JSONResponse({"code": code, "error": message}, error.status_code, error.headers)


def entry(context: RequestContext, meter: LimitedBody, answer: Answer | None) -> dict[str, Any]:
    """Return a request as the journal keeps it."""
    request = context.request
    return {
        "method": request.method,
        "path": request.url.path,
        "query": dict(request.query_params),
        "status": answer and answer.start["status"],
        "request_bytes": meter.count,
        "response_bytes": len(answer.body) if answer else 0,
        "json": context.json,
        "unknown": context.unknown,
    }


async def deliver(answer: Answer, request_id: str, limit: int | None, receive: Receive, send: Send) -> None:
    """Send an answer.

    :param request_id: its `x-request-id`.
    :param limit: send only so many bytes of the body, if a fault says so.
    """
    headers = with_security_headers([*answer.start["headers"], (b"x-request-id", request_id.encode())])
    await send({**answer.start, "headers": headers})
    if limit is None or limit >= len(answer.body):
        await send({"type": "http.response.body", "body": answer.body})
        return
    # More is promised than comes.
    await send({"type": "http.response.body", "body": answer.body[:limit], "more_body": True})
    await hang_up(receive, send)


async def hang_up(receive: Receive, send: Send) -> None:
    """Close the connection, whatever was promised."""
    # ASGI has no word for it, so ask the object behind `send`, uvicorn's request, for its transport.
    send.__self__.transport.close()  # type: ignore[attr-defined]
    while (await receive())["type"] != "http.disconnect":
        pass
