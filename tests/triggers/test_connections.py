"""The connection behind the waits: one look for all, edits and deletions while they wait, and a poller that dies."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowNotFoundException

from airflow_provider_grok.api import errors, wire
from airflow_provider_grok.hooks import connection_cache
from airflow_provider_grok.hooks.grok import GrokHook
from airflow_provider_grok.sandbox.server import Sandbox
from airflow_provider_grok.triggers import registry
from airflow_provider_grok.triggers.jobs import GrokJobTrigger
from airflow_provider_grok.triggers.poller import Poller, Wait
from tests.airflow_task import Time, asked, connect, until
from tests.triggers.test_batch_waits import batches, waits_of
from tests.triggers.test_poller import StillTime, endpoint_of, submit


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the connections that were fetched."""
    found: list[str] = []
    fetch = connection_cache._connection

    async def counted(hook: Any, conn_id: str) -> Any:
        found.append(conn_id)
        return await fetch(hook, conn_id)

    monkeypatch.setattr(connection_cache, "_connection", counted)
    return found


def trigger(job: Any, conn_id: str = "grok_default", **options: Any) -> GrokJobTrigger:
    return GrokJobTrigger(kind=job.kind, job_id=job.id, submitted_at=job.submitted_at, grok_conn_id=conn_id, **options)


async def event_of(one: GrokJobTrigger) -> Any:
    (event,) = [event.payload async for event in one.run()]
    return event


def test_a_thousand_triggers_look_at_their_connection_once(sandbox: Sandbox, time: Time, looks: list[str]) -> None:
    (job,) = batches(sandbox, 1)

    async def main() -> list[Any]:
        return await asyncio.gather(*(event_of(trigger(job)) for _ in range(1000)))

    assert {event["status"] for event in asyncio.run(main())} == {"ended"}
    assert looks == ["grok_default"]


def test_a_look_is_shared_for_a_minute_and_a_failed_one_with_nobody_who_comes_later(
    sandbox: Sandbox, time: Time, looks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        hook = GrokHook()
        for _ in range(3):
            await hook.aendpoint()
        time.clock.advance(59)
        await hook.aendpoint()
        assert len(looks) == 1
        time.clock.advance(2)
        await asyncio.gather(hook.aendpoint(), hook.aendpoint())
        assert len(looks) == 2
        for number in (3, 4):
            with pytest.raises(errors.InvalidRequest, match="There is no connection 'nobody_made_it'"):
                await GrokHook("nobody_made_it").aendpoint()
            assert len(looks) == number

    asyncio.run(main())


def test_whoever_asked_first_may_leave_and_the_others_are_answered(
    sandbox: Sandbox, time: Time, looks: list[str]
) -> None:
    async def main() -> None:
        first, second = (asyncio.ensure_future(GrokHook().aendpoint()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).base_url == sandbox.url

    asyncio.run(main())
    assert len(looks) == 1


def test_a_connection_that_was_edited_is_used_within_a_minute_by_those_who_wait(
    sandbox: Sandbox, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox.backend, "settings", replace(sandbox.backend.settings, image_seconds=300.0))
    jobs = submit(sandbox, 20)
    second = sandbox.clock.now()

    async def main() -> list[Any]:
        watching = [asyncio.ensure_future(event_of(trigger(job, initial_delay=0.0))) for job in jobs]
        await until(lambda: sandbox.clock.now() >= second + 20)
        connect(monkeypatch, sandbox, max_in_flight=1)
        edited = sandbox.clock.now()
        (poller,) = registry._pollers[asyncio.get_running_loop()].values()
        await until(lambda: poller.endpoint.max_in_flight == 1)
        assert sandbox.clock.now() - edited <= 70
        return await asyncio.gather(*watching)

    assert {event["status"] for event in asyncio.run(main())} == {"ended"}


def test_a_connection_that_was_deleted_is_told_to_its_waits_and_to_no_others(
    slow: Sandbox, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow.backend, "settings", replace(slow.backend.settings, batch_seconds=86_400.0))
    monkeypatch.setenv("AIRFLOW_CONN_DOOMED", os.environ["AIRFLOW_CONN_GROK_DEFAULT"])
    doomed = batches(slow, 10)
    kept = submit(slow, 10)

    async def main() -> tuple[list[Any], list[Any]]:
        waiting = [asyncio.ensure_future(event_of(trigger(job, "doomed"))) for job in doomed]
        others = [asyncio.ensure_future(event_of(trigger(job))) for job in kept]
        await until(lambda: len(asked(slow, "GET")) >= 3)
        monkeypatch.delenv("AIRFLOW_CONN_DOOMED")
        return await asyncio.gather(*waiting), await asyncio.gather(*others)

    told, ended = asyncio.run(main())
    assert {event["status"] for event in told} == {"error"}
    assert all("There is no connection 'doomed'" in event["message"] for event in told)
    assert {event["status"] for event in ended} == {"ended"}


def test_a_connection_that_cannot_be_fetched_for_a_moment_loses_no_wait(slow: Sandbox, time: Time) -> None:
    (job,) = submit(slow)
    troubles: list[Exception] = [
        errors.InvalidRequest("not found"),
        RuntimeError("the API server is away"),
        errors.InvalidRequest("not found"),
        errors.InvalidRequest("not found"),
    ]
    asked_for = list[float]()

    async def refresh() -> Any:
        asked_for.append(slow.clock.now())
        if troubles:
            raise troubles.pop()
        return endpoint_of(slow)

    async def main() -> str:
        clock = StillTime()
        clock.poller = Poller(endpoint_of(slow), clock, refresh)
        slow.faults.add({"method": "GET", "path": f"/v1/images/{job.id}", "times": 120, "action": {"status": 404}})
        return (await clock.poller.watch(Wait(job))).what

    assert asyncio.run(main()) == "ended"
    assert len(asked_for) >= 5


def test_a_poller_that_dies_tells_all_its_waits(
    sandbox: Sandbox, time: Time, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    @asynccontextmanager
    async def broken(endpoint: Any) -> Any:
        raise ValueError("Unknown scheme for proxy URL URL('socks9://x')")
        yield

    jobs = batches(sandbox, 300)
    monkeypatch.setattr(wire, "shared_client", broken)

    async def main() -> list[Any]:
        return await asyncio.gather(*(event_of(trigger(job)) for job in jobs))

    events = asyncio.run(main())
    assert {event["status"] for event in events} == {"error"}
    assert all("ValueError: Unknown scheme for proxy" in event["message"] for event in events)


def test_a_poller_whose_task_is_cancelled_tells_all_its_waits_and_serves_those_who_come_later(
    slow: Sandbox, time: Time
) -> None:
    jobs = submit(slow, 5)

    async def main() -> list[str]:
        poller = Poller(endpoint_of(slow))
        watching = [asyncio.ensure_future(poller.watch(wait)) for wait in waits_of(jobs)]
        await until(lambda: asked(slow, "GET"))
        assert poller.task is not None
        poller.task.cancel()
        told = [event.what for event in await asyncio.gather(*watching)]
        return [*told, (await poller.watch(Wait(jobs[0]))).what]

    assert asyncio.run(main()) == ["error"] * 5 + ["ended"]


def test_a_wrong_key_is_told_to_all_without_asking_for_each(sandbox: Sandbox, time: Time) -> None:
    jobs = batches(sandbox, 300)

    async def main() -> list[Any]:
        from airflow_provider_grok.api.endpoint import Endpoint

        poller = Poller(Endpoint(sandbox.url, "xai-wrong-one"))
        return await asyncio.gather(*(poller.watch(wait) for wait in waits_of(jobs)))

    assert {event.what for event in asyncio.run(main())} == {"error"}
    assert len(asked(sandbox, "GET")) < 10


def test_airflow_before_3_3_2_is_asked_in_a_thread(
    sandbox: Sandbox, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    from airflow.sdk import Connection

    where = list[str]()
    get = GrokHook.get_connection

    def asked_for(conn_id: str) -> Any:
        where.append(threading.current_thread().name)
        return get(conn_id)

    async def never(conn_id: str) -> Any:
        raise AssertionError("unreliable before 3.3.2")

    monkeypatch.delattr(Connection, "aextra_dejson", raising=False)
    monkeypatch.setattr(GrokHook, "get_connection", staticmethod(asked_for))
    monkeypatch.setattr(GrokHook, "aget_connection", staticmethod(never))
    (job,) = submit(sandbox)
    assert asyncio.run(event_of(trigger(job)))["status"] == "ended"
    assert len(where) == 1
    assert where[0] != threading.main_thread().name


def test_a_connection_that_is_not_there_is_so_on_every_airflow(
    sandbox: Sandbox, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(conn_id: str) -> Any:
        raise AirflowNotFoundException(conn_id)

    from airflow.sdk import Connection

    monkeypatch.delattr(Connection, "aextra_dejson", raising=False)
    monkeypatch.setattr(GrokHook, "get_connection", staticmethod(missing))
    (job,) = submit(sandbox)
    event = asyncio.run(event_of(trigger(job)))
    assert (event["status"], sandbox.journal[1:]) == ("error", [])
    assert "There is no connection 'grok_default'" in event["message"]
