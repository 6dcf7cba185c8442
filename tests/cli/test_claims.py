"""What records claim: nothing paid for that a task has, or would take, is ever called an orphan."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_grok.api.batches import Batch, State
from airflow_provider_grok.api.files import File
from airflow_provider_grok.flows.purchases import orphans
from airflow_provider_grok.flows.purchases.claims import Claims, Owner, claims_of
from airflow_provider_grok.flows.purchases.ledger import Attempt, Ledger, PurchaseRecord
from airflow_provider_grok.flows.purchases.store import InMemoryStateStore, LedgerStore, record_to_json

KEY, EARLIER, ROW = "0123456789abcd", "fedcba98765432", "aaaaaaaaaaaaaa"
OWNER = Owner("shop.picture of run 1", "airflow tasks clear shop")


def names_left(claims: Claims, *names: str) -> list[str]:
    """The names of files that are called orphans."""
    listed = orphans.Everything([], [File(id=f"file_{name}", filename=name) for name in names], 1e9)
    return [one.name for one in orphans.survey(listed, claims).found if not one.task]


def done(key: str, *ids: str) -> PurchaseRecord:
    files = [{"file_id": one} for one in ids]
    return PurchaseRecord(key, "image", f"shop.{key}.jpg", attempts=(Attempt(1.0, "done", 7),), result={"files": files})


def of(*records: PurchaseRecord) -> Claims:
    return claims_of([(OWNER, record_to_json(record)) for record in records])


OPEN = [
    (Attempt(1.0, "intended", 7),),
    (Attempt(1.0, "unknown", 7),),
    (Attempt(1.0, "submitted", 7, job_id="job"),),
    (Attempt(1.0, "unknown", 7), Attempt(2.0, "refused", 7)),
    (Attempt(1.0, "unknown", 7), Attempt(2.0, "failed", 7, billed=False)),
]


@pytest.mark.parametrize("attempts", OPEN)
def test_a_picture_of_an_unfinished_purchase_is_left_to_its_task(attempts: tuple[Attempt, ...]) -> None:
    claims = of(PurchaseRecord(KEY, "image", "shop", attempts=attempts))
    name = f"shop.picture.{KEY}.jpg"
    assert names_left(claims, name, name.upper(), f"SHOP_{KEY}_JPG") == []
    listed = orphans.Everything([], [File(id="file_1", filename=name.upper())], 1e9)
    (one,) = orphans.survey(listed, claims).found
    assert (one.task or "").startswith("shop.picture of run 1 (")
    assert one.clear == OWNER.clear


@pytest.mark.parametrize("attempts", OPEN)
def test_a_purchase_under_way_is_listed_while_nothing_bears_its_key(attempts: tuple[Attempt, ...]) -> None:
    claims = of(PurchaseRecord(KEY, "image", "shop.picture", attempts=attempts))
    nothing = orphans.Everything([], [], 1e9)
    (one,) = orphans.survey(nothing, claims).without_file
    assert (one.kind, one.name, one.ticks, one.clear) == ("purchase", "shop.picture", 7, OWNER.clear)
    listed = orphans.Everything([], [File(id="file_1", filename=f"x.{KEY}.jpg")], 1e9)
    assert orphans.survey(listed, claims).without_file == []


def test_what_came_to_nothing_is_not_under_way() -> None:
    refused = PurchaseRecord(KEY, "image", "shop", attempts=(Attempt(1.0, "refused", 7),))
    searched = PurchaseRecord(EARLIER, "image", "shop", attempts=(Attempt(1.0, "intended", 7, searched=True),))
    assert orphans.survey(orphans.Everything([], [], 1e9), of(refused, searched)).without_file == []


def test_results_of_all_purchases_of_a_task_are_claimed_also_those_beside_the_latest() -> None:
    store = InMemoryStateStore()
    ledger = LedgerStore(store, "make")
    latest = done(KEY, f"file_new.{KEY}.jpg")
    ledger.write(Ledger(latest, (done(EARLIER, f"file_old.{EARLIER}.jpg"),)))
    assert sorted(store) == ["grok.make", f"grok.make.{EARLIER}"]
    claims = claims_of([(OWNER, json.loads(json.dumps(value))) for value in store.values()])
    assert names_left(claims, f"new.{KEY}.jpg", f"old.{EARLIER}.jpg") == []


def test_an_earlier_purchase_whose_own_record_is_lost_is_claimed_by_its_key() -> None:
    value = record_to_json(done(KEY, "file_1")) | {"keys": {EARLIER: 7}}
    assert names_left(claims_of([(OWNER, value)]), f"old.{EARLIER}.jpg") == []


def test_what_was_passed_over_is_claimed_and_a_second_result_is_told_as_such() -> None:
    record = record_to_json(done(KEY, "file_1")) | {"passed_over": [f"file_short.{KEY}.jpg"]}
    claims = claims_of([(OWNER, record)])
    assert names_left(claims, f"short.{KEY}.jpg") == []
    listed = orphans.Everything([], [File(id="file_2", filename=f"twice.{KEY}.jpg")], 1e9)
    (one,) = orphans.survey(listed, claims).found
    assert "second result of shop.picture" in one.note


@pytest.mark.parametrize("change", [{"version": 3}, {"phase": "?"}, {"result": 3}, {"state": None}, {"earlier": [3]}])
def test_a_record_that_cannot_be_read_keeps_what_it_names(change: dict[str, Any]) -> None:
    value = record_to_json(done(KEY, f"file_a.{KEY}.jpg")) | {"of_the_future": [f"x.{ROW}.jpg"]} | change
    claims = claims_of([(OWNER, value)])
    assert names_left(claims, f"a.{KEY}.jpg", f"b.{KEY}.jpg", f"c.{ROW}.jpg") == []


@pytest.mark.parametrize(
    "record",
    [
        {"token": KEY, "kind": "batch", "phase": "done", "job_id": "batch_1"},
        {"token": KEY, "kind": "batch", "phase": "done", "version": 2, "parts": [{"batch_id": "batch_1"}]},
        {"token": KEY, "kind": "batch", "phase": "submitted", "version": 2, "parts": [{"batch_id": "batch_1"}]},
        {"token": KEY, "kind": "batch", "phase": "done", "version": 9, "shape": [[["batch_1"]]]},
        {"new_word_for_token": KEY, "batches": {"batch_1": 3}},
        [f"shop.{KEY}.row.jpg", "batch_1"],
    ],
)
def test_batches_of_any_form_claim_their_ids_and_all_results_that_bear_their_key(record: Any) -> None:
    claims = claims_of([(OWNER, record)])
    batch = Batch(batch_id="batch_1", name="altered by the server", state=State(num_requests=1))
    named = batch.model_copy(update={"name": f"shop.rows-0123456789-abcdef.{KEY}"})
    result = File(id="file_1", filename=f"shop.{KEY}.deadbeef123456.jpg")
    for listed in (batch, named):
        found = orphans.survey(orphans.Everything([listed], [result], 1e9), claims).found
        assert [one.name for one in found if not one.task] == []


@pytest.mark.parametrize("id", ["batch_1", "file_manifest"])
def test_a_batch_that_only_a_receipt_names_keeps_its_results(id: str) -> None:
    claims = claims_of([], [{"request_id": id, "counts": {"kept": 1}}])
    batch = Batch(batch_id="batch_1", name=f"shop.batch.{KEY}")
    files = [
        File(id="file_manifest", filename=f"shop.batch.manifest.{KEY}.jsonl"),
        File(id="file_1", filename=f"shop.batch.{KEY}.row.jpg"),
    ]
    found = orphans.survey(orphans.Everything([batch], files, 1e9), claims).found
    assert "file_1" not in {one.id for one in found}


def test_names_of_others_with_a_time_of_day_or_a_digest_bear_no_key() -> None:
    names = ("report.20261125141912.csv", "IMG_0a1b2c3d4e5f67.jpg", "hero.0123456789ab.png", "x.0123456789abcdef.png")
    assert set(names_left(Claims(), *names, f"shop.{KEY}.jpg", f"shop.{KEY.upper()}")) == {
        f"shop.{KEY}.jpg",
        f"shop.{KEY.upper()}",
    }
