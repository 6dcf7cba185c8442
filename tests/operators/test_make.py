"""What all operators that make something share: one charge over all tries, a receipt before any failure, terms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from airflow_provider_grok.operators.images import GrokImagineEditOperator, GrokImagineGenerateOperator
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import TaskRun, Time, asked, connect, names, paid

POST = {"method": "POST", "path": "/v1/images/*"}
Store = Callable[..., str]


def generate(**arguments: Any) -> TaskRun:
    return TaskRun(GrokImagineGenerateOperator, **{"task_id": "make", "prompt": "a red bicycle", **arguments})


# -- the way of a task ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("torn", [False, True], ids=["after", "before"])
@pytest.mark.parametrize("write", [1, 2, 3], ids=["intended", "submitted", "done"])
def test_a_worker_killed_at_any_write_is_followed_by_one_that_returns_the_same_file(
    sandbox: Sandbox, time: Time, write: int, torn: bool
) -> None:
    run = generate()
    run.kill(write, torn=torn)
    file_id = run.execute()
    assert run.execute() == file_id
    assert len(sandbox.ledger.charges) == 1
    assert [row["filename"] for row in run.receipt["files"]] == names(sandbox)


def test_the_recovery_wait_of_the_connection_is_kept(
    sandbox: Sandbox, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, sandbox, recovery_wait=3)
    sandbox.faults.add({**POST, "action": {"drop": "before"}})
    assert generate().execute()
    assert sum(time.slept) == pytest.approx(3, abs=0.1)
    assert len(sandbox.ledger.charges) == 1


def test_a_recovery_wait_of_nothing_does_not_wait(
    sandbox: Sandbox, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, sandbox, recovery_wait=0)
    sandbox.faults.add({**POST, "action": {"drop": "before"}})
    assert generate().execute()
    assert asked(sandbox, "GET", "/v1/files")
    assert time.slept == []


def test_two_mapped_tasks_with_the_same_request_buy_one_picture_each(sandbox: Sandbox) -> None:
    first, second = generate(of={"map_index": 0}), generate(of={"map_index": 1})
    assert first.execute() != second.execute()
    assert len(set(names(sandbox))) == 2


def test_a_passing_failure_of_the_job_is_left_to_airflows_retry(sandbox: Sandbox) -> None:
    sandbox.faults.add({**POST, "action": {"fail": "internal_error"}})
    run = generate()
    with pytest.raises(AirflowException, match=r"image job .* failed \(internal-error\)") as caught:
        run.execute()
    assert not isinstance(caught.value, AirflowFailException)
    assert run.receipt["request_id"] in str(caught.value)
    assert run.execute()
    assert len(sandbox.ledger.charges) == 1


def test_a_final_failure_of_the_job_is_not_tried_again(sandbox: Sandbox) -> None:
    sandbox.faults.add({**POST, "action": {"fail": "failed_precondition"}})
    with pytest.raises(AirflowFailException, match=r"failed-precondition.*change it"):
        generate().execute()


def test_a_job_that_is_not_done_in_time_leaves_its_retry_to_airflow(slow: Sandbox, time: Time) -> None:
    run = generate(timeout=5)
    with pytest.raises(AirflowException, match="will be billed") as caught:
        run.execute()
    assert not isinstance(caught.value, AirflowFailException)
    slow.clock.advance(30)
    assert run.execute()
    assert len(slow.ledger.charges) == 1


def test_an_end_that_has_come_near_does_not_lose_what_is_bought(slow: Sandbox, time: Time) -> None:
    run = generate(expires_at=datetime.now(timezone.utc) + timedelta(hours=2))
    run.kill(3, torn=True)
    run.arguments["expires_at"] = datetime.now(timezone.utc) + timedelta(minutes=50)
    assert run.execute()
    assert len(slow.ledger.charges) == 1


# -- receipt and terms ---------------------------------------------------------------------------------------------


def test_the_receipt_tells_what_was_made_of_what_and_for_how_much(sandbox: Sandbox, store: Store) -> None:
    source = store()
    run = TaskRun(GrokImagineEditOperator, prompt="make it red", image=source, expires_after=7200, share=3600)
    file_id = run.execute()
    (row,) = run.receipt.pop("files")
    (charge,) = sandbox.ledger.charges
    assert run.receipt == {
        "request": {"prompt": "make it red", "model": "grok-imagine-image-2.0", "sources": [source]},
        "usage": {"cost_in_usd_ticks": charge["ticks"], "cost_usd": 0.07, "estimated": False},
        "billed": {
            "cost_in_usd_ticks": charge["ticks"],
            "cost_usd": 0.07,
            "estimated": False,
            "moderation_ticks": 0,
        },
        "request_id": charge["id"],
        "reused": False,
        "grok_conn_id": "grok_default",
        "submitted_at": pytest.approx(charge["at"], abs=5),
        "seconds": pytest.approx(0, abs=5),
    }
    assert row["file_id"] == file_id
    assert row["filename"] == names(sandbox)[-1]
    assert row["public_url"] == run.xcom["public_url"]
    assert row["public_url_expires_at"] < row["expires_at"]


def test_a_reused_result_says_so(sandbox: Sandbox) -> None:
    run = generate()
    run.execute()
    assert not run.receipt["reused"]
    run.execute()
    assert run.receipt["reused"]


def test_no_public_url_is_pushed_where_none_was_asked_for(sandbox: Sandbox) -> None:
    run = generate()
    run.execute()
    assert set(run.xcom) == {"receipt"}


def test_public_urls_have_the_shape_of_the_result(sandbox: Sandbox) -> None:
    one, several = generate(share=True), generate(share="7200", n=2, task_id="several")
    one.execute()
    several.execute()
    assert isinstance(one.xcom["public_url"], str)
    assert len(several.xcom["public_url"]) == 2


def test_a_task_that_must_not_push_pushes_nothing(sandbox: Sandbox) -> None:
    run = generate(do_xcom_push=False, share=True)
    assert run.execute()
    assert run.xcom == {}


def test_a_link_lives_a_week_or_as_long_as_its_file(sandbox: Sandbox) -> None:
    generate(share=True, task_id="a").execute()
    generate(share=True, task_id="b", expires_after=7200).execute()
    generate(share=True, task_id="c", expires_after=30 * 86400).execute()
    links = [one["json"]["storage_options"]["public_url"] for one in paid(sandbox)]
    assert links == [{"expires_after": 7 * 86400}, True, {"expires_after": 7 * 86400}]


def test_the_connections_terms_hold_where_the_task_has_none(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, sandbox, expires_after=7200, max_cost_usd="0.05")
    generate().execute()
    assert paid(sandbox)[0]["json"]["storage_options"]["expires_after"] == 7200
    with pytest.raises(AirflowFailException, match=r"max_cost_usd=0\.05"):
        generate(n=2).execute()


def test_a_cost_limit_of_nothing_refuses_everything(sandbox: Sandbox) -> None:
    with pytest.raises(AirflowFailException, match="max_cost_usd=0 is no amount"):
        generate(max_cost_usd=0).execute()
    assert not paid(sandbox)


# -- what was not stored, or has no link ---------------------------------------------------------------------------


def test_a_picture_that_was_not_stored_is_rescued_without_a_second_charge(sandbox: Sandbox) -> None:
    sandbox.faults.add({**POST, "action": {"storage_error": True}})
    run = generate()
    file_id = run.execute()
    assert run.receipt["files"][0]["file_id"] == file_id
    assert len(asked(sandbox, "POST", "/v1/files")) == 1
    assert len(sandbox.ledger.charges) == 1


def test_a_picture_that_cannot_be_kept_fails_after_the_receipt(sandbox: Sandbox) -> None:
    sandbox.faults.add({**POST, "action": {"storage_error": [1]}})
    sandbox.faults.add({"method": "POST", "path": "/v1/files", "times": None, "action": {"status": 413}})
    run = generate(n=2)
    with pytest.raises(AirflowFailException, match=r"1 of 2 results of job \S+ could not be kept.* \(0\.0800 USD\)"):
        run.execute()
    kept, lost = run.receipt["files"]
    assert kept["file_id"]
    assert "not rescued" in lost["reason"]
    assert run.receipt["usage"]["cost_in_usd_ticks"] == sandbox.ledger.total_ticks


def test_a_picture_that_cannot_be_kept_for_now_is_left_to_a_retry(sandbox: Sandbox, time: Time) -> None:
    sandbox.faults.add({**POST, "action": {"storage_error": True}})
    sandbox.faults.add({"method": "POST", "path": "/v1/files", "times": 4, "action": {"status": 503}})
    run = generate()
    with pytest.raises(AirflowException, match="another try fetches it unpaid") as failed:
        run.execute()
    assert not isinstance(failed.value, AirflowFailException)
    assert run.execute() == run.receipt["files"][0]["file_id"]
    assert len(sandbox.ledger.charges) == 1


def test_a_link_that_was_not_made_is_asked_for_again(sandbox: Sandbox) -> None:
    sandbox.faults.add({**POST, "action": {"public_url_error": True}})
    run = generate(share=True)
    run.execute()
    assert run.xcom["public_url"].startswith("http")
    assert len(sandbox.ledger.charges) == 1


def test_a_link_that_was_made_at_last_is_in_the_receipt(sandbox: Sandbox) -> None:
    sandbox.faults.add({**POST, "action": {"public_url_error": True}})
    sandbox.faults.add({"method": "POST", "path": "/v1/files/*/public-url", "action": {"status": 400}})
    run = generate(share=True)
    run.execute()
    (row,) = run.receipt["files"]
    assert row["public_url"] == run.xcom["public_url"]
    assert row["public_url"].startswith("http")
    assert row["reason"] is None


def test_a_full_quota_of_links_fails_after_the_receipt_and_the_picture_is_kept(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox.backend, "settings", replace(sandbox.backend.settings, link_quota=1))
    generate(share=True, task_id="first").execute()
    run = generate(share=True)
    with pytest.raises(AirflowFailException, match=r"at most 1 active public URLs.*GrokUnshareOperator"):
        run.execute()
    (row,) = run.receipt["files"]
    assert row["file_id"]
    assert "without its public link" in row["reason"]


# -- moderation ----------------------------------------------------------------------------------------------------

REJECTED = {"code": "Client specified an invalid argument", "error": "Generated image rejected by content moderation."}
MODERATED = [
    pytest.param({"moderate": True}, True, id="failed job"),
    pytest.param({"moderate": "placeholder"}, True, id="placeholder"),
    pytest.param({"status": 400, "body": REJECTED}, None, id="refused"),
    pytest.param({"status": 400, "body": {**REJECTED, "usage": {"cost_in_usd_ticks": 5}}}, True, id="refused, billed"),
]


@pytest.mark.parametrize(("action", "billed"), MODERATED)
def test_moderation_fails_at_once_and_the_receipt_tells_the_cost(
    sandbox: Sandbox, action: dict[str, Any], billed: bool | None
) -> None:
    sandbox.faults.add({**POST, "action": action})
    run = generate()
    with pytest.raises(AirflowFailException, match="moderation"):
        run.execute()
    assert run.receipt["files"] == []
    assert run.receipt["usage"]["estimated"] is (billed is None)
    assert bool(run.receipt["usage"]["cost_in_usd_ticks"]) is bool(billed)
    assert len(paid(sandbox)) == 1


@pytest.mark.parametrize(("action", "billed"), MODERATED)
def test_moderation_skips_where_the_task_says_so(sandbox: Sandbox, action: dict[str, Any], billed: bool | None) -> None:
    sandbox.faults.add({**POST, "action": action})
    run = generate(on_moderated="skip")
    with pytest.raises(AirflowSkipException):
        run.execute()
    assert run.receipt["files"] == []


def test_moderation_seen_by_a_poll_alone_is_the_same(sandbox: Sandbox, time: Time) -> None:
    sandbox.faults.add(
        {"method": "GET", "path": POST["path"], "times": None, "action": {"status": 400, "body": REJECTED}}
    )
    run = generate()
    with pytest.raises(AirflowFailException, match="moderation"):
        run.execute()
    assert len(sandbox.ledger.charges) == 1


def test_one_of_three_withheld_fails_and_the_others_are_in_the_receipt(sandbox: Sandbox) -> None:
    sandbox.faults.add({**POST, "action": {"moderate": [1]}})
    run = generate(n=3)
    with pytest.raises(AirflowFailException, match=r"1 of 3 results were taken away.*on_moderated='skip'"):
        run.execute()
    assert [bool(row["file_id"]) for row in run.receipt["files"]] == [True, False, True]
    assert run.receipt["files"][1]["reason"].startswith("moderated")


def test_one_of_three_withheld_leaves_two_where_the_task_says_so(sandbox: Sandbox) -> None:
    sandbox.faults.add({**POST, "action": {"moderate": [1]}})
    run = generate(n=3, on_moderated="skip")
    assert run.execute() == [row["file_id"] for row in run.receipt["files"] if row["file_id"]]
    assert run.execute() == [row["file_id"] for row in run.receipt["files"] if row["file_id"]]
    assert len(sandbox.ledger.charges) == 1


def test_an_unknown_word_for_moderation_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(AirflowFailException, match=r"on_moderated='ignore' is neither 'fail' nor 'skip'"):
        generate(on_moderated="ignore").execute()
    assert sandbox.journal == []
