"""Bursts against the API's rates: every task is green, none loses much time, and no herd comes back at one moment."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_grok.api import wire
from airflow_provider_grok.operators.images import GrokImagineGenerateOperator
from airflow_provider_grok.operators.videos import GrokImagineVideoOperator
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import TaskRun, connect

#: How much longer than the rate itself allows a burst may take.
MOST = 1.25


class SharedTime:
    """The time of several tasks at once, each in a thread: it moves on when all of them sleep, to the first waking."""

    def __init__(self, sandbox: Sandbox, tasks: int) -> None:
        sandbox.clock.rate = 0
        self.clock, self.awake = sandbox.clock, tasks
        self.sleepers: list[float] = []
        self.changed = threading.Condition()

    def sleep(self, seconds: float) -> None:
        with self.changed:
            waking = self.clock.now() + max(seconds, 0.0)
            heapq.heappush(self.sleepers, waking)
            self._leave()
            self.changed.wait_for(lambda: self.clock.now() >= waking)

    def end(self) -> None:
        """A task is over."""
        with self.changed:
            self._leave()

    def _leave(self) -> None:
        self.awake -= 1
        if self.awake or not self.sleepers:
            return
        # A hair more: a sum of floats must not end just before the moment.
        self.clock.advance(max(self.sleepers[0] - self.clock.now(), 0.0) + 1e-6)
        while self.sleepers and self.sleepers[0] <= self.clock.now():
            heapq.heappop(self.sleepers)
            self.awake += 1
        self.changed.notify_all()


@pytest.fixture
def burst(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[tuple[float, int]]]:
    """Run tasks all at once; returns when each paid request came, in seconds, and how it was answered."""
    settings = replace(sandbox.backend.settings, rate_limits=True, image_seconds=5.0)
    monkeypatch.setattr(sandbox.backend, "settings", settings)

    def run(operator: type[Any], tasks: int, **arguments: Any) -> list[tuple[float, int]]:
        shared = SharedTime(sandbox, tasks)
        monkeypatch.setattr(wire.RealClock, "now", staticmethod(sandbox.clock.now))
        monkeypatch.setattr(wire.RealClock, "sleep", staticmethod(shared.sleep))
        start = sandbox.clock.now()

        def one(index: int) -> Any:
            try:
                return TaskRun(operator, task_id="one", of={"map_index": index}, **arguments).execute()
            finally:
                shared.end()

        with ThreadPoolExecutor(tasks) as pool:
            files = list(pool.map(one, range(tasks)))
        assert len(set(files)) == len(sandbox.ledger.charges) == tasks
        rows = reversed(sandbox.backend.journal.latest(100_000))
        return [(row["at"] - start, row["status"]) for row in rows if row["path"].endswith("/generations")]

    return run


def last_accepted(came: list[tuple[float, int]]) -> float:
    return max(at for at, status in came if status == 200)


def most_at_once(came: list[tuple[float, int]], within: float = 0.1) -> int:
    """The most requests within a part of a second, after the first wave, which is the burst itself."""
    times = sorted(at for at, _ in came if at > 0.1)
    return max(sum(at <= other < at + within for other in times) for at in times)


def test_24_videos_at_once_against_one_a_second(burst: Callable[..., list[tuple[float, int]]]) -> None:
    came = burst(GrokImagineVideoOperator, 24, prompt="waves", duration=1)
    assert last_accepted(came) <= MOST * 24
    assert len(came) < 24 * 40
    assert most_at_once(came) < 18, "they come back spread over time"


def test_16_pictures_at_once_against_five_a_second(burst: Callable[..., list[tuple[float, int]]]) -> None:
    came = burst(GrokImagineGenerateOperator, 16, prompt="a red bicycle")
    assert last_accepted(came) <= MOST * 16 / 5
    assert most_at_once(came) < 12


def test_a_burst_is_green_with_a_single_attempt_of_each_call_too(
    burst: Callable[..., list[tuple[float, int]]], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, sandbox, max_attempts=1)
    came = burst(GrokImagineVideoOperator, 6, prompt="waves", duration=1)
    assert last_accepted(came) <= MOST * 6


def test_tasks_that_are_told_the_same_time_do_not_all_come_back_at_it(
    burst: Callable[..., list[tuple[float, int]]], sandbox: Sandbox
) -> None:
    again = {"status": 429, "headers": {"retry-after": "2"}, "body": {"error": "Too many requests for team t."}}
    sandbox.faults.add({"method": "POST", "path": "/v1/videos/*", "times": 24, "action": again})
    came = burst(GrokImagineVideoOperator, 6, prompt="waves", duration=1)
    late = [at for at, _ in came if at > 5][:6]
    assert len(set(late)) == 6
    assert max(late) - min(late) > 0.05
