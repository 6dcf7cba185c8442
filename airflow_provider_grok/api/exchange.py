"""An exchange: one request sent and its answer taken in, under one deadline; in a thread and on an event loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_grok.api import errors
from airflow_provider_grok.api.answer import Answer
from airflow_provider_grok.api.call import Call
from airflow_provider_grok.api.client import quiet_logs
from airflow_provider_grok.api.deadline import Watchdog
from airflow_provider_grok.api.endpoint import Endpoint
from airflow_provider_grok.api.response import ResponseReader

if TYPE_CHECKING:
    import httpx


def send(client: httpx.Client, streams: deque[Any], endpoint: Endpoint, call: Call[Any]) -> Answer:
    """Send one call in this thread, and take its answer in.

    :param client: the client.
    :param streams: its connections; new ones are added.
    :param endpoint: where and as whom.
    :param call: the call.
    :raises GrokError: when no whole answer came, and OSError for trouble with a file to send or to write.
    """
    reader, failure = ResponseReader(endpoint, call), None

    def trace(event: str, info: Mapping[str, Any]) -> None:
        reader.trace(event, info)
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            streams.append(info["return_value"])

    with quiet_logs(), Watchdog(reader.deadline, streams) as watchdog:
        try:
            with (
                reader.request() as request,
                client.stream(**request, extensions={"trace": trace}) as response,
                reader.body(response) as take,
            ):
                for chunk in response.iter_raw():
                    take(chunk)
        except errors.GrokError:
            raise
        except Exception as error:
            failure = _failure(reader, error)
    if watchdog.expired:
        failure = reader.too_late()
    # Raised here, so that the client's exception, which may show headers, does not hang on it as its context.
    if failure:
        raise failure
    return reader.answer()


async def asend(client: httpx.AsyncClient, endpoint: Endpoint, call: Call[Any]) -> Answer:
    """Send one call on the running event loop, and take its answer in.

    :param client: the client.
    :param endpoint: where and as whom.
    :param call: the call.
    :raises GrokError: when no whole answer came, and OSError for trouble with a file to send or to write.
    """
    import anyio

    reader, failure = ResponseReader(endpoint, call), None

    async def trace(event: str, info: Mapping[str, Any]) -> None:
        reader.trace(event, info)

    with quiet_logs(), anyio.move_on_after(reader.deadline.left()) as scope:
        try:
            with reader.request() as request:
                async with client.stream(**request, extensions={"trace": trace}) as response:
                    with reader.body(response) as take:
                        async for chunk in response.aiter_raw():
                            take(chunk)
                            scope.deadline = anyio.current_time() + reader.deadline.left()
        except errors.GrokError:
            raise
        except Exception as error:
            failure = _failure(reader, error)
    if scope.cancelled_caught:
        failure = reader.too_late()
    if failure:
        raise failure
    return reader.answer()


def _failure(reader: ResponseReader, error: Exception) -> errors.GrokError:
    if isinstance(error, OSError) and (reader.call.upload or reader.call.into):
        # Trouble with a file of this machine is the flow's: it knows which file, and why.
        raise error
    return reader.failure(error)
