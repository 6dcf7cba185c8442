"""Records of 0.1.0 are gone on with, newer and damaged ones stop the task; bad input is told at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airflow_provider_grok.operators.batches import generate_image
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import TaskRun, Time, asked
from tests.batch_run import Settle, ask, persisting, rows_of, submission
from tests.flows.batches.test_changed_lists import charged, rows
from tests.proxy import Proxy

#: What release 0.1.0 wrote for a batch of three rows, at each of its writes, and for persisting one.
FIRST_RELEASE: dict[str, Any] = json.loads(Path(__file__).with_name("first_release_records.json").read_text())


@pytest.fixture(autouse=True)
def quick(settle: Settle, time: Time) -> None:
    """Batches are done at once, and time is virtual."""


def begun(sandbox: Sandbox, which: str, present: int, **arguments: Any) -> tuple[TaskRun, str]:
    """A task that 0.1.0 began: its record, and its batch with the first so many rows under plain ids."""
    record = json.loads(json.dumps(FIRST_RELEASE[which]["grok.batch"]))
    batch: str = ask(sandbox, "POST", "/batches", json={"name": record["name"]})["batch_id"]
    if present:
        ask(sandbox, "POST", f"/batches/{batch}/requests", json={"batch_requests": rows(present)})
    run = submission(rows(3), **arguments)
    if record["job_id"]:
        record["job_id"] = batch
    record["at"] = sandbox.clock.now()
    run.store.values["grok.batch"] = json.dumps(record)
    return run, batch


@pytest.mark.parametrize(
    ("which", "present"), [("batch write 1", 0), ("batch write 2", 0), ("batch write 2", 2), ("batch write 3", 3)]
)
def test_a_batch_that_0_1_0_began_keeps_plain_ids_to_its_end(sandbox: Sandbox, which: str, present: int) -> None:
    run, batch = begun(sandbox, which, present)
    assert run.execute() == batch
    assert run.receipt["counts"] == {"requests": 3, "added": 3 - present}
    assert sorted(charge["id"] for charge in sandbox.ledger.charges) == ["row-0", "row-1", "row-2"]
    kept = persisting(batch)
    assert len(kept.execute()) == 3
    assert [row["batch_request_id"] for row in rows_of(sandbox, kept)] == ["row-0", "row-1", "row-2"]
    assert run.execute() == batch


def test_a_batch_of_0_1_0_is_found_by_its_old_key_where_the_record_is_gone(sandbox: Sandbox) -> None:
    run, batch = begun(sandbox, "batch write 2", 2)
    run.store.values.clear()
    assert run.execute() == batch
    assert len(sandbox.ledger.charges) == 3


@pytest.mark.parametrize(("which", "reuse"), [("batch attempt", "attempt"), ("batch always", "always")])
def test_the_other_scopes_of_0_1_0_are_known_too(sandbox: Sandbox, which: str, reuse: str) -> None:
    run, batch = begun(sandbox, which, 3, reuse=reuse, **({"name": "looks"} if reuse == "always" else {}))
    assert run.execute() == batch
    assert len(sandbox.ledger.charges) == 3


def test_what_0_1_0_spent_counts_against_the_cap_and_in_what_was_billed(sandbox: Sandbox) -> None:
    run, _ = begun(sandbox, "batch write 3", 3, max_cost_usd=0.13)
    run.arguments["requests"] = [generate_image("new", prompt="x")]
    with pytest.raises(AirflowFailException, match=r"0\.0400 USD after 0\.1200 USD before.*Raise the limit to 0\.1600"):
        run.execute()
    assert run.receipt["billed"]["cost_in_usd_ticks"] == 1_200_000_000


def test_persisting_that_0_1_0_began_goes_on_with_its_rows(sandbox: Sandbox, settle: Settle) -> None:
    settle(batch_storage=False)
    batch = submission(rows(3)).execute()
    first = persisting(batch)
    kept = first.execute()
    old = json.loads(json.dumps(FIRST_RELEASE["persist"]))
    old["grok.persist"]["where"] = [batch, None]
    names = {row["batch_request_id"]: row for row in rows_of(sandbox, first)}
    for row in old["grok.persist.0"]:
        row["files"] = names[row["batch_request_id"]]["files"]
    run = persisting(batch)
    run.store.values |= {key: json.dumps(value) for key, value in old.items()}
    before = len(asked(sandbox, "POST", "/files"))
    assert run.execute() == kept
    assert len(asked(sandbox, "POST", "/files")) == before


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"version": 3, "token": "x"}, "'grok.batch' has version 3; this release reads up to 2"),
        ({"version": 2, "token": "x", "parts": 7}, "'grok.batch' is damaged"),
        (["x"], "'grok.batch' is damaged"),
        ({"token": "x"}, "'grok.batch' is damaged"),
    ],
)
def test_a_newer_or_damaged_record_stops_the_task_before_anything_is_bought(
    sandbox: Sandbox, record: Any, said: str
) -> None:
    run = submission(rows(2))
    run.store.values["grok.batch"] = json.dumps(record)
    with pytest.raises(AirflowFailException, match=said):
        run.execute()
    assert not asked(sandbox, "POST")


@pytest.mark.parametrize("record", [{"version": 3}, ["x"], {"version": 2, "where": ["BATCH", None], "chunks": "x"}])
def test_a_newer_or_damaged_record_stops_persisting_too(sandbox: Sandbox, record: Any) -> None:
    batch = submission(rows(2)).execute()
    run = persisting(batch)
    run.store.values["grok.persist"] = json.dumps(record).replace("BATCH", batch)
    with pytest.raises(AirflowFailException, match=r"'grok\.persist' (has version 3|is damaged)"):
        run.execute()


def test_unknown_fields_of_a_record_are_ignored(sandbox: Sandbox) -> None:
    run = submission(rows(2))
    batch = run.execute()
    record = json.loads(run.store.values["grok.batch"])
    record["more"] = record["parts"][0]["more"] = 1
    run.store.values["grok.batch"] = json.dumps(record)
    assert run.execute() == batch
    assert record["version"] == 2


@pytest.mark.parametrize(
    ("requests", "said"),
    [
        ([generate_image("a", prompt="x"), generate_image("a", prompt="y")], "'a' is there twice"),
        ([generate_image("x" * 118, prompt="x")], "has 118 characters; 117 are allowed, for a digest"),
        ([generate_image("x" * 128, prompt="x")], "has 128 characters"),
        ([generate_image("x" * 129, prompt="x")], "1 to 128 letters"),
        ([generate_image("", prompt="x")], "id ''"),
        ([generate_image("a\x00b", prompt="x")], "1 to 128 letters"),
        ([generate_image("a\ud83d", prompt="x")], "1 to 128 letters"),
        ([generate_image("a", prompt="half an emoji \ud83d")], "holds half a character"),
        ([generate_image("a", prompt="x", user="half an emoji \ud83d")], "half (of )?a character"),
        ([], "no requests"),
    ],
)
def test_bad_input_is_told_in_words_before_anything_is_bought(sandbox: Sandbox, requests: Any, said: str) -> None:
    with pytest.raises(AirflowFailException, match=said):
        submission(requests).execute()
    assert not asked(sandbox, "POST")


def test_the_longest_id_is_kept_whole(sandbox: Sandbox) -> None:
    run = persisting(submission([generate_image("x" * 117, prompt="x")]).execute())
    run.execute()
    assert rows_of(sandbox, run)[0]["batch_request_id"] == "x" * 117


def test_a_batch_of_another_team_is_told_in_words(sandbox: Sandbox) -> None:
    body = {"code": "permission-denied", "error": "Your team does not have access to this batch."}
    sandbox.faults.add({"path": "/v1/batches/*", "times": None, "action": {"status": 403, "body": body}})
    with pytest.raises(AirflowFailException, match="does not have access to this batch"):
        persisting("batch_253d950f-11eb-4beb-8c2d-54c57803deb6").execute()


def test_a_batch_that_never_appears_fails_after_a_minute(sandbox: Sandbox, time: Time) -> None:
    with pytest.raises(AirflowFailException, match="404"):
        persisting("batch_253d950f-11eb-4beb-8c2d-54c57803deb6").execute()
    assert 50 <= sum(time.slept) <= 120


def test_charges_of_lost_stores_are_not_repeated(sandbox: Sandbox) -> None:
    run = submission(rows(4))
    batch = run.execute()
    run.store.values.clear()
    assert run.execute() == batch
    assert charged(sandbox) == {f"row-{number}": 1 for number in range(4)}


def test_a_failing_store_after_the_purchase_is_the_next_trys(sandbox: Sandbox) -> None:
    run = submission(rows(4))
    run.kill(3, torn=True)
    assert run.execute()
    assert len(sandbox.ledger.charges) == 4


def test_an_error_that_says_nothing_is_no_reason_to_buy_anew(sandbox: Sandbox) -> None:
    run = submission(rows(4))
    run.execute()
    sandbox.faults.add({"method": "GET", "path": "/v1/batches", "times": None, "action": {"status": 503}})
    with pytest.raises(AirflowException):
        run.execute()
    assert len(sandbox.ledger.charges) == 4


def test_a_later_try_without_a_record_looks_for_a_minute_and_finds_what_appears(
    sandbox: Sandbox, proxy: Proxy, time: Time
) -> None:
    run = submission(rows(3))
    batch = run.execute()
    run.store.values.clear()
    start = time.now()
    proxy.answer("GET", "/v1/batches", lambda *of: of if time.now() > start + 40 else (of[0], {**of[1], "batches": []}))
    run.ti.try_number = 2  # type: ignore[attr-defined]
    assert run.execute() == batch
    assert len(sandbox.ledger.charges) == 3


def test_without_a_record_the_newest_generation_of_an_attempt_is_gone_on_with(sandbox: Sandbox) -> None:
    run = submission(rows(3), reuse="attempt")
    run.execute()
    run.clear()
    second = run.execute()
    run.store.values.clear()
    run.ti.try_number = 3  # type: ignore[attr-defined]
    assert run.execute() == second
    assert len(sandbox.ledger.charges) == 6


@pytest.mark.parametrize("seen", [False, True])
def test_with_a_key_that_sees_nothing_of_the_batch_nothing_is_bought(
    sandbox: Sandbox, proxy: Proxy, time: Time, seen: bool
) -> None:
    """The batch was another key's: of another team it cannot be seen, of the same team it can."""
    run = submission(rows(3))
    first = run.execute()
    record = json.loads(run.store.values["grok.batch"])
    assert len(record["account"]) == 8
    run.store.values["grok.batch"] = json.dumps({**record, "account": "01234567", "at": 0.0})
    if seen:
        assert run.execute() == first
        assert json.loads(run.store.values["grok.batch"])["account"] == record["account"]
        return
    empty: dict[str, Any] = {"batches": [], "data": [], "pagination_token": None}
    proxy.answer("GET", "/v1/batches", lambda status, document: (200, empty))
    proxy.answer("GET", "/v1/files", lambda status, document: (200, empty))
    missing = {"code": "not-found", "error": "Batch not found"}
    proxy.answer("GET", "/v1/batches/*", lambda status, document: (404, missing))
    with pytest.raises(AirflowException, match="made with another API key, and nothing of it can be seen") as failed:
        run.execute()
    assert not isinstance(failed.value, AirflowFailException)
    assert "0123456" in run.store.values["grok.batch"]
    assert charged(sandbox) == {"row-0": 1, "row-1": 1, "row-2": 1}
    assert len(asked(sandbox, "POST", "/v1/batches")) == 1
