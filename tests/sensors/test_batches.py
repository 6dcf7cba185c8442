"""The batch sensor: any end is success, its words tell how far it is, and it warns of links that die."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
)

from airflow_provider_grok.sandbox.server import Sandbox
from airflow_provider_grok.sensors.batches import GrokBatchSensor
from tests.airflow_task import TaskRun, Time
from tests.batch_run import Settle, Store, ask, edits, pull, submission

Printed = pytest.CaptureFixture[str]


class Sensing(TaskRun):
    """A sensor's task instance, which began some time ago."""

    def __init__(self, batch_id: str, *, ago: float = 0.0, **arguments: Any) -> None:
        super().__init__(GrokBatchSensor, task_id="wait", batch_id=batch_id, **arguments)
        ti: Any = self.ti
        ti.start_date = datetime.now(timezone.utc) - timedelta(seconds=ago)
        ti.get_first_reschedule_date = lambda context: ti.start_date


def test_a_finished_batch_is_told_at_once_with_its_counts(sandbox: Sandbox, settle: Settle, store: Store) -> None:
    batch = submission(edits(store(), 3)).execute()
    counts = {"requests": 3, "pending": 0, "succeeded": 3, "failed": 0, "cancelled": 0}
    for options in ({}, {"mode": "reschedule"}, {"deferrable": True}):
        assert Sensing(batch, **options).execute() == counts


def test_poking_goes_on_until_the_batch_is_over(
    sandbox: Sandbox, settle: Settle, store: Store, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(batch_seconds=100)
    monkeypatch.setattr("airflow.sdk.bases.sensor.time.sleep", time.sleep)
    assert Sensing(submission(edits(store(), 3)).execute(), poke_interval=30).execute()["succeeded"] == 3
    assert sum(time.slept) == 120


def test_a_rescheduled_sensor_gives_its_slot_back(sandbox: Sandbox, settle: Settle, store: Store, time: Time) -> None:
    settle(batch_seconds=100)
    run = Sensing(submission(edits(store(), 3)).execute(), mode="reschedule", poke_interval=30)
    with pytest.raises(AirflowRescheduleException):
        run.execute()
    sandbox.clock.advance(100)
    assert run.execute()["succeeded"] == 3


def test_a_deferred_sensor_waits_in_the_triggerer(sandbox: Sandbox, settle: Settle, store: Store, time: Time) -> None:
    settle(batch_seconds=100)
    batch = submission(edits(store(), 3)).execute()
    run = Sensing(f" {batch} ", deferrable=True)
    trigger = run.defer()
    assert run.deferred is not None
    assert run.deferred.timeout is not None
    event = pull(trigger)
    assert (event["status"], event["job_id"]) == ("ended", batch)
    assert run.resume(event)["succeeded"] == 3


def test_the_words_tell_how_far_it_is(
    sandbox: Sandbox, settle: Settle, store: Store, time: Time, capsys: Printed
) -> None:
    settle(batch_seconds=500)
    action = {"fail": "internal_error"}
    sandbox.faults.add({"path": "/v1/batches/*/requests", "only": ["row-1"], "action": action})
    batch = submission(edits(store(), 50)).execute()
    sandbox.clock.advance(415)
    assert Sensing(batch, ago=1200).fresh().poke(Sensing(batch, ago=1200).context).is_done is False
    said = capsys.readouterr().out
    assert "41 of 50 done" in said
    assert "about 4 min left" in said


def test_any_end_is_success(sandbox: Sandbox, settle: Settle, store: Store, time: Time) -> None:
    settle(batch_seconds=100)
    cancelled = submission(edits(store(), 2)).execute()
    ask(sandbox, "POST", f"/batches/{cancelled}:cancel")
    assert Sensing(cancelled).execute()["cancelled"] == 2
    sandbox.faults.add({"path": "/v1/batches/*/requests", "action": {"fail": "internal_error"}})
    failed = submission(edits(store(), 2), of={"run_id": "tuesday"}).execute()
    sandbox.clock.advance(100)
    assert Sensing(failed).execute()["failed"] == 2


def test_a_batch_that_xai_cancelled_is_over_too_and_its_words_are_in_the_log(
    sandbox: Sandbox, settle: Settle, time: Time, capsys: Printed
) -> None:
    line = b'{"custom_id":"a","method":"POST","url":"/v1/responses","body":{"model":"grok-9","input":"x"}}\n'
    stored = ask(sandbox, "POST", "/files", files={"file": ("night.jsonl", line)})["id"]
    batch = ask(sandbox, "POST", "/batches", json={"name": "night", "input_file_id": stored})["batch_id"]
    assert Sensing(batch).execute()["requests"] == 0
    assert "grok-9 is not supported" in capsys.readouterr().out


@pytest.mark.parametrize(("batch_storage", "warned"), [(True, False), (False, True)])
def test_results_on_links_that_die_are_warned_of(
    sandbox: Sandbox, settle: Settle, store: Store, capsys: Printed, batch_storage: bool, warned: bool
) -> None:
    settle(batch_storage=batch_storage)
    Sensing(submission(edits(store(), 2)).execute()).execute()
    assert ("without this sensor before it" in capsys.readouterr().out) is warned


@pytest.mark.parametrize("options", [{}, {"mode": "reschedule"}, {"deferrable": True}])
def test_a_batch_that_does_not_exist_fails_at_once(settle: Settle, time: Time, options: dict[str, Any]) -> None:
    with pytest.raises(AirflowFailException, match="404"):
        Sensing("batch_nowhere", **options).execute()
    with pytest.raises(AirflowFailException, match="is no batch id"):
        Sensing("https://evil/..", **options).execute()
    assert time.slept == []


def test_a_look_that_fails_is_left_to_the_retry(sandbox: Sandbox, settle: Settle, store: Store, time: Time) -> None:
    batch = submission(edits(store(), 2)).execute()
    sandbox.faults.add({"path": f"/v1/batches/{batch}", "times": None, "action": {"status": 503}})
    with pytest.raises(AirflowException, match="503") as failed:
        Sensing(batch).execute()
    assert not isinstance(failed.value, AirflowFailException)


def test_a_deadline_is_a_sensor_timeout(sandbox: Sandbox, settle: Settle, store: Store, time: Time) -> None:
    settle(batch_seconds=10_000)
    run = Sensing(submission(edits(store(), 2)).execute(), deferrable=True, timeout=600)
    event = pull(run.defer())
    assert event["status"] == "timeout"
    with pytest.raises(AirflowSensorTimeout, match="timeout=600 s"):
        run.resume(event)
    run.arguments["soft_fail"] = True
    with pytest.raises(AirflowSkipException):
        run.resume(event)


def test_a_trigger_that_failed_is_told(sandbox: Sandbox, settle: Settle, store: Store, time: Time) -> None:
    settle(batch_seconds=100)
    run = Sensing(submission(edits(store(), 2)).execute(), deferrable=True)
    run.defer()
    with pytest.raises(AirflowException, match=r"Waiting for batch .* failed: no luck"):
        run.resume({"status": "error", "message": "no luck"})
    sandbox.clock.advance(100)
    assert run.resume({"status": "error", "message": "no luck"})["succeeded"] == 2
