"""`on_moderated="retry"`: a bounded number of paid repeats of what was generated and withheld, and of nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from airflow_provider_grok.flows.purchases.store import LedgerStore
from airflow_provider_grok.operators.images import GrokImagineGenerateOperator
from airflow_provider_grok.operators.make import SLOT
from airflow_provider_grok.operators.videos import GrokImagineVideoOperator
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import TaskRun, Time, event_of, names, paid

IMAGES = {"method": "POST", "path": "/v1/images/*"}
VIDEOS = {"method": "POST", "path": "/v1/videos/*"}
PRICE = 400_000_000  # a picture, in ticks
MADE_AND_WITHHELD = [
    pytest.param({"moderate": True}, id="failed job"),
    pytest.param({"moderate": "placeholder"}, id="placeholder"),
    pytest.param(
        {
            "status": 400,
            "body": {
                "code": "imagine:content-moderated",
                "error": "Generated image rejected by content moderation.",
                "usage": {"cost_in_usd_ticks": PRICE},
            },
        },
        id="400 with its cost",
    ),
]


def generate(**arguments: Any) -> TaskRun:
    given = {"task_id": "make", "prompt": "a red bicycle", "on_moderated": "retry", **arguments}
    return TaskRun(GrokImagineGenerateOperator, **given)


def withhold(sandbox: Sandbox, times: int | None = None, action: Any = None, **post: Any) -> None:
    sandbox.faults.add({**(post or IMAGES), "times": times, "action": action or {"moderate": True}})


def attempts(run: TaskRun) -> list[tuple[str, bool]]:
    """State of each attempt in the ledger, and whether it was withheld."""
    record = LedgerStore(run.store, SLOT).read().current
    assert record is not None
    return [(one.state, one.moderated) for one in record.attempts]


@pytest.mark.parametrize("action", MADE_AND_WITHHELD)
def test_a_withheld_picture_is_bought_again_and_both_are_in_the_bill(sandbox: Sandbox, action: dict[str, Any]) -> None:
    withhold(sandbox, 1, action)
    run = generate()
    assert run.execute() == run.receipt["files"][0]["file_id"]
    assert len(paid(sandbox)) == 2
    assert run.receipt["usage"]["cost_in_usd_ticks"] == PRICE
    assert run.receipt["billed"] == {
        "cost_in_usd_ticks": 2 * PRICE,
        "cost_usd": 0.08,
        "estimated": False,
        "moderation_ticks": PRICE,
    }


def test_after_the_last_repeat_it_fails_with_all_that_was_paid(sandbox: Sandbox) -> None:
    withhold(sandbox)
    run = generate()
    with pytest.raises(AirflowFailException, match="moderation"):
        run.execute()
    assert len(sandbox.ledger.charges) == 3
    assert run.receipt["files"] == []
    assert run.receipt["billed"]["cost_in_usd_ticks"] == sandbox.ledger.total_ticks == 3 * PRICE
    assert run.receipt["billed"]["moderation_ticks"] == 3 * PRICE
    assert attempts(run) == [("failed", True)] * 3


def test_a_mere_retry_of_airflow_buys_no_further_repeat(sandbox: Sandbox) -> None:
    withhold(sandbox)
    run = generate(moderation_retries="1")
    for _ in range(3):
        with pytest.raises(AirflowFailException, match="moderation"):
            run.execute()
    assert len(sandbox.ledger.charges) == 2


def test_a_worker_that_died_between_two_repeats_does_not_begin_anew(sandbox: Sandbox, time: Time) -> None:
    withhold(sandbox)
    run = generate()
    # Three writes to a purchase: intended, submitted, failed; so this is the end of the first repeat.
    run.kill(6)
    with pytest.raises(AirflowFailException, match="moderation"):
        run.execute()
    assert len(sandbox.ledger.charges) == 3


def test_the_lost_answer_of_a_repeat_is_looked_for_and_not_bought_twice(sandbox: Sandbox, time: Time) -> None:
    withhold(sandbox, 1)
    sandbox.faults.add({**IMAGES, "action": {"drop": "after"}})
    run = generate()
    assert run.execute()
    assert len(sandbox.ledger.charges) == len(paid(sandbox)) == 2
    assert len(names(sandbox)) == 1


def test_the_cap_refuses_a_repeat_before_it_is_sent(sandbox: Sandbox) -> None:
    withhold(sandbox)
    run = generate(moderation_retries=10, max_cost_usd=0.10)
    with pytest.raises(AirflowFailException, match=r"after 0\.0800 USD spent.*more than max_cost_usd=0\.1"):
        run.execute()
    assert len(paid(sandbox)) == 2
    assert run.receipt["billed"]["moderation_ticks"] == 2 * PRICE


def test_each_repeat_is_told_with_its_price_before_it_is_bought(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    withhold(sandbox)
    with pytest.raises(AirflowFailException, match="moderation"):
        generate().execute()
    told = capsys.readouterr().out + caplog.text
    assert "buying it again for about 0.0400 USD, repeat 1 of 2" in told
    assert "repeat 2 of 2" in told
    assert "withheld 3 times: moderation_retries=2 is used up" in told


REFUSED_BEFORE = [
    {"refuse": "safety"},
    {"refuse": "safety-400"},
    {"status": 400, "body": {"error": "Rejected by content moderation."}},
]


@pytest.mark.parametrize("action", REFUSED_BEFORE, ids=["safety, 403", "safety, 400", "no word of a charge"])
def test_what_was_not_generated_or_not_billed_is_not_asked_again(sandbox: Sandbox, action: dict[str, Any]) -> None:
    withhold(sandbox, None, action)
    with pytest.raises(AirflowFailException):
        generate().execute()
    assert len(paid(sandbox)) == 1


def test_a_result_that_is_there_in_part_is_not_bought_again_as_a_whole(sandbox: Sandbox) -> None:
    withhold(sandbox, None, {"moderate": [1]})
    run = generate(n=3)
    with pytest.raises(AirflowFailException, match="1 of 3 results were taken away"):
        run.execute()
    assert len(sandbox.ledger.charges) == 1


def test_a_deferred_task_defers_again_for_its_repeat(slow: Sandbox, time: Time) -> None:
    withhold(slow, 1)
    run = generate(deferrable=True)
    first = run.defer()
    with pytest.raises(TaskDeferred) as again:
        run.resume(event_of(first))
    run.deferred = again.value
    assert again.value.trigger.serialize()[1]["job_id"] != first.serialize()[1]["job_id"]
    assert run.resume(event_of(again.value.trigger))
    assert len(slow.ledger.charges) == 2
    assert run.receipt["billed"]["moderation_ticks"] == PRICE


@pytest.mark.parametrize("action", [{"moderate": True}, {"moderate": "failed"}, {"moderate": "placeholder"}])
def test_a_withheld_video_is_bought_again(sandbox: Sandbox, time: Time, action: dict[str, Any]) -> None:
    withhold(sandbox, 1, action, **VIDEOS)
    run = TaskRun(GrokImagineVideoOperator, task_id="film", prompt="waves", duration=1, on_moderated="retry")
    assert run.execute()
    (first, second) = sandbox.ledger.charges
    assert run.receipt["billed"]["moderation_ticks"] == first["ticks"]
    assert run.receipt["billed"]["cost_in_usd_ticks"] == first["ticks"] + second["ticks"]


@pytest.mark.parametrize("repeats", [0, 11, "many", None, True])
def test_a_number_of_repeats_out_of_bounds_is_refused_before_anything_is_sent(sandbox: Sandbox, repeats: Any) -> None:
    with pytest.raises(AirflowFailException, match=r"moderation_retries=.*a whole number from 1 to 10"):
        generate(moderation_retries=repeats).execute()
    assert sandbox.journal == []


def test_without_retry_the_number_of_repeats_is_not_read(sandbox: Sandbox) -> None:
    withhold(sandbox)
    with pytest.raises(AirflowFailException, match="moderation"):
        generate(on_moderated="fail", moderation_retries=0).execute()
    assert len(sandbox.ledger.charges) == 1
