"""What an earlier try left is found again: jobs, files, finished purchases, equal requests elsewhere."""

from __future__ import annotations

import pytest

from airflow_provider_grok.api import errors
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import asked, names, paid
from tests.purchase_run import Shop

POST = {"method": "POST", "path": "/v1/images/generations"}


def delete(sandbox: Sandbox, file_id: str) -> None:
    sandbox.backend.store.change("UPDATE files SET deleted = 1 WHERE id = ?", file_id)


def forget_the_job(shop: Shop) -> None:
    """Leave a record of a submitted job that the server does not know."""
    shop.die(3, torn=True)
    key = next(iter(shop.store.values))
    shop.store.set(key, {**shop.store.get(key), "job_id": "00000000-gone"})


def test_a_job_that_the_server_forgot_is_known_by_its_file(
    shop: Shop, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    forget_the_job(shop)
    bought = shop.buy()
    assert (shop.charges, len(paid(sandbox))) == (1, 1)
    assert [row.filename for row in bought.rows] == names(sandbox)


def test_a_job_that_the_server_forgot_without_a_file_is_bought_again_with_a_warning(
    shop: Shop, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    forget_the_job(shop)
    sandbox.backend.store.change("UPDATE files SET deleted = 1")
    shop.buy()
    assert shop.charges == 2
    assert "00000000-gone is unknown to the server" in caplog.text
    assert "may have been billed" in caplog.text


def test_an_earlier_job_that_failed_inside_is_bought_again(shop: Shop, sandbox: Sandbox) -> None:
    sandbox.faults.add({**POST, "action": {"fail": "internal_error"}})
    shop.die(3, torn=True)
    assert shop.buy().file_ids
    assert (shop.charges, len(paid(sandbox))) == (1, 2)


@pytest.mark.parametrize("action", [{"moderate": True}, {"moderate": "placeholder"}, {"fail": "invalid_argument"}])
def test_an_earlier_job_that_would_only_be_refused_again_is_not_bought_again(
    shop: Shop, sandbox: Sandbox, action: dict[str, object]
) -> None:
    sandbox.faults.add({**POST, "action": action})
    shop.die(3, torn=True)
    bought = shop.buy()
    assert isinstance(bought.failure, errors.JobFailed)
    assert bought.failure.permanent
    assert len(paid(sandbox)) == 1
    assert bought.ticks == sandbox.ledger.total_ticks


@pytest.mark.parametrize("action", [{"moderate": True}, {"moderate": "placeholder"}])
def test_what_was_refused_and_billed_is_not_asked_again_by_a_retry_but_by_a_clear(
    shop: Shop, sandbox: Sandbox, action: dict[str, object]
) -> None:
    sandbox.faults.add({**POST, "action": action})
    for _ in range(3):
        bought = shop.buy(max_cost_usd=0.08)
        assert isinstance(bought.failure, errors.JobModerated)
        assert bought.ticks == sandbox.ledger.total_ticks
    assert shop.charges == 1
    shop.max_tries += 1
    assert shop.buy(max_cost_usd=0.08).file_ids
    assert shop.charges == 2


def test_a_failed_purchase_is_bought_anew_by_the_next_try(shop: Shop, sandbox: Sandbox) -> None:
    sandbox.faults.add({**POST, "action": {"fail": "service_unavailable"}})
    assert isinstance(shop.buy().failure, errors.JobFailed)
    assert shop.store.phases[-1] == "failed"
    assert shop.buy().file_ids


def test_a_finished_purchase_is_read_from_its_record_without_a_paid_request(shop: Shop, sandbox: Sandbox) -> None:
    first = shop.buy()
    before = len(sandbox.journal)
    again = shop.buy()
    assert again.file_ids == first.file_ids
    assert again.reused
    assert [one["method"] for one in sandbox.journal[before:]] == ["GET"]


def test_a_finished_purchase_whose_file_was_deleted_is_bought_anew(
    shop: Shop, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    (file_id,) = shop.buy().file_ids
    delete(sandbox, file_id)
    (anew,) = shop.buy().file_ids
    assert anew != file_id
    assert shop.charges == 2
    assert f"{file_id} of the finished purchase is gone" in caplog.text


def test_a_finished_purchase_whose_file_has_expired_is_bought_anew(shop: Shop, sandbox: Sandbox) -> None:
    shop.buy(expires_after=3600)
    sandbox.clock.advance(3601)
    shop.buy(expires_after=3600)
    assert shop.charges == 2


@pytest.mark.parametrize(("reuse", "charges"), [("run", 1), ("always", 1), ("attempt", 2)])
def test_only_reuse_attempt_buys_anew_when_the_finished_task_was_cleared(
    shop: Shop, reuse: str, charges: int, caplog: pytest.LogCaptureFixture
) -> None:
    shop.buy(reuse=reuse)
    shop.max_tries += 2
    shop.buy(reuse=reuse)
    assert shop.charges == charges
    assert ("was cleared" if charges == 2 else "To buy anew, ") in caplog.text


@pytest.mark.parametrize("reuse", ["run", "attempt", "always"])
def test_a_retry_of_a_finished_purchase_costs_nothing(shop: Shop, reuse: str) -> None:
    shop.buy(reuse=reuse)
    shop.buy(reuse=reuse)
    assert shop.charges == 1


def test_clearing_a_task_that_had_not_finished_goes_back_to_its_job(shop: Shop) -> None:
    shop.die(3, torn=True, reuse="attempt")
    shop.max_tries += 1
    shop.buy(reuse="attempt")
    assert shop.charges == 1


def test_an_attempt_that_dies_after_a_clear_is_taken_up_and_not_bought_a_third_time(shop: Shop) -> None:
    shop.buy(reuse="attempt")
    shop.max_tries += 1
    shop.die(2, torn=True, reuse="attempt")
    shop.buy(reuse="attempt")
    shop.buy(reuse="attempt")
    assert shop.charges == 2


def test_a_changed_prompt_is_a_new_purchase_and_the_log_says_so(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    shop.buy()
    shop.buy(prompt="a blue bicycle")
    assert shop.charges == 2
    assert "differs from the one of the earlier try" in caplog.text


def test_another_life_of_the_file_is_no_new_purchase(shop: Shop) -> None:
    shop.buy(expires_after=7200)
    shop.buy(expires_after=86400)
    assert shop.charges == 1


@pytest.mark.parametrize(("reuse", "charges"), [("run", 2), ("attempt", 2), ("always", 1)])
def test_the_next_run_pays_again_unless_reuse_is_always(shop: Shop, reuse: str, charges: int) -> None:
    shop.buy(reuse=reuse)
    shop.buyer["run_id"], shop.store.values = "tuesday", {}
    shop.buy(reuse=reuse)
    assert shop.charges == charges


def test_reuse_always_takes_a_file_with_half_of_its_life_left_and_no_older_one(shop: Shop, sandbox: Sandbox) -> None:
    def next_night(hours: float) -> int:
        sandbox.clock.advance(hours * 3600)
        shop.store.values = {}
        shop.buy(reuse="always", expires_after=24 * 3600)
        return shop.charges

    assert [next_night(0), next_night(11), next_night(2)] == [1, 1, 2]


def test_reuse_always_finds_an_equal_request_of_another_dag(shop: Shop) -> None:
    shop.buy(reuse="always")
    shop.buyer, shop.store.values = {"dag_id": "other", "run_id": "x", "task_id": "paint"}, {}
    assert shop.buy(reuse="always").reused
    assert shop.charges == 1


def test_reuse_always_asks_for_the_whole_name_first_which_any_kind_of_search_finds(
    shop: Shop, sandbox: Sandbox
) -> None:
    shop.buy(reuse="always")
    shop.buyer["run_id"], shop.store.values = "tuesday", {}
    (name,), before = names(sandbox), len(asked(sandbox, "GET", "/v1/files"))
    assert shop.buy(reuse="always").reused
    # The second page is empty: a short page need not be the last.
    assert {one["query"]["filter"] for one in asked(sandbox, "GET", "/v1/files")[before:]} == {f'name = "{name}"'}


def test_a_lost_answer_of_a_purchase_for_always_is_not_mistaken_for_an_older_file(shop: Shop, slow: Sandbox) -> None:
    (old,) = shop.buy(reuse="always", expires_after=7200).file_ids
    slow.clock.advance(5000)
    shop.store.values = {}
    slow.faults.add({**POST, "action": {"drop": "after"}})
    (new,) = shop.buy(reuse="always", expires_after=7200).file_ids
    assert new != old
    assert shop.charges == 2
