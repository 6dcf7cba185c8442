"""Waiting for many batches: they are listed, a page at a time, instead of asked for one by one."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from airflow_provider_grok.api import batch_pages, errors
from airflow_provider_grok.api import batches as api_batches
from airflow_provider_grok.api.jobs import Job
from airflow_provider_grok.sandbox.server import Sandbox
from airflow_provider_grok.triggers.poller import Poller, Wait, WaitEvent
from tests.airflow_task import Time, asked, until
from tests.batch_run import Settle, ask
from tests.triggers.test_poller import endpoint_of, last_of, submit, watch

LIST = {"method": "GET", "path": "/v1/batches"}
REQUEST = {"image_generation": {"model": "grok-imagine-image", "prompt": "x"}}


def batches(sandbox: Sandbox, count: int, requests: int = 1) -> list[Job]:
    """Start batches, past the operators."""
    found = []
    body = {"batch_requests": [{"batch_request_id": f"r{n}", "batch_request": REQUEST} for n in range(requests)]}
    with httpx.Client(base_url=sandbox.url, headers={"authorization": f"Bearer {sandbox.api_key}"}) as client:
        for number in range(count):
            batch = client.post("/batches", json={"name": f"b{number}"}).raise_for_status().json()
            client.post(f"/batches/{batch['batch_id']}/requests", json=body).raise_for_status()
            found.append(Job("batch", batch["batch_id"], sandbox.clock.now()))
    sandbox.backend.journal.entries.clear()
    return found


def lists(sandbox: Sandbox) -> int:
    return len(asked(sandbox, "GET", "/v1/batches"))


def singles(sandbox: Sandbox) -> int:
    return len(asked(sandbox, "GET")) - lists(sandbox)


def waits_of(jobs: list[Job], **options: Any) -> list[Wait]:
    return [Wait(job, **options) for job in jobs]


def test_two_hundred_and_twenty_batches_are_answered_by_a_few_lists(
    sandbox: Sandbox, settle: Settle, time: Time
) -> None:
    settle(batch_seconds=600)
    jobs = batches(sandbox, 220)
    news = watch(sandbox, *waits_of(jobs))
    assert [one.what for one in news] == ["ended"] * 220
    assert singles(sandbox) <= 10
    rounds = lists(sandbox) / 3
    assert 20 <= rounds <= 80
    assert 600 <= sum(time.slept) <= 720


@pytest.mark.parametrize("count", [1, 2])
def test_a_batch_or_two_are_asked_for_by_id(sandbox: Sandbox, settle: Settle, time: Time, count: int) -> None:
    settle(batch_seconds=60)
    watch(sandbox, *waits_of(batches(sandbox, count)))
    assert lists(sandbox) == 0


def test_a_list_stops_where_all_that_are_sought_are_found(sandbox: Sandbox, settle: Settle, time: Time) -> None:
    batches(sandbox, 120)
    newest = batches(sandbox, 5)
    watch(sandbox, *waits_of(newest))
    assert (lists(sandbox), singles(sandbox)) == (1, 0)


def test_batches_deep_down_a_long_list_are_asked_for_alone(sandbox: Sandbox, settle: Settle, time: Time) -> None:
    oldest = batches(sandbox, 4)
    batches(sandbox, 320)
    news = watch(sandbox, *waits_of(oldest))
    assert [one.what for one in news] == ["ended"] * 4
    assert (lists(sandbox), singles(sandbox)) == (3, 4)


def test_a_batch_that_is_not_listed_is_asked_for_alone_and_gone_if_unknown(
    sandbox: Sandbox, settle: Settle, time: Time
) -> None:
    known = batches(sandbox, 3)
    long_ago = sandbox.clock.now() - 26 * 3600
    news = watch(sandbox, *waits_of([*known, Job("batch", "batch_nowhere", long_ago)]))
    assert [one.what for one in news] == ["ended"] * 3 + ["gone"]
    assert singles(sandbox) == 1


def test_whoever_is_due_soon_is_answered_along_with_whoever_is_due(
    sandbox: Sandbox, settle: Settle, time: Time
) -> None:
    settle(batch_seconds=3600)
    jobs = batches(sandbox, 20)
    watch(sandbox, *(Wait(job, poll_interval=60 + number / 2) for number, job in enumerate(jobs)))
    assert singles(sandbox) <= 4
    assert lists(sandbox) <= 75


def test_several_waits_for_one_batch_are_all_told(sandbox: Sandbox, settle: Settle, time: Time) -> None:
    settle(batch_seconds=60)
    (job,) = batches(sandbox, 1)
    news = watch(sandbox, *waits_of([job] * 4))
    assert [one.what for one in news] == ["ended"] * 4
    assert singles(sandbox) == 0


def test_new_results_wake_only_those_who_asked_for_them(sandbox: Sandbox, settle: Settle, time: Time) -> None:
    settle(batch_seconds=600)
    one, two, three = batches(sandbox, 3, requests=10)
    late = sandbox.clock.now() + 300
    news = watch(sandbox, Wait(one), Wait(two, seen=2), Wait(three, seen=2, wake_after=late))
    assert [each.what for each in news] == ["ended", "more", "more"]
    assert 3 <= int(news[1].text.split()[0]) < int(news[2].text.split()[0])
    assert "about" in news[1].text
    assert int(news[2].text.split()[0]) >= 5


def test_a_deadline_holds_for_listed_batches_too(sandbox: Sandbox, settle: Settle, time: Time) -> None:
    settle(batch_seconds=3600)
    jobs = batches(sandbox, 5)
    news = watch(sandbox, *waits_of(jobs, deadline=sandbox.clock.now() + 100))
    assert [one.what for one in news] == ["timeout"] * 5
    assert 100 <= sum(time.slept) <= 110


def test_a_lost_list_is_a_lost_look_for_each(sandbox: Sandbox, settle: Settle, time: Time) -> None:
    settle(batch_seconds=60)
    jobs = batches(sandbox, 4)
    sandbox.faults.add({**LIST, "times": 3, "action": {"status": 503}})
    assert [one.what for one in watch(sandbox, *waits_of(jobs))] == ["ended"] * 4
    assert singles(sandbox) == 0


def test_nine_lost_lists_are_the_error_of_each(sandbox: Sandbox, settle: Settle, time: Time) -> None:
    settle(batch_seconds=3600)
    jobs = batches(sandbox, 4)
    sandbox.faults.add({**LIST, "times": None, "action": {"status": 503}})
    assert [one.what for one in watch(sandbox, *waits_of(jobs))] == ["error"] * 4
    assert lists(sandbox) == 9


def test_retry_after_a_list_postpones_the_next(sandbox: Sandbox, settle: Settle, time: Time) -> None:
    jobs = batches(sandbox, 4)
    sandbox.faults.add({**LIST, "action": {"status": 429, "headers": {"retry-after": "40"}}})
    watch(sandbox, *waits_of(jobs))
    assert sum(time.slept) >= 40


@pytest.mark.parametrize(
    "action",
    [
        {"status": 404},
        {"status": 400},
        {"status": 200, "body": "<html>"},
        {"truncate": 10},
        {"status": 200, "body": {}},
    ],
)
def test_a_server_that_does_not_list_is_asked_for_each(
    sandbox: Sandbox, settle: Settle, time: Time, action: dict[str, Any]
) -> None:
    settle(batch_seconds=30)
    jobs = batches(sandbox, 4)
    sandbox.faults.add({**LIST, "times": None, "action": action})
    assert [one.what for one in watch(sandbox, *waits_of(jobs))] == ["ended"] * 4
    assert singles(sandbox) >= 4


def test_a_batch_that_cannot_be_read_costs_the_others_nothing(sandbox: Sandbox, settle: Settle, time: Time) -> None:
    jobs = batches(sandbox, 4)
    body = ask(sandbox, "GET", "/batches")
    body["batches"][1] = {"batch_id": jobs[1].id, "state": "strange"}
    body["batches"].append({"name": "no id"})
    sandbox.faults.add({**LIST, "action": {"status": 200, "body": body}})
    assert [one.what for one in watch(sandbox, *waits_of(jobs))] == ["ended"] * 4


def test_batches_of_others_are_not_even_read(
    sandbox: Sandbox, settle: Settle, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches(sandbox, 110)
    ours = batches(sandbox, 3)
    read, progress = list[str](), api_batches.progress

    def counted(batch: Any, now: float) -> Any:
        read.append(batch.batch_id)
        return progress(batch, now)

    monkeypatch.setattr(api_batches, "progress", counted)
    assert [one.what for one in watch(sandbox, *waits_of(ours))] == ["ended"] * 3
    assert sorted(read) == sorted(job.id for job in ours)


def test_an_error_that_nobody_foresaw_in_a_list_leaves_the_waits_alive(
    sandbox: Sandbox, settle: Settle, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = batches(sandbox, 4)

    def broken(**of: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(batch_pages, "status_page", broken)
    assert [one.what for one in watch(sandbox, *waits_of(jobs))] == ["ended"] * 4


def test_pictures_are_looked_at_while_batches_are_listed(sandbox: Sandbox, settle: Settle, time: Time) -> None:
    jobs = [*batches(sandbox, 5), *submit(sandbox, 2)]
    news = watch(sandbox, *waits_of(jobs))
    assert [one.what for one in news] == ["ended"] * 7
    assert lists(sandbox) == 1


def test_a_wait_that_ends_while_a_list_is_under_way_is_forgotten(sandbox: Sandbox, settle: Settle, time: Time) -> None:
    settle(batch_seconds=60)
    jobs = batches(sandbox, 5)

    async def main() -> list[WaitEvent]:
        poller = Poller(endpoint_of(sandbox))
        watching = [asyncio.ensure_future(last_of(poller, Wait(job))) for job in jobs]
        await until(lambda: poller.batch_lists.busy)
        watching[0].cancel()
        told = await asyncio.gather(*watching[1:])
        assert poller.batch_lists.known == {}
        return told

    assert [one.what for one in asyncio.run(main())] == ["ended"] * 4


def test_a_wrong_key_ends_all_waits(sandbox: Sandbox, settle: Settle, time: Time) -> None:
    jobs = batches(sandbox, 4)

    async def main() -> list[WaitEvent]:
        from airflow_provider_grok.api.endpoint import Endpoint

        poller = Poller(Endpoint(sandbox.url, "xai-wrong-one"))
        return await asyncio.gather(*(last_of(poller, Wait(job)) for job in jobs))

    news = asyncio.run(main())
    assert [one.what for one in news] == ["error"] * 4
    assert all(isinstance(one.error, errors.PermissionDenied) for one in news)
