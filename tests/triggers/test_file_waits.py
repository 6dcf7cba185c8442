"""Waiting after a lost answer: no id is known, so files are listed until enough of them bear the key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_grok.api.jobs import Job
from airflow_provider_grok.sandbox.server import Sandbox
from airflow_provider_grok.triggers.jobs import GrokJobTrigger
from airflow_provider_grok.triggers.poller import Poller, Wait, WaitEvent
from tests.airflow_task import Time, asked
from tests.triggers.test_jobs import events_of
from tests.triggers.test_poller import StillTime, endpoint_of, watch

KEY = "0123456789abcd"
LIST = {"method": "GET", "path": "/v1/files"}
Store = Callable[..., str]


def lost(sandbox: Sandbox, key: str = KEY, *, wait: float = 180.0, **options: Any) -> Wait:
    now = sandbox.clock.now()
    return Wait(Job("image", "", now), now + wait, key=key, **options)


def lists(sandbox: Sandbox) -> int:
    return len(asked(sandbox, "GET", "/v1/files"))


def watch_while(sandbox: Sandbox, moments: dict[float, Callable[[], Any]], *waits: Wait) -> list[WaitEvent]:
    """Wait, and do something once so many seconds have passed."""
    start, todo = sandbox.clock.now(), dict(sorted(moments.items()))

    class Busy(StillTime):
        async def asleep(self, seconds: float) -> None:
            await super().asleep(seconds)
            for moment in [moment for moment in todo if self.now() - start >= moment]:
                todo.pop(moment)()

    async def main() -> list[WaitEvent]:
        clock = Busy()
        clock.poller = Poller(endpoint_of(sandbox), clock)
        return await asyncio.gather(*map(clock.poller.watch, waits))

    return asyncio.run(main())


def test_a_file_that_is_stored_already_is_found_at_once(sandbox: Sandbox, time: Time, store: Store) -> None:
    store(f"shop.edit.{KEY}.png")
    (event,) = watch(sandbox, lost(sandbox))
    assert (event.what, event.text) == ("found", "1 of 1 files are stored")
    assert (lists(sandbox), time.slept) == (1, [])


def test_a_file_that_comes_later_is_found_when_it_is_there(sandbox: Sandbox, time: Time, store: Store) -> None:
    (event,) = watch_while(sandbox, {60: lambda: store(f"shop.edit.{KEY}.png")}, lost(sandbox))
    assert event.what == "found"
    assert 60 <= sum(time.slept) <= 70
    assert lists(sandbox) < 45


@pytest.mark.parametrize(
    ("name", "what"),
    [
        (f"shop.edit.{KEY.upper()}.png", "found"),
        (f"{KEY}.png", "found"),
        (f"Shop_Edit-{KEY}-1.png", "found"),
        (f"shop.edit.{KEY}0.png", "timeout"),
        (f"shop.edit.f{KEY}.png", "timeout"),
        (f"shop.edit.{KEY[:-1]}.png", "timeout"),
        ("shop.edit.png", "timeout"),
    ],
)
def test_the_key_is_looked_for_as_a_whole_run_of_hex_digits_in_any_case(
    sandbox: Sandbox, time: Time, store: Store, name: str, what: str
) -> None:
    store(name)
    assert watch(sandbox, lost(sandbox, wait=20))[0].what == what


def test_all_files_of_a_request_must_be_there(sandbox: Sandbox, time: Time, store: Store) -> None:
    store(f"a.{KEY}.1.png")
    later = {30.0: lambda: store(f"a.{KEY}.2.png"), 60.0: lambda: store(f"a.{KEY}.3.png")}
    (event,) = watch_while(sandbox, later, lost(sandbox, count=3))
    assert (event.what, event.text) == ("found", "3 of 3 files are stored")
    assert sum(time.slept) >= 60


def test_what_is_never_stored_ends_at_the_deadline_and_says_what_was_there(
    sandbox: Sandbox, time: Time, store: Store
) -> None:
    store(f"a.{KEY}.1.png")
    (event,) = watch(sandbox, lost(sandbox, count=2, wait=90))
    assert event.what == "timeout"
    assert event.text == f"1 of 2 files whose names bear {KEY} were listed"
    assert sum(time.slept) == pytest.approx(90, abs=0.1)


def test_one_listing_answers_all_waits_of_a_connection(sandbox: Sandbox, time: Time, store: Store) -> None:
    keys = [f"{number:014x}" for number in range(200)]
    waits = [lost(sandbox, key, wait=60) for key in keys]
    done = {30.0: lambda: [store(f"a.{key}.png") for key in keys[:3]]}
    events = watch_while(sandbox, done, *waits)
    assert [event.what for event in events] == ["found"] * 3 + ["timeout"] * 197
    # One wait alone would list as often.
    assert lists(sandbox) <= 15


def test_only_as_many_pages_are_read_as_were_stored_since_the_request(
    sandbox: Sandbox, time: Time, store: Store
) -> None:
    store(f"a.{KEY}.png")
    for number in range(110):
        store(f"old-{number}.png")
    sandbox.clock.advance(3600)
    for number in range(110):
        store(f"new-{number}.png")
    sandbox.backend.journal.entries.clear()
    (event,) = watch(sandbox, lost(sandbox, wait=1))
    assert event.what == "timeout"
    # At once and at the deadline: a page of new ones, and one that goes back beyond the request. The third is not read.
    assert lists(sandbox) == 4


def test_a_listing_that_is_lost_is_made_again(sandbox: Sandbox, time: Time, store: Store) -> None:
    store(f"a.{KEY}.png")
    for action in ({"status": 503}, {"drop": "before"}, {"status": 429}, {"status": 404}, {"status": 400}):
        sandbox.faults.add({**LIST, "action": action})
    assert watch(sandbox, lost(sandbox))[0].what == "found"
    assert lists(sandbox) == 6


def test_a_listing_that_is_refused_for_good_is_an_error(sandbox: Sandbox, time: Time) -> None:
    sandbox.faults.add({**LIST, "times": None, "action": {"status": 403}})
    (event,) = watch(sandbox, lost(sandbox))
    assert event.what == "error"
    assert "403" in event.text


def test_the_trigger_tells_that_the_files_were_found(sandbox: Sandbox, time: Time, store: Store) -> None:
    store(f"a.{KEY}.png")
    trigger = GrokJobTrigger(kind="image", job_id="", submitted_at=sandbox.clock.now(), key=KEY)
    (event,) = events_of(trigger)
    assert event == {
        "status": "found",
        "kind": "image",
        "job_id": "",
        "key": KEY,
        "message": "1 of 1 files are stored",
    }


def test_a_trigger_without_a_deadline_waits_for_the_usual_time_of_its_kind(sandbox: Sandbox, time: Time) -> None:
    trigger = GrokJobTrigger(kind="image", job_id="", submitted_at=sandbox.clock.now(), key=KEY)
    assert events_of(trigger)[0]["status"] == "timeout"
    assert sum(time.slept) == pytest.approx(900, abs=1)


def test_a_trigger_that_knows_neither_id_nor_key_says_so(sandbox: Sandbox, time: Time) -> None:
    (event,) = events_of(GrokJobTrigger(kind="image", job_id="", submitted_at=0))
    assert (event["status"], sandbox.journal) == ("error", [])
    assert "needs a job_id or a key" in event["message"]


def test_a_trigger_without_a_job_id_survives_its_trip_through_the_database() -> None:
    trigger = GrokJobTrigger(kind="video", job_id="", submitted_at=7.0, deadline=9.0, key=KEY, count=4)
    path, arguments = trigger.serialize()
    assert path == "airflow_provider_grok.triggers.jobs.GrokJobTrigger"
    assert (arguments["key"], arguments["count"]) == (KEY, 4)
    assert GrokJobTrigger(**arguments).serialize() == (path, arguments)
