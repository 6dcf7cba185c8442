"""The pollers of an event loop, one for each connection."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from airflow_provider_grok.hooks import connection_cache
from airflow_provider_grok.hooks.grok import GrokHook
from airflow_provider_grok.triggers.poller import Poller

# Keyed weakly by the loop object: id(loop) is used again once a loop is gone.
_pollers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Poller]] = WeakKeyDictionary()
_prepared: list[None] = []


async def poller_of(conn_id: str) -> Poller:
    """The running loop's poller for a connection.

    :param conn_id: the connection.
    :raises InvalidRequest: when there is no such connection, or it names no endpoint.
    """
    if not _prepared:
        # The first trigger of a process loads what a poll needs; in a thread, for the loop has others to serve.
        await asyncio.to_thread(_prepare)
    fetch = connection_cache.refresher(GrokHook, conn_id)
    endpoint = await fetch()
    here = _pollers.setdefault(asyncio.get_running_loop(), {})
    if conn_id not in here:
        poller = here[conn_id] = Poller(endpoint, refresh=fetch)
        poller.on_idle = lambda idle: _forget(conn_id, idle)
    elif here[conn_id].endpoint != endpoint:
        here[conn_id].move_to(endpoint)
    return here[conn_id]


def _forget(conn_id: str, poller: Poller) -> None:
    here = _pollers.get(asyncio.get_running_loop(), {})
    if here.get(conn_id) is poller:
        del here[conn_id]


def _prepare() -> None:
    from airflow_provider_grok.api import batches, files, images, videos, wire

    wire.prepare(batches.Batch, images.Images, videos.Video, files.FilePage)
    _prepared.append(None)
