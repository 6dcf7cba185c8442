"""The poller: many waits, one client, each looked at when it is due."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import weakref
from typing import Any

import pytest

from airflow_provider_grok.api import errors, jobs, wire
from airflow_provider_grok.api.endpoint import Endpoint
from airflow_provider_grok.api.jobs import Job
from airflow_provider_grok.hooks import connection_cache
from airflow_provider_grok.sandbox.server import Sandbox
from airflow_provider_grok.triggers.poller import Poller, Wait, WaitEvent
from airflow_provider_grok.triggers.registry import poller_of
from tests.airflow_task import Time, asked, until

LOOK = {"method": "GET", "path": "/v1/images/*"}


def endpoint_of(sandbox: Sandbox, **settings: Any) -> Endpoint:
    return Endpoint(sandbox.url, sandbox.api_key, **settings)


def submit(sandbox: Sandbox, count: int = 1) -> list[Job]:
    """Start pictures, past the operators."""
    import httpx

    found = []
    with httpx.Client(headers={"authorization": f"Bearer {sandbox.api_key}"}) as client:
        for _ in range(count):
            body = {"prompt": "x", "model": "grok-imagine-image", "deferred": True}
            answer = client.post(f"{sandbox.url}/images/generations", json=body).raise_for_status().json()
            found.append(Job("image", answer["request_id"], sandbox.clock.now()))
    return found


async def last_of(poller: Poller, wait: Wait) -> WaitEvent:
    return await poller.watch(wait)


class StillTime:
    """The tests' time, which moves on only while no look is under way: a slow machine changes nothing."""

    def __init__(self) -> None:
        self.poller: Poller | None = None
        self.now, self.sleep = wire.REAL_CLOCK.now, wire.REAL_CLOCK.sleep

    async def asleep(self, seconds: float) -> None:
        """Sleep, once every look has come back; a look that comes back ends the poller's sleep."""
        await until(lambda: not (self.poller and self.poller.busy))
        await wire.REAL_CLOCK.asleep(seconds)


def watch(sandbox: Sandbox, *waits: Wait, **settings: Any) -> list[WaitEvent]:
    async def main() -> list[WaitEvent]:
        clock = StillTime()
        clock.poller = Poller(endpoint_of(sandbox, **settings), clock)
        return await asyncio.gather(*(last_of(clock.poller, wait) for wait in waits))

    return asyncio.run(main())


def test_a_wait_ends_when_its_job_does(slow: Sandbox, time: Time) -> None:
    (job,) = submit(slow)
    (news,) = watch(slow, Wait(job))
    assert news.what == "ended"
    assert 30 <= sum(time.slept) <= 36


def test_the_pace_follows_the_age_of_the_job(slow: Sandbox, time: Time) -> None:
    (job,) = submit(slow)
    watch(slow, Wait(job))
    looks = asked(slow, "GET")
    assert len(looks) < 60
    assert max(time.slept) > min(time.slept) * 2


def test_a_poll_interval_is_kept(slow: Sandbox, time: Time) -> None:
    (job,) = submit(slow)
    watch(slow, Wait(job, poll_interval=10))
    assert len(asked(slow, "GET")) in (4, 5)


def test_the_deadline_is_wall_clock_and_the_job_is_looked_at_once_more_before(slow: Sandbox, time: Time) -> None:
    (job,) = submit(slow)
    (news,) = watch(slow, Wait(job, deadline=slow.clock.now() + 10, poll_interval=60))
    assert news.what == "timeout"
    assert sum(time.slept) == pytest.approx(10, abs=0.1)
    assert len(asked(slow, "GET")) == 2


def test_a_job_that_ended_right_at_the_deadline_has_ended(slow: Sandbox, time: Time) -> None:
    (job,) = submit(slow)
    (news,) = watch(slow, Wait(job, deadline=slow.clock.now() + 31, poll_interval=600))
    assert news.what == "ended"


def test_eight_lost_looks_are_borne(sandbox: Sandbox, time: Time) -> None:
    (job,) = submit(sandbox)
    sandbox.faults.add({**LOOK, "times": 8, "action": {"status": 503}})
    (news,) = watch(sandbox, Wait(job))
    assert news.what == "ended"
    assert len(asked(sandbox, "GET")) == 9


@pytest.mark.parametrize("action", [{"status": 503}, {"drop": "before"}, {"truncate": 3}])
def test_the_ninth_lost_look_is_the_error(sandbox: Sandbox, time: Time, action: dict[str, Any]) -> None:
    (job,) = submit(sandbox)
    sandbox.faults.add({**LOOK, "times": 9, "action": action})
    (news,) = watch(sandbox, Wait(job))
    assert news.what == "error"
    assert isinstance(news.error, errors.GrokError)
    assert len(asked(sandbox, "GET")) == 9


def test_a_look_that_came_back_forgives_those_that_were_lost(slow: Sandbox, time: Time) -> None:
    (job,) = submit(slow)
    slow.faults.add({**LOOK, "times": 8, "action": {"status": 500}})
    slow.faults.add({**LOOK, "skip": 1, "times": 8, "action": {"status": 500}})
    (news,) = watch(slow, Wait(job))
    assert news.what == "ended"


def test_an_unknown_job_is_gone(sandbox: Sandbox, time: Time) -> None:
    (news,) = watch(sandbox, Wait(Job("image", "never-was", 0)))
    assert news.what == "gone"
    assert isinstance(news.error, errors.NotFound)


def test_a_wrong_key_ends_the_wait_at_once(sandbox: Sandbox, time: Time) -> None:
    (job,) = submit(sandbox)

    async def main() -> WaitEvent:
        return await last_of(Poller(Endpoint(sandbox.url, "xai-wrong-one")), Wait(job))

    news = asyncio.run(main())
    assert isinstance(news.error, errors.PermissionDenied)
    assert len(asked(sandbox, "GET")) == 1


def test_an_error_that_nobody_foresaw_ends_the_wait(
    sandbox: Sandbox, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(job: Job) -> Any:
        raise RuntimeError("surprise")

    (job,) = submit(sandbox)
    monkeypatch.setattr(jobs, "poll", explode)
    (news,) = watch(sandbox, Wait(job))
    assert news.what == "error"
    assert "RuntimeError" in news.text


def test_retry_after_postpones_all_looks_of_that_connection(slow: Sandbox, time: Time) -> None:
    first, second = submit(slow, 2)
    slow.faults.add({"path": f"/v1/images/{first.id}", "action": {"status": 429, "headers": {"retry-after": "25"}}})
    news = watch(slow, Wait(first), Wait(second), max_in_flight=1)
    assert [one.what for one in news] == ["ended", "ended"]
    assert max(time.slept) == pytest.approx(25, abs=0.5)


def test_retry_after_postpones_nobody_elses_looks(slow: Sandbox, time: Time) -> None:
    (job,) = submit(slow)
    slow.faults.add({**LOOK, "action": {"status": 429, "headers": {"retry-after": "20"}}})

    async def main() -> list[float]:
        postponed, other = Poller(endpoint_of(slow)), Poller(endpoint_of(slow, timeout=59))
        watching = asyncio.ensure_future(last_of(postponed, Wait(job)))
        await until(lambda: postponed.quiet_until)
        quiet = [postponed.quiet_until, other.quiet_until]
        await watching
        return quiet

    postponed, other = asyncio.run(main())
    assert postponed > slow.clock.now() - 40
    assert other == 0


def test_waits_are_answered_in_the_order_in_which_they_are_due(slow: Sandbox, time: Time) -> None:
    found = submit(slow, 3)
    intervals = dict(zip((job.id for job in found), (9.0, 3.0, 6.0), strict=True))
    watch(slow, *(Wait(job, poll_interval=intervals[job.id]) for job in found), max_in_flight=1)
    looks = [one["path"].rpartition("/")[2] for one in asked(slow, "GET")]
    assert looks[:4] == [*(job.id for job in found), found[1].id]


def test_all_waits_of_a_connection_share_one_client(slow: Sandbox, time: Time) -> None:
    found = submit(slow, 5)

    async def main() -> set[int]:
        clients: set[int] = set()

        async def one(job: Job) -> None:
            poller = await poller_of("grok_default")
            watching = asyncio.ensure_future(poller.watch(Wait(job)))
            while not watching.done():
                clients.update(id(shared) for of in wire._shared.values() for shared in of.values())
                await asyncio.sleep(0)

        slow.clock.advance(31)
        await asyncio.gather(*map(one, found))
        return clients

    assert len(asyncio.run(main())) == 1


def test_no_more_requests_are_under_way_than_the_connection_allows(slow: Sandbox, time: Time) -> None:
    found = submit(slow, 12)
    most = 0

    async def main() -> None:
        nonlocal most
        poller = Poller(endpoint_of(slow, max_in_flight=3))
        slow.clock.advance(31)
        waiting = [asyncio.ensure_future(last_of(poller, Wait(job))) for job in found]
        while not all(one.done() for one in waiting):
            most = max(most, poller.busy)
            await asyncio.sleep(0)

    asyncio.run(main())
    assert most == 3


def test_two_hundred_waits_end_in_one_loop(slow: Sandbox, time: Time) -> None:
    found = submit(slow, 20)
    waits = [Wait(found[number % 20]) for number in range(200)]
    slow.clock.advance(31)
    news = watch(slow, *waits)
    assert {one.what for one in news} == {"ended"}
    assert len(asked(slow, "GET")) == 200


def test_a_cancelled_wait_is_looked_at_no_more_and_the_others_go_on(slow: Sandbox, time: Time) -> None:
    left, kept = submit(slow, 2)

    async def main() -> WaitEvent:
        poller = Poller(endpoint_of(slow))
        leaving = asyncio.ensure_future(last_of(poller, Wait(left)))
        staying = asyncio.ensure_future(last_of(poller, Wait(kept)))
        await until(lambda: len(asked(slow, "GET", left.id)) >= 2)
        leaving.cancel()
        return await staying

    assert asyncio.run(main()).what == "ended"
    assert len(asked(slow, "GET", left.id)) < len(asked(slow, "GET", kept.id)) / 2


def test_a_poller_ends_when_nothing_is_left_and_starts_again(sandbox: Sandbox, time: Time) -> None:
    first, second = submit(sandbox, 2)

    async def main() -> list[str]:
        poller = await poller_of("grok_default")
        news = [await last_of(poller, Wait(first))]
        assert poller.task is not None
        await poller.task
        assert await poller_of("grok_default") is not poller
        assert not wire._shared[asyncio.get_running_loop()]
        news.append(await last_of(poller, Wait(second)))
        return [one.what for one in news]

    assert asyncio.run(main()) == ["ended", "ended"]


def test_a_poller_does_not_keep_its_loop_alive(sandbox: Sandbox, time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    (job,) = submit(sandbox)
    loop = asyncio.new_event_loop()

    async def fetch(hook: Any, conn_id: str) -> Endpoint:
        # Not through Airflow: asgiref, which it uses, remembers a thread's last loop.
        return endpoint_of(sandbox)

    monkeypatch.setattr(connection_cache, "_fetch", fetch)

    async def main() -> None:
        poller = await poller_of("grok_default")
        await last_of(poller, Wait(job))
        assert poller.task is not None
        await poller.task

    loop.run_until_complete(main())
    loop.close()
    gone = weakref.ref(loop)
    del loop
    gc.collect()
    assert gone() is None


def test_a_poller_runs_in_an_empty_context(sandbox: Sandbox, time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    whose: contextvars.ContextVar[str] = contextvars.ContextVar("whose", default="nobody's")
    seen, look = [], jobs.poll

    def peek(job: Job) -> Any:
        seen.append(whose.get())
        return look(job)

    async def main(job: Job) -> None:
        whose.set("the first trigger's")
        await last_of(Poller(endpoint_of(sandbox)), Wait(job))

    monkeypatch.setattr(jobs, "poll", peek)
    asyncio.run(main(submit(sandbox)[0]))
    assert seen == ["nobody's"]
