"""Ephemeral links: what an Imagine answer's `url` leads to, for a day, or for an hour out of a batch."""

from __future__ import annotations

import base64
from typing import Any

from starlette.responses import Response

from airflow_provider_grok.sandbox.backend import Backend
from airflow_provider_grok.sandbox.errors import missing
from airflow_provider_grok.sandbox.request_context import RequestContext, route
from airflow_provider_grok.sandbox.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS assets (path TEXT PRIMARY KEY, blob TEXT, mime TEXT, signature TEXT, expires_at REAL)
"""
DAY = 86_400.0  # life of a link
HOUR = 3_600.0  # life of a link out of a batch (docs.x.ai, Batch API)

EXTENSIONS = {"image/jpeg": "jpeg", "image/png": "png"}


def offer_image(backend: Backend, blob: str, mime: str, at: float, *, batch: bool = False) -> str:
    """Make an image reachable for a while and return its link, without scheme and host.

    :param at: when its life begins, unix seconds.
    :param batch: signed and for one hour instead of a day.
    """
    path = f"/imgen/xai-imgen/xai-tmp-imgen-{backend.ids.uuid()}.{EXTENSIONS.get(mime, 'bin')}"
    return offer(backend, path, blob, mime, at, batch=batch)


def offer_video(backend: Backend, request_id: str, blob: str, at: float, *, batch: bool = False) -> str:
    """Make a video reachable for a while and return its link, without scheme and host."""
    path = f"/vidgen/xai-vidgen-bucket/xai-video-{request_id}.mp4"
    return offer(backend, path, blob, "video/mp4", at, batch=batch)


def offer(backend: Backend, path: str, blob: str, mime: str, at: float, *, batch: bool) -> str:
    """Make a blob reachable under a path for a while and return its link."""
    signature = backend.ids.token() if batch else ""
    end = at + (HOUR if batch else DAY)
    backend.store.insert("assets", path=path, blob=blob, mime=mime, signature=signature, expires_at=end)
    return f"{path}?sig={signature}" if signature else path


async def serve(context: RequestContext) -> Response:
    """Answer a link, without a key."""
    signature = context.request.query_params.get("sig", "")
    found = find(context.backend, context.path, signature)
    if found is None:
        raise missing("The link has expired or never was.")
    blob, mime = found
    return Response(await context.backend.read(blob), media_type=mime)


def find(backend: Backend, path: str, signature: str) -> tuple[str, str] | None:
    """Return the blob and type behind a living link."""
    sql = "SELECT blob, mime FROM assets WHERE path = ? AND signature = ? AND expires_at > ?"
    row = backend.store.row(sql, path, signature, backend.clock.now())
    return (row["blob"], row["mime"]) if row else None


def present(result: Any, base: str, store: Store) -> Any:
    """Return a kept result as the client gets it: links with its own scheme and host, pictures as base64."""
    if isinstance(result, list):
        return [present(item, base, store) for item in result]
    if not isinstance(result, dict):
        return result
    shown = {key: present(value, base, store) for key, value in result.items()}
    for key in ("url", "public_url"):
        if isinstance(shown.get(key), str) and shown[key].startswith("/"):
            shown[key] = f"{base}{shown[key]}"
    if isinstance(shown.get("b64_json"), str):
        shown["b64_json"] = base64.b64encode(store.read_blob(shown["b64_json"])).decode()
    return shown


ROUTES = [route("GET", "/imgen/{rest:path}", serve), route("GET", "/vidgen/{rest:path}", serve)]
