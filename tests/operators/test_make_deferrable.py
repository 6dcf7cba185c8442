"""Waiting without a worker: what the trigger gets, and what is made of what it says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException, TaskDeferred
from airflow.sdk.serde import serialize

from airflow_provider_grok.operators.images import GrokImagineEditOperator, GrokImagineGenerateOperator
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import Killed, TaskRun, Time, asked, event_of, names, paid

POST = {"method": "POST", "path": "/v1/images/*"}
PROMPT = "a secret campaign"


def generate(**arguments: Any) -> TaskRun:
    return TaskRun(
        GrokImagineGenerateOperator, **{"task_id": "make", "prompt": PROMPT, "deferrable": True, **arguments}
    )


def resumed(run: TaskRun) -> Any:
    """One try, with all that the triggerer does in between."""
    return run.resume(event_of(run.defer()))


def test_a_deferred_task_ends_with_the_same_result_as_a_waiting_one(slow: Sandbox, time: Time) -> None:
    run = generate(share=True)
    file_id = resumed(run)
    assert run.receipt["files"][0]["file_id"] == file_id
    assert run.receipt["usage"]["cost_in_usd_ticks"] == slow.ledger.total_ticks
    assert run.xcom["public_url"]
    assert len(paid(slow)) == 1


def test_a_list_is_still_a_list_after_a_deferral(slow: Sandbox, time: Time) -> None:
    assert len(resumed(generate(n="2"))) == 2


def test_the_trigger_carries_neither_key_nor_prompt_nor_link(slow: Sandbox, time: Time) -> None:
    source = f"{slow.url}/files/x?sig=hush"
    slow.faults.add({**POST, "action": {"status": 200, "body": {"request_id": "id-1"}}})
    run = TaskRun(GrokImagineEditOperator, prompt=PROMPT, image=source, share=True, deferrable=True)
    path, kwargs = run.defer().serialize()
    assert path == "airflow_provider_grok.triggers.jobs.GrokJobTrigger"
    carried = json.dumps(serialize(kwargs))
    for secret in (slow.api_key, "campaign", "://", "hush"):
        assert secret not in carried
    assert kwargs["job_id"] == "id-1"


def test_a_picture_that_is_ready_at_once_is_not_waited_for(sandbox: Sandbox) -> None:
    assert generate().execute()


def test_a_result_of_an_earlier_try_is_returned_without_deferring(slow: Sandbox, time: Time) -> None:
    run = generate()
    file_id = resumed(run)
    assert run.execute() == file_id
    assert run.receipt["reused"]


def test_a_retry_defers_to_the_job_of_the_earlier_try(slow: Sandbox, time: Time) -> None:
    run = generate()
    first = run.defer()
    second = run.defer()
    assert first.job == second.job
    assert len(paid(slow)) == 1


def test_a_worker_killed_before_it_could_defer_is_followed_by_one_that_defers_to_its_job(
    slow: Sandbox, time: Time
) -> None:
    run = generate()
    run.kill(2)
    assert run.defer().job.id == slow.ledger.charges[0]["id"]


def test_a_worker_killed_after_the_deferral_loses_nothing(slow: Sandbox, time: Time) -> None:
    run = generate()
    event = event_of(run.defer())
    run.store.die_at(1, torn=True)
    with pytest.raises(Killed):
        run.resume(event)
    assert run.execute()
    assert (len(slow.ledger.charges), len(names(slow))) == (1, 1)


def test_the_deadline_is_the_timeout_from_the_submission_and_airflows_own_lies_behind_it(
    slow: Sandbox, time: Time
) -> None:
    run = generate(timeout=600)
    trigger = run.defer()
    assert trigger.deadline == pytest.approx(slow.clock.now() + 600, abs=1)
    assert run.deferred is not None
    assert run.deferred.timeout is not None
    assert 655 <= run.deferred.timeout.total_seconds() <= 665


# -- what the trigger says is not believed -------------------------------------------------------------------------


def test_an_event_is_asked_about_again(slow: Sandbox, time: Time) -> None:
    run = generate()
    trigger = run.defer()
    slow.clock.advance(31)
    assert (
        run.resume({"status": "ended", "job_id": trigger.job.id, "file_id": "file_invented"})
        == (run.receipt["files"][0]["file_id"])
    )


@pytest.mark.parametrize("event", [None, {}, {"status": "ended"}, {"status": "from the future"}])
def test_an_event_that_says_little_is_enough(slow: Sandbox, time: Time, event: Any) -> None:
    run = generate()
    run.defer()
    slow.clock.advance(31)
    assert run.resume(event)


def test_a_record_that_was_lost_while_waiting_is_replaced_by_the_events_job(slow: Sandbox, time: Time) -> None:
    run = generate()
    event = event_of(run.defer())
    run.store.values.clear()
    assert run.resume(event)
    assert len(slow.ledger.charges) == 1


def test_a_prompt_that_renders_differently_after_the_wait_buys_nothing(slow: Sandbox, time: Time) -> None:
    run = generate()
    event = event_of(run.defer())
    run.arguments["prompt"] = "something else by now"
    assert run.resume(event)
    assert len(paid(slow)) == 1


def test_an_event_of_time_run_out_is_an_error_unless_the_job_has_ended_since(slow: Sandbox, time: Time) -> None:
    run = generate(timeout=10)
    event = event_of(run.defer())
    assert event["status"] == "timeout"
    with pytest.raises(AirflowException, match=r"another try of this task adopts it. A longer `timeout`"):
        run.resume(event)
    slow.clock.advance(30)
    assert run.resume(event)
    assert len(slow.ledger.charges) == 1


def test_an_event_of_an_error_is_an_error_unless_the_job_has_ended_since(slow: Sandbox, time: Time) -> None:
    run = generate()
    trigger = run.defer()
    event = {"status": "error", "job_id": trigger.job.id, "message": "nine looks lost"}
    with pytest.raises(AirflowException, match="nine looks lost"):
        run.resume(event)
    slow.clock.advance(31)
    assert run.resume(event)


def test_a_job_that_is_gone_is_known_by_its_file(slow: Sandbox, time: Time) -> None:
    run = generate()
    trigger = run.defer()
    slow.clock.advance(31)
    slow.faults.add({"method": "GET", "path": f"/v1/images/{trigger.job.id}", "times": None, "action": {"status": 404}})
    event = event_of(trigger)
    assert event["status"] == "gone"
    assert run.resume(event)
    assert len(slow.ledger.charges) == 1


def test_a_job_that_is_gone_without_a_file_until_its_timeout_is_bought_again(slow: Sandbox, time: Time) -> None:
    slow.faults.add({**POST, "action": {"fail": "internal_error"}})
    run = generate()
    trigger = run.defer()
    slow.faults.add({"method": "GET", "path": f"/v1/images/{trigger.job.id}", "times": None, "action": {"status": 404}})
    event = event_of(trigger)
    assert slow.clock.now() >= trigger.deadline
    with pytest.raises(TaskDeferred):
        run.resume(event)
    assert len(paid(slow)) == 2


# -- the trigger does not come back --------------------------------------------------------------------------------


@pytest.mark.parametrize("error", ["Trigger timeout", "Trigger failure"])
def test_a_trigger_that_did_not_come_back_is_made_good_by_a_look(slow: Sandbox, time: Time, error: str) -> None:
    run = generate()
    run.defer()
    slow.clock.advance(31)
    assert run.resume(method="__fail__", error=error)
    assert len(slow.ledger.charges) == 1


@pytest.mark.parametrize("error", ["Trigger timeout", "Trigger failure"])
def test_a_trigger_that_did_not_come_back_from_a_job_that_runs_on_is_a_timeout(
    slow: Sandbox, time: Time, error: str
) -> None:
    run = generate()
    run.defer()
    with pytest.raises(AirflowException, match="was not finished"):
        run.resume(method="__fail__", error=error)


# -- moderation and failures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("on_moderated", "error"), [("fail", AirflowFailException), ("skip", AirflowSkipException)])
@pytest.mark.parametrize("action", [{"moderate": True}, {"moderate": "placeholder"}])
def test_moderation_after_a_deferral_fails_or_skips_with_its_cost(
    slow: Sandbox, time: Time, on_moderated: str, error: type[Exception], action: dict[str, Any]
) -> None:
    slow.faults.add({**POST, "action": action})
    run = generate(on_moderated=on_moderated)
    with pytest.raises(error, match="moderation"):
        resumed(run)
    assert run.receipt["usage"]["cost_in_usd_ticks"] == slow.ledger.total_ticks > 0


def test_a_job_that_failed_while_deferred_leaves_the_retry_to_airflow(slow: Sandbox, time: Time) -> None:
    slow.faults.add({**POST, "action": {"fail": "service_unavailable"}})
    run = generate()
    with pytest.raises(AirflowException, match="service-unavailable") as caught:
        resumed(run)
    assert not isinstance(caught.value, AirflowFailException)
    assert resumed(run)
    assert len(slow.ledger.charges) == 1


def test_killing_a_waiting_task_says_what_goes_on(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    generate().fresh().on_kill()
    assert "cannot be cancelled: it will be billed" in capsys.readouterr().out
    assert sandbox.journal == []


def test_nothing_is_asked_of_the_files_of_others_while_waiting(slow: Sandbox, time: Time) -> None:
    resumed(generate())
    (look,) = asked(slow, "GET", "/v1/files")
    sent = next(index for index, one in enumerate(slow.journal) if one["method"] == "POST")
    assert slow.journal.index(look) < sent
