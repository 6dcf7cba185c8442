"""Thousands of waits in one event loop: how long it stops, how much is asked, and how soon an end is told.

Run as `uv run python -m tests.bench.triggers [--json] [--rounds N] [--only NAME] [--before FOLDER]`. Each contender
runs in a process of its own against a stub server in another, in turns. `limit` is the simplest loop that could do it:
a bare httpx client that lists batches page by page, or polls videos at the same intervals, without models, errors,
deadlines or logs. `--before` names a checkout of an older version to measure beside this one.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.job_server import PAGE, job_server

KEY = "xai-benchmark-key"
TICK = 0.01
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Scenario:
    """So many jobs of a kind that end in a window of seconds after the server's start."""

    name: str
    kind: str
    count: int
    begin: float
    end: float


SCENARIOS = (
    Scenario("5,000 batches", "batch", 5_000, 25, 55),
    Scenario("20,000 batches", "batch", 20_000, 40, 80),
    Scenario("5,000 videos", "video", 5_000, 25, 65),
)
COLUMNS = {
    "longest_stop_ms": "longest stop, ms",
    "longest_busy_ms": "of it own CPU, ms",
    "requests_per_s": "requests/s",
    "told_p50_s": "done to event p50, s",
    "cpu_ms_per_request": "CPU a request, ms",
    "kib_per_wait": "KiB a wait",
}

# -- contenders: each gets the jobs' ids and tells when it knows that one has ended ------------------------------------

Tell = Callable[[int], None]


async def limit_batches(url: str, count: int, tell: Tell) -> None:
    """List all batches, page by page, no more often than every five seconds."""
    import httpx

    waiting = {f"batch_{number:06d}": number for number in range(count)}
    async with httpx.AsyncClient(base_url=f"{url}/v1", headers={"authorization": f"Bearer {KEY}"}) as client:
        while waiting:
            start, token = time.monotonic(), "0"
            while token:
                found = await client.get("/batches", params={"limit": PAGE, "pagination_token": token})
                page = json.loads(found.content)
                for batch in page["batches"]:
                    if not batch["state"]["num_pending"] and batch["batch_id"] in waiting:
                        tell(waiting.pop(batch["batch_id"]))
                token = page["pagination_token"]
            await asyncio.sleep(max(0.0, start + 5 - time.monotonic()))


async def limit_videos(url: str, count: int, tell: Tell) -> None:
    """Poll each video at an interval of a twentieth of its age, 2 to 15 s, sixteen requests at a time."""
    import heapq

    import httpx

    start, due = time.time(), [(0.0, number) for number in range(count)]
    async with httpx.AsyncClient(base_url=f"{url}/v1", headers={"authorization": f"Bearer {KEY}"}) as client:

        async def work() -> None:
            while due:
                at, number = heapq.heappop(due)
                if at > time.time():
                    heapq.heappush(due, (at, number))
                    await asyncio.sleep(TICK)
                    continue
                found = await client.get(f"/videos/video_{number:06d}")
                if json.loads(found.content)["status"] == "done":
                    tell(number)
                else:
                    now = time.time()
                    heapq.heappush(due, (now + min(max((now - start) * 0.05, 2.0), 15.0), number))

        await asyncio.gather(*(work() for _ in range(16)))


async def ours(kind: str, url: str, count: int, tell: Tell) -> None:
    """Triggers as Airflow runs them: fifty new ones at a time."""
    from airflow_provider_grok.triggers.jobs import GrokJobTrigger

    start = time.time()

    async def one(number: int) -> None:
        trigger = GrokJobTrigger(
            kind=kind,  # type: ignore[arg-type]
            job_id=f"{kind}_{number:06d}",
            submitted_at=start,
            deadline=start + 3600,
            # What it was called in 0.1.0, so that an older checkout understands it too.
            first_look=0.0,
        )
        async for event in trigger.run():
            if event.payload["status"] == "ended":
                tell(number)
            else:
                sys.stderr.write(f"{event.payload}\n")

    tasks = []
    for number in range(count):
        tasks.append(asyncio.create_task(one(number)))
        if not number % 50:
            await asyncio.sleep(0)
    await asyncio.gather(*tasks)


def load(url: str) -> None:
    """Load what a triggerer has loaded long before: that is not the price of a wait.

    :param url: the stub server.
    """
    from airflow_provider_grok.api import batches, images, videos, wire
    from airflow_provider_grok.hooks.grok import GrokHook
    from airflow_provider_grok.triggers.jobs import GrokJobTrigger

    os.environ["AIRFLOW_CONN_GROK_DEFAULT"] = json.dumps({"conn_type": "grok", "host": f"{url}/v1", "password": KEY})
    wire.prepare(batches.Batch, images.Images, videos.Video)
    asyncio.run(GrokHook().aendpoint())
    assert GrokJobTrigger.__module__.endswith("triggers.jobs")
    # A line a wait and change of its state goes to its own log; here that would be this process's terminal.
    logging.getLogger("airflow_provider_grok").setLevel(logging.WARNING)


def contender(name: str, scenario: Scenario) -> Callable[[str, Tell], Awaitable[None]]:
    """What to run.

    :param name: limit, or ours (of this or of an older checkout).
    :param scenario: what to wait for.
    """
    if name != "limit":
        return lambda url, tell: ours(scenario.kind, url, scenario.count, tell)
    bare = limit_batches if scenario.kind == "batch" else limit_videos
    return lambda url, tell: bare(url, scenario.count, tell)


# -- one round, in a process of its own --------------------------------------------------------------------------------


def resident() -> int:
    """Bytes that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def measure(run: Callable[[str, Tell], Awaitable[None]], scenario: Scenario, url: str) -> dict[str, float]:
    """Run a contender, and look at its loop.

    :param run: the contender.
    :param scenario: what it waits for.
    :param url: the stub server.
    """
    import httpx

    # What a process loads once is not the price of a wait.
    httpx.Client().close()
    # Nor is it a wait's price that Python's garbage collector walks all of Airflow's modules: 0.1 s each time.
    gc.collect()
    gc.freeze()
    late, busy, told, began, memory = 0.0, 0.0, dict[int, float](), time.time(), list[int]()
    before, cpu = resident(), time.process_time()

    def tell(number: int) -> None:
        told[number] = time.time()

    running = asyncio.ensure_future(run(url, tell))
    while not running.done():
        tick, worked = time.monotonic(), time.thread_time()
        await asyncio.sleep(TICK)
        late, busy = max(late, time.monotonic() - tick - TICK), max(busy, time.thread_time() - worked)
        if not memory and time.time() - began > scenario.begin - 5:
            memory.append(resident())
    await running
    took, cpu = time.time() - began, time.process_time() - cpu
    stats = json.loads(await asyncio.to_thread(lambda: httpx.get(f"{url}/stats", trust_env=False).content))
    assert len(told) == scenario.count
    return {
        "longest_stop_ms": 1000 * late,
        # On a machine that others load, what the loop itself was busy with in one go is what can be compared.
        "longest_busy_ms": 1000 * busy,
        "requests_per_s": stats["requests"] / took,
        "told_p50_s": statistics.median(told[number] - end for number, end in enumerate(stats["ends"])),
        "cpu_ms_per_request": 1000 * cpu / stats["requests"],
        "kib_per_wait": (memory[0] - before) / 1024 / scenario.count,
    }


def round_of(name: str, scenario: Scenario, package: Path) -> dict[str, float]:
    """Run one contender in a process of its own.

    :param name: the contender.
    :param scenario: what to wait for.
    :param package: folder that holds the package.
    """
    command = [sys.executable, "-m", "tests.bench.triggers", "--contender", name, "--only", scenario.name]
    with job_server(scenario.count, scenario.begin, scenario.end) as url:
        done = subprocess.run(
            [*command, "--url", url, "--package", str(package)], stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT
        )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(scenario: Scenario, contenders: dict[str, Path], rounds: int) -> dict[str, dict[str, float]]:
    """The median of interleaved rounds of all contenders.

    :param scenario: what to wait for.
    :param contenders: their names, and the folder that holds the package.
    :param rounds: how many.
    """
    found: dict[str, list[dict[str, float]]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, package in contenders.items():
            found[name].append(round_of(name, scenario, package))
    return {
        name: {column: statistics.median(one[column] for one in rows) for column in COLUMNS}
        for name, rows in found.items()
    }


def table(scenario: Scenario, found: dict[str, dict[str, float]]) -> str:
    """The figures of a scenario, with their ratio to the limit.

    :param scenario: what was waited for.
    :param found: figures by contender.
    """
    lines = [f"| {scenario.name} | " + " | ".join(COLUMNS.values()) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, figures in found.items():
        cells = [f"{figures[column]:.3g} ({figures[column] / found['limit'][column]:.2f} x)" for column in COLUMNS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Compare the contenders; or, in a process of its own, run one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", choices=[scenario.name for scenario in SCENARIOS])
    parser.add_argument("--before", type=Path)
    for hidden in ("--contender", "--url", "--package"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    given = parser.parse_args()
    scenarios = [scenario for scenario in SCENARIOS if given.only in (None, scenario.name)]
    if given.contender:
        sys.path.insert(0, given.package)
        if given.contender != "limit":
            load(given.url)
        figures: Any = asyncio.run(measure(contender(given.contender, scenarios[0]), scenarios[0], given.url))
        sys.stdout.write(json.dumps(figures) + "\n")
        return
    contenders = {"limit": ROOT, "ours": ROOT} | ({"before": given.before} if given.before else {})
    results = {scenario.name: compare(scenario, contenders, given.rounds) for scenario in scenarios}
    if given.json:
        sys.stdout.write(json.dumps(results) + "\n")
        return
    for scenario in scenarios:
        sys.stdout.write(table(scenario, results[scenario.name]) + "\n")


if __name__ == "__main__":
    main()
