"""The decision by itself: every row of the table at the head of `ledger.py`, and the sums over a ledger."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_grok.api.files import File
from airflow_provider_grok.flows.purchases import ledger
from airflow_provider_grok.flows.purchases.ledger import Attempt, Ledger, PurchaseRecord, Rules, Seen, decide

RULES = Rules(recovery_wait=180, timeout=900, patience=float("inf"), account="ours", shortest_look=30)
FRESH = PurchaseRecord("0123456789abcd", "image", "a.jpg")
RESULT = {"files": [{"file_id": "file_1"}]}
FOUND = (File(id="file_1"),)


def record(state: Any, at: float = 0.0, **fields: Any) -> PurchaseRecord:
    job_id = "job" if state in ("submitted", "done", "failed") else None
    attempt = Attempt(at, state, 100, **{"account": "ours", "job_id": job_id, **fields})
    return replace(FRESH, attempts=(attempt,))


DONE = replace(record("done"), result=RESULT)
LOOKED: dict[str, Any] = {"looked": True, "began": 0.0}


@pytest.mark.parametrize(
    ("before", "seen", "step"),
    [
        (DONE, {}, ledger.CheckFiles()),
        (DONE, {"files": "alive"}, ledger.UseResult()),
        (DONE, {"files": "missing", "missing_since": 0.0, "now": 59.0}, ledger.Wait(60.0)),
        (DONE, {"files": "missing", "missing_since": 0.0, "now": 61.0}, ledger.LookByKey()),
        (record("submitted"), {}, ledger.PollJob()),
        (record("submitted"), {"job": "running"}, ledger.Follow()),
        (record("submitted"), {"job": "absent", "now": 899.0}, ledger.Follow()),
        (record("submitted"), {"job": "absent", "now": 901.0}, ledger.LookByKey()),
        (record("submitted"), {"job": "absent", "now": 901.0, "looked": True, "began": 900.0}, ledger.Wait(930.0)),
        (record("submitted"), {"job": "absent", "now": 931.0, "looked": True, "began": 900.0}, ledger.Buy()),
        (record("failed"), {}, ledger.PollJob()),
        (record("failed"), {"job": "again", **LOOKED}, ledger.Buy()),
        (FRESH, {}, ledger.LookByKey()),
        (FRESH, LOOKED, ledger.Buy()),
        (FRESH, {**LOOKED, "found": FOUND}, ledger.Adopt(FOUND)),
        (record("intended"), {**LOOKED, "found": FOUND}, ledger.Adopt(FOUND)),
        (record("intended"), {**LOOKED, "now": 179.0}, ledger.Wait(180.0)),
        (record("intended"), {**LOOKED, "now": 181.0}, ledger.Buy()),
        (record("unknown"), {**LOOKED, "now": 179.0}, ledger.Wait(180.0)),
        (record("refused"), LOOKED, ledger.Buy()),
    ],
)
def test_each_row_of_the_table(before: PurchaseRecord, seen: dict[str, Any], step: ledger.NextStep) -> None:
    assert decide(before, Seen(**{"now": 1.0, **seen}), RULES) == step


def test_a_later_try_with_an_empty_ledger_looks_for_all_of_the_recovery_wait() -> None:
    rules = replace(RULES, later_try=True)
    assert decide(FRESH, Seen(now=179.0, **LOOKED), rules) == ledger.Wait(180.0)
    assert decide(FRESH, Seen(now=181.0, **LOOKED), rules) == ledger.Buy()
    begun = replace(FRESH, searching_since=-100.0)
    assert decide(begun, Seen(now=81.0, **LOOKED), rules) == ledger.Buy()


def test_what_is_beyond_the_patience_of_a_try_is_left_to_another() -> None:
    rules = replace(RULES, patience=60)
    assert decide(record("unknown"), Seen(now=59.0, **LOOKED), rules) == ledger.Wait(180.0)
    assert decide(record("unknown"), Seen(now=61.0, **LOOKED), rules) == ledger.Leave(180.0)


def test_a_clock_that_is_ahead_of_the_record_still_looks_for_a_while() -> None:
    seen = Seen(now=3605.0, looked=True, began=3600.0)
    assert decide(record("unknown"), seen, RULES) == ledger.Wait(3630.0)


def test_a_clock_that_is_behind_the_record_waits_no_longer() -> None:
    assert decide(record("unknown", at=3600.0), Seen(now=179.0, **LOOKED), RULES) == ledger.Wait(180.0)


@pytest.mark.parametrize("state", ["intended", "unknown", "submitted", "done"])
def test_with_another_account_nothing_is_bought(state: Any) -> None:
    foreign = (
        record(state, account="theirs") if state != "done" else replace(DONE, attempts=(Attempt(0, "done", 1, "x"),))
    )
    seen = Seen(now=5000.0, looked=True, began=0.0, job="absent", files="missing", missing_since=0.0)
    assert isinstance(decide(foreign, seen, RULES), ledger.Stop)
    assert isinstance(decide(foreign, replace(seen, same_team=True), RULES), ledger.Buy)


def test_a_refusal_of_another_account_binds_nobody() -> None:
    refused = record("refused", account="theirs")
    assert decide(refused, Seen(now=1.0, **LOOKED), RULES) == ledger.Buy()


@pytest.mark.parametrize(
    ("attempt", "cost", "estimated"),
    [
        (Attempt(0, "intended", 100), 100, True),
        (Attempt(0, "unknown", 100), 100, True),
        (Attempt(0, "submitted", 100), 100, True),
        (Attempt(0, "done", 100, ticks=90), 90, False),
        (Attempt(0, "done", 100), 100, True),
        (Attempt(0, "refused", 100), 0, False),
        (Attempt(0, "failed", 100, billed=False), 0, False),
        (Attempt(0, "failed", 100, ticks=90, billed=True), 90, False),
        (Attempt(0, "failed", 100), 100, True),
        (Attempt(0, "unknown", None), 0, True),
    ],
)
def test_what_an_attempt_may_have_cost(attempt: Attempt, cost: int, estimated: bool) -> None:
    told = Ledger(replace(FRESH, attempts=(attempt,))).billed()
    assert (told["cost_in_usd_ticks"], told["estimated"]) == (cost, estimated)


def test_a_ledger_sums_over_all_purchases_of_the_task() -> None:
    moderated = Attempt(0, "failed", 5, ticks=5, billed=True, moderated=True)
    other = replace(FRESH, key="f" * 14, spent=3, attempts=(moderated, Attempt(0, "done", 7, ticks=7)))
    whole = Ledger(record("unknown"), (other,))
    assert whole.billed() == {
        "cost_in_usd_ticks": 115,
        "cost_usd": 115 / 1e10,
        "estimated": True,
        "moderation_ticks": 5,
    }
    assert whole.counted_for_cap() == 115


def test_an_attempt_that_left_no_trace_counts_for_the_bill_and_not_for_the_cap() -> None:
    searched = Ledger(record("intended").after_search())
    assert (searched.billed()["cost_in_usd_ticks"], searched.counted_for_cap()) == (100, 0)
    unknown = Ledger(record("unknown").after_search())
    assert (unknown.billed()["cost_in_usd_ticks"], unknown.counted_for_cap()) == (100, 100)
