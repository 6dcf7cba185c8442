"""The trigger: ids and numbers in, one event out."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from airflow.sdk.serde import deserialize, serialize

from airflow_provider_grok.api.jobs import Job
from airflow_provider_grok.sandbox.server import Sandbox
from airflow_provider_grok.triggers.jobs import INITIAL_DELAY, GrokJobTrigger
from tests.airflow_task import Time, asked, connect, until
from tests.triggers.test_poller import LOOK, submit

PATH = "airflow_provider_grok.triggers.jobs.GrokJobTrigger"


def trigger_for(job: Job, **arguments: Any) -> GrokJobTrigger:
    return GrokJobTrigger(kind=job.kind, job_id=job.id, submitted_at=job.submitted_at, **arguments)


def events_of(trigger: GrokJobTrigger) -> list[Any]:
    async def main() -> list[Any]:
        return [event.payload async for event in trigger.run()]

    return asyncio.run(main())


def test_a_trigger_yields_one_event_when_its_job_has_ended(slow: Sandbox, time: Time) -> None:
    (job,) = submit(slow)
    (event,) = events_of(trigger_for(job))
    assert (event["status"], event["kind"], event["job_id"]) == ("ended", "image", job.id)


def test_a_trigger_waits_before_its_first_look(sandbox: Sandbox, time: Time) -> None:
    (job,) = submit(sandbox)
    events_of(trigger_for(job))
    assert time.slept == [INITIAL_DELAY]
    assert INITIAL_DELAY >= 5


def test_a_trigger_gives_up_at_its_deadline(slow: Sandbox, time: Time) -> None:
    (job,) = submit(slow)
    (event,) = events_of(trigger_for(job, deadline=slow.clock.now() + 10))
    assert event["status"] == "timeout"


def test_a_trigger_that_starts_after_its_deadline_looks_once(slow: Sandbox, time: Time) -> None:
    (job,) = submit(slow)
    (event,) = events_of(trigger_for(job, deadline=slow.clock.now() - 3600))
    assert event["status"] == "timeout"
    assert len(asked(slow, "GET", job.id)) == 1


def test_an_unknown_job_is_an_event(sandbox: Sandbox, time: Time) -> None:
    (event,) = events_of(trigger_for(Job("image", "never-was", 0)))
    assert event["status"] == "gone"
    assert "404" in event["message"]


def test_nine_lost_looks_are_an_event_with_the_last_error(sandbox: Sandbox, time: Time) -> None:
    (job,) = submit(sandbox)
    sandbox.faults.add({**LOOK, "times": None, "action": {"status": 502}})
    (event,) = events_of(trigger_for(job))
    assert event["status"] == "error"
    assert "502" in event["message"]


def test_a_connection_that_does_not_exist_is_an_event(sandbox: Sandbox, time: Time) -> None:
    (event,) = events_of(trigger_for(Job("image", "x", 0), grok_conn_id="nobody_made_it"))
    assert event["status"] == "error"


def test_a_connection_without_a_key_is_an_event_that_says_so(
    sandbox: Sandbox, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, sandbox, password="")
    (event,) = events_of(trigger_for(Job("image", "x", 0)))
    assert event["status"] == "error"
    assert "has no API key" in event["message"]


def test_a_trigger_survives_its_trip_through_the_database(sandbox: Sandbox) -> None:
    trigger = trigger_for(
        Job("image", "id-1", 7.5), deadline=9.5, poll_interval=2.0, name="a.jpg", grok_conn_id="other"
    )
    path, kwargs = trigger.serialize()
    assert path == PATH
    kept: Any = deserialize(json.loads(json.dumps(serialize(kwargs))))
    again = GrokJobTrigger(**kept)
    assert again.serialize() == trigger.serialize()


def test_a_trigger_of_an_older_version_still_works(sandbox: Sandbox, time: Time) -> None:
    (job,) = submit(sandbox)
    (event,) = events_of(GrokJobTrigger(kind="image", job_id=job.id, submitted_at=job.submitted_at))
    assert event["status"] == "ended"


def test_a_trigger_that_0_1_0_deferred_still_works(sandbox: Sandbox, time: Time) -> None:
    (job,) = submit(sandbox)
    arguments: dict[str, Any] = {
        "kind": "image",
        "job_id": job.id,
        "submitted_at": job.submitted_at,
        "deadline": job.submitted_at + 900,
        "grok_conn_id": "grok_default",
        "poll_interval": None,
        "name": "shop.edit.0123456789abcd.jpg",
        "first_look": 9.0,
        "seen": None,
        "wake_after": 0.0,
        "cancel_on_kill": False,
    }
    (event,) = events_of(GrokJobTrigger(**arguments))
    assert event["status"] == "ended"
    assert time.slept == [9.0]


def test_a_batch_trigger_that_0_1_0_deferred_still_wakes_for_new_results(sandbox: Sandbox, time: Time) -> None:
    trigger = GrokJobTrigger(
        kind="batch", job_id="batch_1", submitted_at=1.0, deadline=2.0, poll_interval=3.0, first_look=6.0, seen=4,
        wake_after=5.0, cancel_on_kill=True, name="", grok_conn_id="c",
    )  # fmt: skip
    arguments = trigger.serialize()[1]
    assert {"initial_delay": 6.0, "seen": 4, "wake_after": 5.0, "cancel_on_kill": True}.items() <= arguments.items()
    assert "first_look" not in arguments


def test_a_trigger_of_a_newer_version_still_works(sandbox: Sandbox, time: Time) -> None:
    (job,) = submit(sandbox)
    (event,) = events_of(trigger_for(job, invented_later={"x": 1}))
    assert event["status"] == "ended"


def test_a_cancelled_trigger_leaves_without_an_event(slow: Sandbox, time: Time) -> None:
    (job,) = submit(slow)

    async def main() -> list[Any]:
        events: list[Any] = []

        async def listen() -> None:
            events.extend([event async for event in trigger_for(job).run()])

        listening = asyncio.ensure_future(listen())
        await until(lambda: asked(slow, "GET", job.id))
        listening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listening
        return events

    assert asyncio.run(main()) == []


def test_killing_the_wait_for_a_picture_sends_nothing_and_says_what_goes_on(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    asyncio.run(trigger_for(Job("image", "id-1", 0), name="shop.edit.0123.jpg").on_kill())
    assert sandbox.journal == []
    assert "id-1 cannot be cancelled: it will be billed" in caplog.text
    assert "shop.edit.0123.jpg" in caplog.text
