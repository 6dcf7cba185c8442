"""Waiting for a batch while its results are kept: links that die, timeouts, looks and triggers that are lost."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import Time, asked
from tests.batch_run import Settle, Store, defer_on, edits, persisting, submission


@pytest.mark.parametrize("deferrable", [False, True])
def test_links_that_die_while_the_batch_runs_lose_nothing(
    sandbox: Sandbox, settle: Settle, store: Store, time: Time, deferrable: bool
) -> None:
    settle(batch_storage=False, batch_seconds=5 * 3600)
    run = persisting(submission(edits(store(), 20)).execute(), deferrable=deferrable, poll_interval=300)
    if deferrable:
        kept, events = defer_on(run)
        assert [event["status"] for event in events[-2:]] == ["more", "ended"]
        assert 10 <= len(events) <= 40
    else:
        kept = run.execute()
    assert len(set(kept)) == 20
    assert run.receipt["counts"] == {"requests": 20, "kept": 20}
    assert sum(time.slept) >= 5 * 3600


@pytest.mark.parametrize(("batch_storage", "least", "most"), [(True, 4, 6), (False, 20, 80)])
def test_a_task_whose_results_the_server_stores_is_seldom_woken(
    sandbox: Sandbox, settle: Settle, store: Store, time: Time, batch_storage: bool, least: int, most: int
) -> None:
    settle(batch_storage=batch_storage, batch_seconds=3600)
    run = persisting(submission(edits(store(), 60)).execute(), deferrable=True)
    kept, events = defer_on(run)
    assert len(kept) == 60
    assert least <= len(events) <= most


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_timeout_fails_after_everything_that_was_there_is_kept_and_pushed(
    sandbox: Sandbox, settle: Settle, store: Store, time: Time, deferrable: bool
) -> None:
    settle(batch_storage=False, batch_seconds=1000)
    run = persisting(submission(edits(store(), 10)).execute(), deferrable=deferrable, timeout="600")
    with pytest.raises(AirflowException, match=r"was not over 60\d s after .*longer `timeout`"):
        defer_on(run) if deferrable else run.execute()
    assert len(run.xcom["return_value"]) == 6
    assert run.receipt["counts"] == {"requests": 10, "kept": 6, "unfinished": 4}
    run.arguments["timeout"] = 3600
    assert len(set(run.execute() if not deferrable else defer_on(run)[0])) == 10
    assert len(asked(sandbox, "POST", "/files")) == 1 + 10 + 2, "the source, the results, two manifests"


def test_lost_looks_are_borne(sandbox: Sandbox, settle: Settle, store: Store, time: Time) -> None:
    settle(batch_seconds=100)
    batch = submission(edits(store(), 2)).execute()
    sandbox.faults.add({"method": "GET", "path": f"/v1/batches/{batch}", "times": 20, "action": {"status": 503}})
    assert len(persisting(batch).execute()) == 2


def test_looks_that_are_never_answered_are_the_next_trys(
    sandbox: Sandbox, settle: Settle, store: Store, time: Time
) -> None:
    batch = submission(edits(store(), 2)).execute()
    sandbox.faults.add({"method": "GET", "path": f"/v1/batches/{batch}", "times": None, "action": {"status": 503}})
    with pytest.raises(AirflowException, match="503") as lost:
        persisting(batch).execute()
    assert not isinstance(lost.value, AirflowFailException)


def test_a_trigger_that_was_lost_is_no_reason_to_fail(
    sandbox: Sandbox, settle: Settle, store: Store, time: Time
) -> None:
    settle(batch_seconds=100)
    run = persisting(submission(edits(store(), 2)).execute(), deferrable=True)
    run.defer()
    sandbox.clock.advance(100)
    assert len(run.resume(method="__fail__", error="Trigger timeout")) == 2
    with pytest.raises(AirflowException, match="retry goes on with what is missing"):
        run.resume({"status": "error", "message": "Nobody is there."})


def test_an_end_that_has_come_near_while_the_batch_ran_loses_nothing(
    sandbox: Sandbox, settle: Settle, store: Store, time: Time
) -> None:
    settle(batch_storage=False, batch_seconds=100)
    batch = submission(edits(store(), 2)).execute()
    run = persisting(batch, deferrable=True, expires_at=datetime.now(timezone.utc) + timedelta(hours=2))
    run.defer()
    run.arguments["expires_at"] = datetime.now(timezone.utc) + timedelta(minutes=5)
    sandbox.clock.advance(100)
    assert len(run.resume({"status": "ended"})) == 2


def test_an_end_that_has_come_near_does_not_leave_a_batch_half_filled(
    sandbox: Sandbox, settle: Settle, store: Store, time: Time
) -> None:
    run = submission(edits(store(), 2), expires_at=datetime.now(timezone.utc) + timedelta(hours=2))
    run.kill(2)
    run.arguments["expires_at"] = datetime.now(timezone.utc) + timedelta(minutes=5)
    assert len(persisting(run.execute()).execute()) == 2
