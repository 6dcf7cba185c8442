"""A server that wants one connection to be left alone: how often it is asked all the same, and whether others notice.

Run as `uv run python -m tests.bench.retry_after [--json] [--waits N]`. Two connections wait for as many videos each.
In one of two runs the server answers the first connection with 429 and `Retry-After` for twenty seconds. The best that
can be done is one request for each that was under way when the first 429 came (`max_in_flight`), and a second
connection whose ends are told as soon as without.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import statistics
import sys
import time
from typing import Any

import httpx

from airflow_provider_grok.api import videos, wire
from airflow_provider_grok.api.endpoint import Endpoint
from airflow_provider_grok.api.jobs import Job
from airflow_provider_grok.triggers.poller import Poller, Wait
from tests.bench.job_server import job_server

KEYS = ("xai-limited-key", "xai-other-key")
REST = 20


async def told(poller: Poller, number: int, start: float) -> tuple[int, float]:
    """When the end of a video is told.

    :param poller: the connection's poller.
    :param number: of the video.
    :param start: unix seconds of its submission.
    """
    event = await poller.watch(Wait(Job("video", f"video_{number:06d}", start), start + 600))
    assert event.what == "ended"
    return number, time.time()


async def measure(url: str, waits: int, *, limited: bool) -> dict[str, float]:
    """Let two connections wait for the same videos.

    :param url: the stub server.
    :param waits: how many videos.
    :param limited: whether the first connection is told to rest.
    """
    pollers = [Poller(Endpoint(f"{url}/v1", key)) for key in KEYS]
    start = time.time()
    watching = [asyncio.gather(*(told(poller, number, start) for number in range(waits))) for poller in pollers]
    await asyncio.sleep(5)
    async with httpx.AsyncClient(base_url=url, trust_env=False) as control:
        if limited:
            await control.get(f"/limit/{KEYS[0]}/{REST}")
        before = (await control.get("/stats")).json()["by_key"].get(KEYS[0], 0)
        await asyncio.sleep(REST - 1)
        stats = (await control.get("/stats")).json()
    others: Any = (await asyncio.gather(*watching))[1]
    return {
        "requests_while_resting": stats["by_key"][KEYS[0]] - before,
        "other_told_p50_s": statistics.median(at - stats["ends"][number] for number, at in others),
    }


def main() -> None:
    """Compare a run with a rest to one without."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--waits", type=int, default=300)
    given = parser.parse_args()
    logging.disable(logging.ERROR)
    wire.prepare(videos.Video)
    found: dict[str, dict[str, float]] = {}
    for name, limited in (("without", False), ("with", True)):
        with job_server(given.waits, 10, 40) as url:
            found[name] = asyncio.run(measure(url, given.waits, limited=limited))
    if given.json:
        sys.stdout.write(json.dumps(found) + "\n")
        return
    most = Endpoint().max_in_flight
    asked, quiet = (found[name]["requests_while_resting"] for name in ("with", "without"))
    noticed = found["with"]["other_told_p50_s"] / found["without"]["other_told_p50_s"]
    sys.stdout.write(
        "| | polls of the resting connection in 19 s | the other's done to event p50, s |\n|---|---|---|\n"
        f"| without Retry-After | {quiet:.0f} | {found['without']['other_told_p50_s']:.2f} |\n"
        f"| with Retry-After: {REST} | {asked:.0f} (at the best 0, at the most {most}) "
        f"| {found['with']['other_told_p50_s']:.2f} ({noticed:.2f} x) |\n"
    )


if __name__ == "__main__":
    main()
