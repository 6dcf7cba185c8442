"""What counts as evidence: no gateway's page, passing 404, lagging list, lost record or changed key pays twice."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from airflow_provider_grok.api import errors
from airflow_provider_grok.flows.purchases.purchase import ForeignAccount, RecoveryPending
from airflow_provider_grok.flows.purchases.store import StoreUnavailable, UnreadableRecord
from airflow_provider_grok.hooks.grok import GrokHook
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import StateStore, Time, asked, names, paid
from tests.purchase_run import Shop

POST = {"method": "POST", "path": "/v1/images/generations"}
FILES = {"method": "GET", "path": "/v1/files"}
JOBS = {"method": "GET", "path": "/v1/images/*"}
PAGE = "<html><body>gateway</body></html>"
HTML = {"content-type": "text/html"}

#: Answers that say nothing about what the API did.
STRANGE: dict[str, dict[str, Any]] = {
    **{
        f"html {status}": {"status": status, "headers": HTML, "body": PAGE} for status in (400, 402, 403, 404, 413, 502)
    },
    "gateway json": {"status": 403, "body": {"message": "Forbidden"}},
    "redirect": {"status": 302, "headers": {"location": "https://login.example.com/"}, "body": ""},
    "json 500": {"status": 500, "body": {"code": "internal-error", "error": "Try again."}},
    "empty object": {"status": 200, "body": {}},
    "empty body": {"status": 200, "body": None},
    "done without data": {"status": 200, "body": {"data": []}},
    "error under 200": {"status": 200, "body": {"code": "internal", "error": "Something went wrong."}},
}
#: The API's own refusals: nothing was made.
REFUSALS: dict[str, dict[str, Any]] = {
    "400": {"status": 400, "body": {"code": "invalid-argument", "error": "Argument not supported: size"}},
    "422": {"status": 422, "headers": {"content-type": "text/plain"}, "body": "Failed to deserialize the JSON body"},
}


@pytest.mark.parametrize("answer", STRANGE.values(), ids=STRANGE)
def test_work_whose_answer_was_replaced_is_found_by_key(shop: Shop, sandbox: Sandbox, answer: dict[str, Any]) -> None:
    sandbox.faults.add({**POST, "action": {**answer, "after": True}})
    bought = shop.buy()
    assert (shop.charges, len(paid(sandbox))) == (1, 1)
    assert [row.filename for row in bought.rows] == names(sandbox)


@pytest.mark.parametrize("answer", STRANGE.values(), ids=STRANGE)
def test_a_replaced_answer_is_looked_for_before_the_request_is_sent_again(
    shop: Shop, sandbox: Sandbox, time: Time, answer: dict[str, Any]
) -> None:
    sandbox.faults.add({**POST, "action": answer})
    shop.buy()
    assert (shop.charges, len(paid(sandbox))) == (1, 2)
    assert sum(time.slept) == pytest.approx(180, abs=1)


def test_a_429_of_a_gateway_is_looked_for_as_long_as_such_a_job_takes_and_is_then_a_refusal(
    shop: Shop, sandbox: Sandbox, time: Time
) -> None:
    sandbox.faults.add({**POST, "action": {"status": 429, "headers": HTML, "body": PAGE}})
    purchase, work = shop.purchase()
    shop.carry(work)
    assert (shop.charges, len(paid(sandbox))) == (1, 2)
    assert sum(time.slept) == pytest.approx(30, abs=1)
    assert purchase.billed()["cost_in_usd_ticks"] >= sandbox.ledger.total_ticks
    assert purchase.ledger.counted_for_cap() == sandbox.ledger.total_ticks


@pytest.mark.parametrize("answer", REFUSALS.values(), ids=REFUSALS)
def test_the_own_refusal_of_the_api_is_final_at_once(
    shop: Shop, sandbox: Sandbox, time: Time, answer: dict[str, Any]
) -> None:
    sandbox.faults.add({**POST, "times": None, "action": answer})
    with pytest.raises(errors.InvalidArgument) as refused:
        shop.buy()
    assert refused.value.permanent
    assert len(paid(sandbox)) == 1
    assert time.slept == []
    assert shop.store.phases[-1] == "failed"


def test_the_own_429_of_the_api_is_waited_out_and_no_new_attempt(shop: Shop, sandbox: Sandbox, time: Time) -> None:
    limit = {"code": "resource-exhausted", "error": "Too many requests for team t."}
    sandbox.faults.add({**POST, "times": 20, "action": {"status": 429, "body": limit}})
    shop.buy()
    assert shop.charges == 1
    assert len(paid(sandbox)) == 21
    assert sum(time.slept) < 20 * 31


def test_a_later_refusal_does_not_settle_an_earlier_unknown(shop: Shop, slow: Sandbox, time: Time) -> None:
    slow.faults.add({**POST, "action": {"drop": "after", "list_lag": 1000}})
    slow.faults.add({**POST, "action": REFUSALS["400"]})
    with pytest.raises(errors.InvalidArgument) as refused:
        shop.buy()
    assert not refused.value.permanent
    slow.clock.advance(1000)
    bought = shop.buy()
    assert [row.filename for row in bought.rows] == names(slow)
    assert shop.charges == 1


@pytest.mark.parametrize("times", [2, 40, None], ids=["two polls", "minutes", "for ever"])
def test_a_submitted_job_that_is_a_404_is_polled_on(shop: Shop, slow: Sandbox, time: Time, times: int | None) -> None:
    slow.faults.add({**JOBS, "times": times, "action": {"status": 404}})
    bought = shop.buy()
    assert (shop.charges, len(paid(slow))) == (1, 1)
    assert [row.filename for row in bought.rows] == names(slow)


def test_a_job_that_stays_a_404_without_a_file_is_bought_again_after_its_timeout_only(
    shop: Shop, slow: Sandbox, time: Time
) -> None:
    slow.faults.add({**JOBS, "times": None, "action": {"status": 404}})
    slow.faults.add({**POST, "action": {"fail": "internal_error"}})
    start = slow.clock.now()
    shop.buy(timeout=600)
    first, second = (one["at"] for one in slow.ledger.charges[-1:] for _ in range(2))
    assert len(paid(slow)) == 2
    assert min(first, second) - start >= 600


def test_three_passing_400s_on_a_poll_end_nothing(shop: Shop, slow: Sandbox, time: Time) -> None:
    slow.faults.add({**JOBS, "times": 3, "action": {"status": 400, "body": {"code": "x", "error": "Not ready."}}})
    assert shop.buy().file_ids
    assert (shop.charges, len(paid(slow))) == (1, 1)


# -- an empty ledger, and lists that mislead -----------------------------------------------------------------------


def test_a_purchase_whose_ledger_was_emptied_is_found_by_its_key(shop: Shop, sandbox: Sandbox) -> None:
    first = shop.buy()
    shop.store.values = {}
    again = shop.buy()
    assert again.file_ids == first.file_ids
    assert again.reused
    assert shop.charges == 1


def test_before_the_first_sending_there_is_one_look_by_key(shop: Shop, sandbox: Sandbox) -> None:
    shop.buy()
    (look,) = asked(sandbox, "GET", "/v1/files")
    assert look["query"]["filter"] == f'name = "{shop.store.get("grok.purchase")["token"]}"'
    assert [one["method"] for one in sandbox.journal].index("POST") > sandbox.journal.index(look)


def test_a_later_try_with_an_empty_ledger_looks_on_while_the_list_lags(shop: Shop, slow: Sandbox, time: Time) -> None:
    slow.faults.add({**POST, "action": {"list_lag": 100}})
    shop.die(2)
    shop.store.values = {}
    shop.buyer["try_number"] = 2
    slow.clock.advance(35)
    assert shop.buy().file_ids
    assert shop.charges == 1


@pytest.mark.parametrize(("cleared_on_success", "charges"), [(True, 2), (False, 1)])
def test_a_cleared_attempt_with_an_empty_ledger_is_bought_anew_only_where_success_empties_it(
    shop: Shop, sandbox: Sandbox, cleared_on_success: bool, charges: int
) -> None:
    shop.buy(reuse="attempt")
    shop.store.values = {}
    shop.buyer |= {"try_number": 2, "cleared_on_success": cleared_on_success}
    shop.max_tries += 1
    shop.buy(reuse="attempt")
    assert shop.charges == charges
    # What was bought anew is found again in its turn.
    shop.buyer["cleared_on_success"] = False
    shop.store.values = {}
    shop.buy(reuse="attempt")
    assert shop.charges == charges


def test_a_list_that_is_empty_now_and_then_leads_to_no_second_purchase(shop: Shop, slow: Sandbox, time: Time) -> None:
    slow.faults.add({**POST, "action": {"drop": "after"}})
    slow.faults.add({**FILES, "skip": 3, "times": 4, "action": {"status": 200, "body": {"data": []}}})
    shop.buy()
    assert (shop.charges, len(paid(slow))) == (1, 1)


def test_a_cleared_task_that_is_to_buy_anew_does_not_look_for_what_nobody_sent(
    shop: Shop, sandbox: Sandbox, time: Time
) -> None:
    shop.buy(reuse="attempt")
    shop.buyer["try_number"] = 2
    shop.max_tries += 1
    shop.buy(reuse="attempt")
    assert shop.charges == 2
    assert sum(time.slept) < 10


# -- other requests, other keys, other clocks ----------------------------------------------------------------------


def test_going_back_to_an_earlier_request_buys_nothing(shop: Shop, sandbox: Sandbox) -> None:
    first = shop.buy(prompt="A")
    shop.buy(prompt="B")
    again = shop.buy(prompt="A")
    assert again.file_ids == first.file_ids
    assert shop.charges == 2


def test_what_other_requests_of_the_task_cost_stands_in_its_ledger(shop: Shop, sandbox: Sandbox) -> None:
    for prompt in ("A", "B", "A"):
        purchase, work = shop.purchase(prompt=prompt)
        shop.carry(work)
    assert purchase.billed() == {
        "cost_in_usd_ticks": sandbox.ledger.total_ticks,
        "cost_usd": 0.08,
        "estimated": False,
        "moderation_ticks": 0,
    }


def test_an_earlier_record_that_the_store_lost_is_found_by_key_and_its_cost_still_counts(
    shop: Shop, sandbox: Sandbox
) -> None:
    shop.buy(prompt="A")
    shop.buy(prompt="B")
    (apart,) = (key for key in shop.store.values if key != "grok.purchase")
    del shop.store.values[apart]
    purchase, work = shop.purchase(prompt="A")
    shop.carry(work)
    assert shop.charges == 2
    assert purchase.billed()["cost_in_usd_ticks"] >= sandbox.ledger.total_ticks


@pytest.mark.parametrize("reuse", ["run", "always"])
@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_an_hour_off_makes_no_difference(
    shop: Shop, slow: Sandbox, time: Time, monkeypatch: pytest.MonkeyPatch, reuse: str, hours: int
) -> None:
    true = time.now
    monkeypatch.setattr(type(time), "now", lambda self: true() + hours * 3600)
    slow.faults.add({**POST, "action": {"drop": "after"}})
    shop.buy(reuse=reuse, expires_after=7200)
    assert (shop.charges, len(paid(slow))) == (1, 1)


def test_a_clock_that_is_behind_the_one_before_it_waits_no_longer(shop: Shop, slow: Sandbox, time: Time) -> None:
    shop.die(1)
    record = shop.store.get("grok.purchase")
    shop.store.set("grok.purchase", {**record, "at": record["at"] + 3600})
    shop.buy()
    assert shop.charges == 1
    assert sum(time.slept) < 300


@pytest.mark.parametrize(
    "renamed",
    [str.upper, lambda name: name.replace(".", "_"), lambda name: f"{name} (1)", lambda name: f"é{name}", str.strip],
    ids=["case", "dots", "(1)", "unicode", "trimmed"],
)
def test_a_name_that_the_server_altered_is_found(shop: Shop, sandbox: Sandbox, renamed: Any) -> None:
    sandbox.faults.add({**POST, "action": {"drop": "after"}})
    shop.die(2)
    (name,) = [file.filename for file in GrokHook().list_files()]
    sandbox.backend.store.change("UPDATE files SET filename = ?", renamed(name))
    assert shop.buy().file_ids
    assert shop.charges == 1


def rotate(shop: Shop, to: str) -> None:
    """The record was written with another API key than the connection has now."""
    record = shop.store.get("grok.purchase")
    shop.store.set("grok.purchase", {**record, "account": to})


def test_the_new_key_of_the_same_team_finds_the_picture_once_it_is_stored(
    shop: Shop, slow: Sandbox, time: Time
) -> None:
    shop.die(2)
    rotate(shop, "0badc0de")
    slow.faults.add({**JOBS, "times": None, "action": {"status": 404}})
    assert shop.buy().file_ids
    assert shop.charges == 1


def test_with_a_key_of_another_team_nothing_is_bought_or_overwritten(shop: Shop, slow: Sandbox, time: Time) -> None:
    shop.die(2)
    rotate(shop, "0badc0de")
    before = dict(shop.store.values)
    slow.faults.add({**JOBS, "times": None, "action": {"status": 404}})
    slow.faults.add({**FILES, "times": None, "action": {"status": 200, "body": {"data": []}}})
    with pytest.raises(ForeignAccount, match="another API key"):
        shop.buy()
    assert len(paid(slow)) == 1
    assert shop.store.values == before


# -- the state store ---------------------------------------------------------------------------------------------------


class BrokenStore(StateStore):
    """A store that takes nothing from its n-th write on, for a number of writes."""

    def __init__(self, first: int, times: int) -> None:
        super().__init__()
        self.count, self.broken = 0, range(first, first + times)

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        self.count += 1
        if self.count in self.broken:
            raise ConnectionError("the API server is away")
        super().set(key, value, retention=retention)


@pytest.mark.parametrize("times", [1, 3, 5])
def test_a_store_that_is_away_after_paying_does_not_end_the_task(
    shop: Shop, sandbox: Sandbox, time: Time, times: int
) -> None:
    shop.store = BrokenStore(2, times)
    bought = shop.buy()
    assert bought.file_ids
    assert shop.charges == 1
    assert shop.store.phases[-1] == "done"
    assert shop.buy().file_ids == bought.file_ids
    assert shop.charges == 1


def test_a_store_that_takes_no_intent_ends_the_try_before_anything_is_sent(shop: Shop, sandbox: Sandbox) -> None:
    shop.store = BrokenStore(1, 1)
    with pytest.raises(StoreUnavailable) as away:
        shop.buy()
    assert not away.value.permanent
    assert not paid(sandbox)


@pytest.mark.parametrize(
    "damage",
    [
        "text",
        ["list"],
        {"version": 3, "token": "0123456789abcd"},
        {"version": True},
        {"phase": "done"},
        {"token": 5, "phase": "intended"},
        {"token": "0123456789abcd", "phase": "sold"},
    ],
    ids=str,
)
def test_a_record_that_cannot_be_read_stops_the_task_in_words(shop: Shop, sandbox: Sandbox, damage: Any) -> None:
    shop.store.set("grok.purchase", damage)
    with pytest.raises(UnreadableRecord, match="Nothing was bought") as stopped:
        shop.buy()
    assert stopped.value.permanent
    assert not sandbox.journal
    assert shop.store.get("grok.purchase") == damage


def test_fields_that_a_record_has_besides_are_ignored(shop: Shop, sandbox: Sandbox) -> None:
    shop.die(3)
    shop.store.set("grok.purchase", {**shop.store.get("grok.purchase"), "colour": "red"})
    shop.buy()
    assert shop.charges == 1


# -- waiting for a lost response costs no worker -----------------------------------------------------------------------


def test_a_worker_looks_a_minute_where_another_try_will_go_on(shop: Shop, slow: Sandbox, time: Time) -> None:
    shop.buyer["retries_left"] = True
    slow.faults.add({**POST, "times": None, "action": {"drop": "before"}})
    with pytest.raises(RecoveryPending) as pending:
        shop.buy()
    assert not pending.value.permanent
    assert 55 <= sum(time.slept) <= 70
    assert len(paid(slow)) == 1
    slow.faults.clear()
    slow.clock.advance(300)
    shop.buy()
    assert shop.charges == 1


# -- side by side ------------------------------------------------------------------------------------------------------


def test_equal_purchases_side_by_side_in_one_process_are_one(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, shop: Shop
) -> None:
    from airflow_provider_grok.api import images
    from airflow_provider_grok.flows.purchases.store import TaskIdentity
    from airflow_provider_grok.hooks import task

    monkeypatch.setattr(task, "current_task", lambda: TaskIdentity(**shop.buyer, store=shop.store))
    call = images.generate(images.generation_body(prompt="a red bicycle", model="grok-imagine-image-2.0"))
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.extend(GrokHook().buy(call).file_ids)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), len(set(found)), shop.charges) == (4, 1, 1)


# -- the cap -----------------------------------------------------------------------------------------------------------


def test_lost_answers_never_lead_over_the_cap(shop: Shop, sandbox: Sandbox, time: Time) -> None:
    action = {"drop": "after", "storage_error": True}
    sandbox.faults.add({**POST, "times": None, "action": action})
    for _ in range(10):
        with pytest.raises(errors.GrokError) as refused:
            shop.buy(max_cost_usd=0.10)
        assert not refused.value.permanent
    assert sandbox.ledger.total_ticks <= 1_000_000_000
    assert isinstance(refused.value, errors.CostLimit)
    assert "max_cost_usd=0.1200 would let it buy" in str(refused.value)


def test_a_task_killed_before_it_sent_anything_buys_under_a_cap_that_fits_one(
    shop: Shop, sandbox: Sandbox, time: Time
) -> None:
    shop.die(1)
    assert shop.buy(max_cost_usd=0.05).file_ids
    assert shop.charges == 1


def test_a_price_list_that_says_nothing_lifts_no_cap(shop: Shop, sandbox: Sandbox) -> None:
    free = {"id": "grok-imagine-image-2.0", "image_price": 0, "pricing": [], "aliases": []}
    path = "/v1/image-generation-models"
    sandbox.faults.add({"method": "GET", "path": path, "action": {"status": 200, "body": {"models": [free]}}})
    with pytest.raises(errors.CostLimit):
        shop.buy(max_cost_usd=0.03)
    assert not paid(sandbox)


@pytest.mark.parametrize("cap", [0, -1, "free", float("nan")])
def test_a_cap_that_is_none_is_refused_in_words(shop: Shop, sandbox: Sandbox, cap: Any) -> None:
    with pytest.raises(errors.InvalidRequest, match="max_cost_usd"):
        shop.buy(max_cost_usd=cap)
    assert not sandbox.journal
