"""Fetching a connection on an event loop: once a minute for all who ask, and on every Airflow 3.3."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from airflow_provider_grok.api import errors, wire
from airflow_provider_grok.api.endpoint import Endpoint

if TYPE_CHECKING:
    from airflow.sdk import BaseHook

#: Seconds for which what was fetched is taken as it was.
LIFETIME = 60.0


@dataclass
class _Fetched:
    """What is known of a connection: its endpoint as it was, or the look that is under way."""

    at: float = -LIFETIME
    endpoint: Endpoint | None = None
    look: asyncio.Task[Endpoint] | None = None


# Keyed weakly by the loop object: id(loop) is used again once a loop is gone.
_fetched: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _Fetched]] = WeakKeyDictionary()


async def endpoint(hook: type[BaseHook], conn_id: str) -> Endpoint:
    """The endpoint that a connection names, fetched at most once a minute on an event loop.

    :param hook: the class whose way to fetch connections is used.
    :param conn_id: the connection.
    :raises InvalidRequest: when there is no such connection, or it has no key, or an extra has no sensible value.
    """
    known = _fetched.setdefault(asyncio.get_running_loop(), {}).setdefault(conn_id, _Fetched())
    if known.endpoint and wire.REAL_CLOCK.now() - known.at < LIFETIME:
        return known.endpoint
    if known.look is None:
        # A task of its own: whoever asked first may be cancelled, and the others still want to know.
        known.look = asyncio.create_task(_look(known, hook, conn_id))
    return await asyncio.shield(known.look)


async def _look(known: _Fetched, hook: type[BaseHook], conn_id: str) -> Endpoint:
    try:
        known.endpoint = await _fetch(hook, conn_id)
        known.at = wire.REAL_CLOCK.now()
        return known.endpoint
    except Exception:
        known.endpoint = None
        raise
    finally:
        # A task knows its loop, and would keep it alive for ever.
        known.look = None


async def _fetch(hook: type[BaseHook], conn_id: str) -> Endpoint:
    from airflow.sdk.exceptions import AirflowNotFoundException

    from airflow_provider_grok.hooks.connection import endpoint_of

    try:
        connection, extra = await _connection(hook, conn_id)
    except AirflowNotFoundException as error:
        raise errors.InvalidRequest(
            f"There is no connection {conn_id!r}: it was never made, or was deleted. Make it (type grok), and clear "
            "the task."
        ) from error
    return endpoint_of(connection, extra)


async def _connection(hook: type[BaseHook], conn_id: str) -> tuple[Any, Any]:
    from airflow.sdk import Connection

    if hasattr(Connection, "aextra_dejson"):
        connection = await hook.aget_connection(conn_id)
        return connection, await connection.aextra_dejson()
    # Airflow 3.3.0 and 3.3.1: what they have for event loops fails while another question is under way.
    connection = await asyncio.to_thread(hook.get_connection, conn_id)
    return connection, await asyncio.to_thread(lambda: connection.extra_dejson)


def refresher(hook: type[BaseHook], conn_id: str) -> Callable[[], Awaitable[Endpoint]]:
    """A function that fetches the endpoint again.

    :param hook: the class whose way to fetch connections is used.
    :param conn_id: the connection.
    """
    return lambda: endpoint(hook, conn_id)
