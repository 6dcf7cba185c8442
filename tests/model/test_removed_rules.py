"""The model finds what happens without a rule: each is taken out of the real code, and some run soon breaks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from airflow_provider_grok.api import errors
from airflow_provider_grok.flows.purchases import ledger, names, reattach
from airflow_provider_grok.flows.purchases.purchase import Purchase
from airflow_provider_grok.flows.purchases.store import LedgerStore
from tests.model.options import Options
from tests.model.run import play

#: So many runs at the most until a missing rule shows.
MOST = 500


@dataclass(frozen=True)
class Removal:
    """A rule that is taken out.

    :param rule: the rule, in words.
    :param take_out: takes it out of the real code.
    :param found: what the model is to find.
    :param fixed: options that are set in all runs, so that the rule is soon in question.
    """

    rule: str
    take_out: Callable[[pytest.MonkeyPatch], None]
    found: str = "paid twice"
    fixed: dict[str, Any] = field(default_factory=dict)


def _no_look(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ledger, "_found_by_key", lambda seen: None)


def _no_evidence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(errors, "is_refusal", lambda status, body: True)


def _refusal_settles(patch: pytest.MonkeyPatch) -> None:
    def with_last(record: ledger.PurchaseRecord, **changes: Any) -> ledger.PurchaseRecord:
        earlier = record.attempts[:-1]
        if changes.get("state") == "refused":
            earlier = tuple(replace(attempt, state="refused") for attempt in earlier)
        return replace(record, attempts=(*earlier, replace(record.attempts[-1], **changes)))

    patch.setattr(ledger.PurchaseRecord, "with_last", with_last)


def _absent_is_gone(patch: pytest.MonkeyPatch) -> None:
    real = ledger._submitted_job

    def submitted_job(record: ledger.PurchaseRecord, seen: ledger.Seen, rules: ledger.Rules) -> ledger.NextStep | None:
        return None if seen.job == "absent" else real(record, seen, rules)

    patch.setattr(ledger, "_submitted_job", submitted_job)


def _no_recovery_wait(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ledger, "_wait_for_unknown", lambda record, seen, rules: None)


def _cap_forgets_unknowns(patch: pytest.MonkeyPatch) -> None:
    def counted(one: ledger.Ledger) -> int:
        attempts = (attempt for record in one.records for attempt in record.attempts)
        return sum(attempt.ticks or 0 for attempt in attempts)

    patch.setattr(ledger.Ledger, "counted_for_cap", counted)


def _any_account(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ledger, "_of_another_account", lambda record, rules: None)


def _no_intent(patch: pytest.MonkeyPatch) -> None:
    real = LedgerStore.write

    def write(store: LedgerStore, one: ledger.Ledger) -> None:
        if not (one.current and one.current.last and one.current.last.state == "intended"):
            real(store, one)

    patch.setattr(LedgerStore, "write", write)


def _only_the_latest(patch: pytest.MonkeyPatch) -> None:
    def find(one: ledger.Ledger, key: str) -> ledger.PurchaseRecord | None:
        return one.current if one.current and one.current.key == key else None

    patch.setattr(ledger.Ledger, "find", find)
    patch.setattr(reattach.Reattachment, "by_key", _by_job_only)


def _by_job_only(self: Any, record: ledger.PurchaseRecord, keys: Sequence[str]) -> Any:
    yield from ()


def _whole_names(patch: pytest.MonkeyPatch) -> None:
    def bears(name: str, key: str) -> bool:
        return f".{key}." in name

    for module in (names, reattach):
        patch.setattr(module, "bears", bears)


def _cap_ends_for_good(patch: pytest.MonkeyPatch) -> None:
    real = Purchase._check_cost

    def check_cost(purchase: Purchase, estimate: int | None) -> None:
        try:
            real(purchase, estimate)
        except errors.CostLimit as error:
            error.permanent = True
            raise

    patch.setattr(Purchase, "_check_cost", check_cost)


REMOVALS = [
    Removal("no purchase without a look by key", _no_look),
    Removal("only the API's own refusal refuses", _no_evidence),
    Removal(
        "once unknown, always unknown: a later refusal settles nothing",
        _refusal_settles,
        "wrong bill",
        {"storage_error": 0.5, "paid_fault": 0.8, "paid_faults": ("html-502-after", "unreachable")},
    ),
    Removal(
        "a job that is a 404 is polled on until its timeout",
        _absent_is_gone,
        fixed={"job_404": (0.0, 180.0), "list_lag": 100.0, "death": 0.7},
    ),
    Removal("an unknown is sent again only after recovery_wait", _no_recovery_wait),
    Removal("the cap counts unknown outcomes", _cap_forgets_unknowns, "over the cap"),
    Removal("another account's purchase is left alone", _any_account, fixed={"keys": "foreign", "death": 0.5}),
    Removal("the intent is written before the request is sent", _no_intent, fixed={"death": 0.9, "list_lag": 25.0}),
    Removal("all purchases of a task are remembered, not only the last", _only_the_latest),
    Removal("what is looked for is the key, not the name", _whole_names, fixed={"names": "dots", "death": 0.7}),
    Removal("the cap ends no task beside a purchase that is open", _cap_ends_for_good, "ended for good"),
]


@pytest.mark.parametrize("removal", REMOVALS, ids=lambda removal: removal.rule)
def test_a_missing_rule_is_found(removal: Removal, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(MOST):
        with monkeypatch.context() as patch:
            removal.take_out(patch)
            broken = _finds(seed, removal)
        if broken and not _finds(seed, removal):
            print(f"seed {seed}")
            return
    raise AssertionError(f"{MOST} runs without this rule, and in none of them the model found: {removal.found}")


def _finds(seed: int, removal: Removal) -> bool:
    run = play(Options.of(seed, **removal.fixed))
    return any(finding.what == removal.found for finding in run.findings)
