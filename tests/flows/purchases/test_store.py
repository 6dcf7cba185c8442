"""How the ledger lies in the task state store: records of this release and of 0.1.0, and who buys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_grok.flows.purchases.key import request_digest
from airflow_provider_grok.flows.purchases.ledger import Attempt, Ledger, PurchaseRecord
from airflow_provider_grok.flows.purchases.store import (
    LedgerStore,
    TaskIdentity,
    UnreadableRecord,
    default_stem,
    record_from_json,
    record_to_json,
)
from airflow_provider_grok.hooks.task import current_task, task_identity
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import StateStore, TaskInstance, paid
from tests.purchase_run import Shop

WHO: dict[str, Any] = {"dag_id": "shop", "run_id": "monday", "task_id": "edit"}
#: Records as release 0.1.0 wrote them into a task state store.
OLD: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("records_0_1_0.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("other", [{"dag_id": "x"}, {"run_id": "x"}, {"task_id": "x"}, {"map_index": 3}])
def test_another_task_instance_has_another_key_unless_reuse_is_always(other: dict[str, Any]) -> None:
    mine, theirs = TaskIdentity(**WHO), TaskIdentity(**{**WHO, **other})
    for reuse, same in (("run", False), ("attempt", False), ("always", True)):
        keys = [task.key("digest", reuse, 0) for task in (mine, theirs)]  # type: ignore[arg-type]
        assert (keys[0] == keys[1]) is same


def test_a_clear_changes_the_key_of_reuse_attempt_only() -> None:
    task = TaskIdentity(**WHO)
    assert task.key("d", "attempt", 0) != task.key("d", "attempt", 1)
    assert task.key("d", "run", 0) == task.key("d", "run", 1)


def test_names_that_run_together_are_told_apart() -> None:
    assert TaskIdentity("a", "bc", "t").key("d", "run", 0) != TaskIdentity("ab", "c", "t").key("d", "run", 0)


def test_what_does_not_change_the_picture_does_not_change_the_digest() -> None:
    body = {"prompt": "x", "n": 1}
    digest = request_digest("/images/edits", body)
    for more in ({"storage_options": {"filename": "a"}}, {"user": "u"}, {"deferred": True}):
        assert request_digest("/images/edits", {**body, **more}) == digest
    assert request_digest("/images/edits", {"n": 1, "prompt": "x"}) == digest
    assert request_digest("/images/edits", {**body, "n": 2}) != digest
    assert request_digest("/images/generations", body) != digest


FULL = PurchaseRecord(
    "0123456789abcd",
    "image",
    "a.jpg",
    generation=1,
    max_tries=2,
    attempts=(Attempt(1.0, "unknown", 4, "ab"), Attempt(2.0, "submitted", 4, "ab", job_id="id-1")),
    passed_over=("file_1",),
    spent=7,
)


@pytest.mark.parametrize(
    "record",
    [
        FULL,
        PurchaseRecord("0123456789abcd", "video", "a.mp4", searching_since=5.0),
        PurchaseRecord("0123456789abcd", "image", "a.jpg", attempts=(Attempt(1.0, "done", 4, ticks=5),), result={}),
    ],
)
def test_a_record_survives_the_store(record: PurchaseRecord) -> None:
    assert record_from_json("grok.purchase", json.loads(json.dumps(record_to_json(record)))) == record


def test_a_record_keeps_the_store_key_and_the_fields_of_the_first_release() -> None:
    kept = StateStore()
    LedgerStore(kept, "purchase").write(Ledger(FULL))
    value = kept.get("grok.purchase")
    assert value["version"] == 2
    assert {name: value[name] for name in OLD["image submitted"]} == {
        "token": "0123456789abcd",
        "generation": 1,
        "phase": "submitted",
        "max_tries": 2,
        "at": 2.0,
        "kind": "image",
        "name": "a.jpg",
        "estimate": 4,
        "spent": 7,
        "job_id": "id-1",
        "result": None,
    }


def test_a_record_holds_no_prompt(shop: Shop) -> None:
    shop.buy(prompt="the secret of the house")
    assert "secret" not in json.dumps(shop.store.values)


@pytest.mark.parametrize("name", OLD)
def test_a_record_of_the_first_release_is_read(name: str) -> None:
    record = record_from_json("grok.purchase", OLD[name])
    assert (record.key, record.name) == (OLD[name]["token"], OLD[name]["name"])
    assert record.attempts[-1].state == name.split()[1].replace("moderated", "failed")
    assert record.may_have_cost == (0 if name == "image failed" else record.spent or OLD[name]["estimate"])


@pytest.mark.parametrize(("name", "charges"), [("image intended", 1), ("image submitted", 1), ("image done", 1)])
def test_a_purchase_of_the_first_release_goes_on_where_it_stood(
    shop: Shop, sandbox: Sandbox, name: str, charges: int
) -> None:
    # The same picture, bought now: its job and file stand in for those of the old record.
    (file_id,) = shop.buy().file_ids
    job_id = sandbox.ledger.charges[0]["id"]
    old = json.loads(json.dumps(OLD[name]))
    old["max_tries"] = 0
    if old["job_id"]:
        old["job_id"] = job_id
    if old["result"]:
        old["result"]["files"][0]["file_id"] = file_id
    shop.store.values = {"grok.purchase": json.dumps(old)}
    assert shop.buy().file_ids == [file_id]
    assert len(paid(sandbox)) == len(sandbox.ledger.charges) == charges


@pytest.mark.parametrize("value", ["text", 5, ["a"], {}, {"phase": "done"}, {**OLD["image done"], "result": "sold"}])
def test_what_is_no_record_cannot_be_read(value: Any) -> None:
    with pytest.raises(UnreadableRecord, match="Nothing was bought"):
        record_from_json("grok.purchase", value)


def test_a_record_whose_state_and_phase_differ_is_damaged() -> None:
    with pytest.raises(UnreadableRecord, match="phase 'done'"):
        record_from_json("grok.purchase", {**record_to_json(FULL), "phase": "done"})


def test_earlier_purchases_lie_beside_the_latest() -> None:
    kept = StateStore()
    store = LedgerStore(kept, "purchase")
    other = PurchaseRecord("ffffffffffffff", "image", "b.jpg", attempts=(Attempt(1.0, "done", 4, ticks=5),))
    store.write(Ledger(FULL, (other,)))
    assert set(kept.values) == {"grok.purchase", "grok.purchase.ffffffffffffff"}
    assert LedgerStore(kept, "purchase").read() == Ledger(FULL, (other,))
    writes = len(kept.history)
    store.write(Ledger(FULL, (other,)))
    assert len(kept.history) == writes + 1


def test_a_buyer_is_read_from_the_tasks_context() -> None:
    context = {"ti": TaskInstance("edit", map_index=2), "task_state_store": StateStore()}
    assert task_identity(context) == TaskIdentity("shop", "monday", "edit", 2, 0)


@pytest.mark.parametrize(("try_number", "max_tries", "left"), [(1, 0, False), (1, 2, True), (3, 2, False)])
def test_whether_airflow_would_try_again_is_known(try_number: int, max_tries: int, left: bool) -> None:
    ti: Any = TaskInstance("edit")
    ti.try_number, ti.max_tries = try_number, max_tries
    identity = task_identity({"ti": ti, "task_state_store": StateStore()})
    assert (identity.try_number, identity.retries_left) == (try_number, left)


def test_outside_a_task_nobody_buys_twice_the_same() -> None:
    first, second = current_task(), current_task()
    assert first.key("d", "run", 0) != second.key("d", "run", 0)


def test_a_stem_is_made_of_what_a_name_may_hold() -> None:
    assert default_stem(TaskIdentity("my dag/ü", "r", "group.task")) == "my-dag-.group.task"
    assert default_stem(TaskIdentity("d" * 200, "r", "t" * 200)) == f"{'d' * 19}.{'t' * 40}"
