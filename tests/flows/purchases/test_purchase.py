"""Never pay twice: whatever dies, and wherever, one charge and one picture."""

from __future__ import annotations

import pytest

from airflow_provider_grok.api import errors
from airflow_provider_grok.api.kinds import KINDS
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import Time, names, paid
from tests.purchase_run import Shop

POST = {"method": "POST", "path": "/v1/images/generations"}


@pytest.mark.parametrize("torn", [False, True], ids=["after", "before"])
@pytest.mark.parametrize("write", [1, 2, 3], ids=["intended", "submitted", "done"])
def test_a_worker_killed_at_any_write_pays_once_and_the_next_finds_the_same_picture(
    shop: Shop, sandbox: Sandbox, write: int, torn: bool
) -> None:
    shop.die(write, torn=torn)
    bought = shop.buy()
    assert shop.charges == 1
    assert len(paid(sandbox)) == 1
    assert len(names(sandbox)) == 1
    assert [row.filename for row in bought.rows] == names(sandbox)
    assert shop.store.phases[-1] == "done"


def test_a_worker_killed_again_and_again_pays_once(shop: Shop, sandbox: Sandbox) -> None:
    for write in (1, 2, 1, 1):
        shop.die(write, torn=True)
    shop.buy()
    assert (shop.charges, len(names(sandbox))) == (1, 1)


def test_a_worker_killed_while_the_picture_is_made_goes_back_to_its_job(shop: Shop, slow: Sandbox) -> None:
    shop.die(3)
    bought = shop.buy()
    assert shop.charges == 1
    assert bought.job_id == slow.ledger.charges[0]["id"]


def test_a_lost_answer_is_found_by_name_with_one_charge(shop: Shop, sandbox: Sandbox) -> None:
    sandbox.faults.add({**POST, "action": {"drop": "after"}})
    bought = shop.buy()
    assert shop.charges == 1
    assert [row.filename for row in bought.rows] == names(sandbox)
    assert bought.ticks == sandbox.ledger.total_ticks
    assert bought.estimated


@pytest.mark.parametrize("given", [{"filename": "mine.jpg", "expires_after": 7200}, "nonsense", None])
def test_storage_options_of_the_caller_are_kept_but_for_the_name(
    shop: Shop, sandbox: Sandbox, given: dict[str, object] | str | None
) -> None:
    shop.buy(fields={"params": {"storage_options": given}}, filename="hero.jpg")
    (sent,) = paid(sandbox)
    asked = sent["json"]["storage_options"]
    assert asked["filename"].startswith("hero.")
    assert asked.get("expires_after") == (7200 if isinstance(given, dict) else None)


def test_a_lost_answer_of_a_slow_picture_is_waited_for(shop: Shop, slow: Sandbox, time: Time) -> None:
    slow.faults.add({**POST, "action": {"drop": "after"}})
    shop.buy()
    assert shop.charges == 1
    assert 30 <= sum(time.slept) <= 36


def test_a_request_that_never_arrived_is_sent_again_after_the_usual_time(
    shop: Shop, sandbox: Sandbox, time: Time
) -> None:
    sandbox.faults.add({**POST, "action": {"drop": "before"}})
    shop.buy()
    assert (shop.charges, len(paid(sandbox))) == (1, 2)
    assert sum(time.slept) == pytest.approx(KINDS["image"].recovery_wait, abs=1)


def test_a_request_that_is_lost_twice_is_an_error_that_the_next_try_mends(shop: Shop, sandbox: Sandbox) -> None:
    sandbox.faults.add({**POST, "times": 2, "action": {"drop": "before"}})
    with pytest.raises(errors.ResponseLost):
        shop.buy()
    assert shop.store.phases[-1] == "intended"
    shop.buy()
    assert (shop.charges, len(paid(sandbox))) == (1, 3)


def test_a_server_error_that_hid_the_work_is_treated_as_a_lost_answer(shop: Shop, sandbox: Sandbox) -> None:
    sandbox.faults.add({**POST, "action": {"status": 503}})
    shop.buy()
    assert (shop.charges, len(paid(sandbox))) == (1, 2)


def test_too_many_requests_are_sent_again_at_once_for_nothing_was_made(
    shop: Shop, sandbox: Sandbox, time: Time
) -> None:
    sandbox.faults.add({**POST, "times": 2, "action": {"status": 429, "headers": {"retry-after": "7"}}})
    shop.buy()
    assert shop.charges == 1
    assert time.slept[:2] == [7.0, 7.0]


def test_three_lost_pictures_are_adopted_when_all_three_are_there(shop: Shop, sandbox: Sandbox) -> None:
    sandbox.faults.add({**POST, "action": {"drop": "after"}})
    bought = shop.buy(fields={"n": 3})
    assert (shop.charges, len(set(bought.file_ids))) == (1, 3)


def test_two_of_three_lost_pictures_are_not_the_purchase(shop: Shop, sandbox: Sandbox) -> None:
    sandbox.faults.add({**POST, "action": {"drop": "after", "storage_error": [1]}})
    bought = shop.buy(fields={"n": 3})
    assert len(set(bought.file_ids)) == 3
    assert len(paid(sandbox)) == 2


def test_a_server_that_refuses_deferral_by_name_is_asked_to_answer_at_once(shop: Shop, sandbox: Sandbox) -> None:
    sandbox.faults.add(
        {**POST, "action": {"status": 400, "body": {"code": "x", "error": "Argument not supported: deferred"}}}
    )
    bought = shop.buy()
    first, second = paid(sandbox)
    assert "deferred" in first["json"]
    assert "deferred" not in second["json"]
    assert [row.filename for row in bought.rows] == names(sandbox)
    assert (bought.ticks, bought.estimated) == (sandbox.ledger.total_ticks, False)


def test_a_server_that_answers_at_once_is_taken_at_its_word(shop: Shop, sandbox: Sandbox) -> None:
    (kept,) = shop.buy(prompt="already there").file_ids
    done = {"data": [{"file_output": {"file_id": kept, "filename": "x.jpg"}}], "usage": {"cost_in_usd_ticks": 7}}
    sandbox.faults.add({**POST, "action": {"status": 200, "body": done}})
    bought = shop.buy(prompt="at once")
    assert (bought.file_ids, bought.ticks, bought.job_id) == ([kept], 7, None)
    assert sandbox.journal[-1]["method"] == "POST"


def test_a_job_that_is_not_finished_in_time_is_given_up_and_taken_up_later(
    shop: Shop, slow: Sandbox, time: Time
) -> None:
    with pytest.raises(errors.JobTimeout, match="another try of this task adopts it"):
        shop.buy(timeout=10)
    slow.clock.advance(30)
    assert shop.buy(timeout=10).file_ids
    assert shop.charges == 1


def test_a_fixed_poll_interval_is_kept(shop: Shop, slow: Sandbox, time: Time) -> None:
    shop.buy(poll_interval=7)
    assert all(6.3 <= pause <= 7.7 for pause in time.slept)
