"""Thousands of waits for batches in one event loop: how late the loop is, and what it costs in CPU and requests.

Run as `python -m tests.bench.poller_waits [waits] [seconds]`; prints one line of JSON. The loop's lateness is that of a
task that wants to wake every ten milliseconds, with and without the waits.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import httpx

from airflow_provider_grok.api import batches, wire
from airflow_provider_grok.api.endpoint import Endpoint
from airflow_provider_grok.api.jobs import Job
from airflow_provider_grok.triggers.poller import Wait, poller_of
from tests.bench.sandbox_process import KEY, sandbox_process

TICK = 0.01
REQUEST = {
    "batch_request_id": "r",
    "batch_request": {"image_generation": {"model": "grok-imagine-image", "prompt": "x"}},
}


async def lateness(seconds: float) -> list[float]:
    """By how many seconds the loop was late, tick by tick, in order of size.

    :param seconds: how long to measure.
    """
    late, end = [], time.monotonic() + seconds
    while (now := time.monotonic()) < end:
        await asyncio.sleep(TICK)
        late.append(time.monotonic() - now - TICK)
    return sorted(late)


def told(late: Sequence[float]) -> dict[str, float]:
    """Lateness in milliseconds: median, 99th percentile, most.

    :param late: sorted.
    """
    picks = {"p50": len(late) // 2, "p99": len(late) * 99 // 100, "max": len(late) - 1}
    return {name: round(late[index] * 1000, 2) for name, index in picks.items()}


async def start(client: httpx.AsyncClient, count: int) -> list[str]:
    """Start batches of one request each; their ids.

    :param client: knows where and as whom.
    :param count: how many.
    """
    gate = asyncio.Semaphore(16)

    async def one(number: int) -> str:
        async with gate:
            made = (await client.post("/batches", json={"name": f"batch {number}"})).json()
            await client.post(f"/batches/{made['batch_id']}/requests", json={"batch_requests": [REQUEST]})
            batch_id: str = made["batch_id"]
            return batch_id

    return await asyncio.gather(*(one(number) for number in range(count)))


async def watch(endpoint: Endpoint, job: Job) -> None:
    """Wait for a batch that does not end.

    :param endpoint: where and as whom.
    :param job: the batch.
    """
    async for _ in poller_of(endpoint).watch(Wait(job)):
        pass


async def measure(url: str, count: int, seconds: float) -> dict[str, Any]:
    """Wait for batches an hour old, each of which is looked at once a minute.

    :param url: the sandbox.
    :param count: waits.
    :param seconds: how long to measure.
    """
    async with httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {KEY}"}, timeout=60) as client:
        await asyncio.to_thread(wire.prepare, batches.Batch)
        ids = await start(client, count)
        idle = await lateness(10)
        control = url.removesuffix("/v1") + "/_sandbox/journal"
        before = len((await client.get(control)).json()["requests"])
        jobs = [Job("batch", id, time.time() - 3600) for id in ids]
        watching = [asyncio.create_task(watch(Endpoint(url, KEY), job)) for job in jobs]
        first = await lateness(5)
        cpu, began = time.process_time(), time.monotonic()
        steady = await lateness(seconds)
        cpu, took = time.process_time() - cpu, time.monotonic() - began
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        looks = len((await client.get(control)).json()["requests"]) - before
    return {
        "waits": count,
        "late_ms_idle": told(idle),
        "late_ms_first_5_s": told(first),
        "late_ms": told(steady),
        "cpu_percent": round(100 * cpu / took, 1),
        "requests_per_minute": round(60 * looks / (took + 5), 1),
    }


def main(count: int, seconds: float) -> dict[str, Any]:
    """Measure against a sandbox in another process.

    :param count: waits.
    :param seconds: how long to measure.
    """
    with sandbox_process("--batch-seconds", "80000") as url:
        return asyncio.run(measure(url, count, seconds))


if __name__ == "__main__":
    of = [float(text) for text in sys.argv[1:]]
    sys.stdout.write(json.dumps(main(int(of[0]) if of else 5000, of[1] if len(of) > 1 else 150.0)) + "\n")
