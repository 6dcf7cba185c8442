"""Lists that change: only rows that nothing holds yet are paid for, and results speak the user's ids in their order."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_provider_grok.operators.batches import GrokBatchCancelOperator, generate_image
from airflow_provider_grok.sandbox.server import Sandbox
from airflow_provider_grok.sensors.batches import GrokBatchSensor
from tests.airflow_task import TaskRun, Time, asked
from tests.batch_run import Settle, ask, defer_on, persisting, rows_of, submission, user_id
from tests.flows.batches.test_input_files import line


def rows(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [generate_image(f"row-{number}", prompt=f"look {number}") for number in range(first, first + count)]


def charged(sandbox: Sandbox) -> Counter[str]:
    """How often each row of the users was charged."""
    return Counter(user_id(charge["id"]) for charge in sandbox.ledger.charges)


def order_of(sandbox: Sandbox, run: TaskRun) -> list[str]:
    return [row["batch_request_id"] for row in rows_of(sandbox, run)]


def test_500_rows_and_one_more_are_501_charges(sandbox: Sandbox, settle: Settle) -> None:
    run = submission(rows(500))
    first = run.execute()
    run.arguments["requests"] = rows(501)
    second = run.execute()
    assert second != first
    assert len(sandbox.ledger.charges) == 501
    assert run.receipt["counts"] == {"requests": 501, "added": 1}
    kept = persisting(second)
    assert len(set(kept.execute())) == 501
    assert order_of(sandbox, kept) == [f"row-{number}" for number in range(501)]
    assert kept.receipt["counts"] == {"requests": 501, "kept": 501}


def test_a_nightly_list_with_one_changed_row_is_101_charges(sandbox: Sandbox, settle: Settle) -> None:
    monday = submission(rows(100), reuse="always", name="nightly", of={"run_id": "monday"})
    assert len(persisting(monday.execute()).execute()) == 100
    changed = rows(100)
    changed[50] = generate_image("row-50", prompt="in winter")
    tuesday = submission(changed, reuse="always", name="nightly", of={"run_id": "tuesday"})
    kept = persisting(tuesday.execute(), of={"run_id": "tuesday"})
    assert len(set(kept.execute())) == 100
    assert len(sandbox.ledger.charges) == 101
    assert charged(sandbox)["row-50"] == 2
    assert tuesday.receipt["billed"]["cost_in_usd_ticks"] == sandbox.ledger.charges[-1]["ticks"]


def test_rows_taken_out_are_not_in_the_result_and_an_earlier_list_finds_its_batch(
    sandbox: Sandbox, settle: Settle
) -> None:
    run = submission(rows(5))
    first = run.execute()
    run.arguments["requests"] = rows(2, first=2)
    second = run.execute()
    assert run.receipt["counts"] == {"requests": 2, "added": 0}
    kept = persisting(second)
    assert len(kept.execute()) == 2
    assert order_of(sandbox, kept) == ["row-2", "row-3"]
    run.arguments["requests"] = rows(5)
    assert run.execute() == first
    run.arguments["requests"] = rows(2, first=2)
    assert run.execute() == second
    assert len(sandbox.ledger.charges) == 5


def test_rows_in_another_order_are_delivered_in_that_order(sandbox: Sandbox, settle: Settle) -> None:
    run = submission(rows(4))
    persisting(run.execute()).execute()
    run.arguments["requests"] = rows(4)[::-1]
    kept = persisting(run.execute())
    kept.execute()
    assert order_of(sandbox, kept) == ["row-3", "row-2", "row-1", "row-0"]
    assert len(sandbox.ledger.charges) == 4


def test_rows_that_are_equal_on_purpose_are_bought_as_often_as_they_stand_there(
    sandbox: Sandbox, settle: Settle
) -> None:
    run = submission([generate_image(f"take-{number}", prompt="the same") for number in range(3)])
    assert len(set(persisting(run.execute()).execute())) == 3
    assert len(sandbox.ledger.charges) == 3


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_list_that_changes_while_its_batch_runs_waits_for_both_batches(
    sandbox: Sandbox, settle: Settle, time: Time, deferrable: bool
) -> None:
    settle(batch_seconds=300, batch_storage=False)
    run = submission(rows(6))
    run.execute()
    sandbox.clock.advance(100)
    run.arguments["requests"] = rows(9)
    batch = run.execute()
    kept = persisting(batch, deferrable=deferrable)
    assert len(set(defer_on(kept)[0] if deferrable else kept.execute())) == 9
    assert order_of(sandbox, kept) == [f"row-{number}" for number in range(9)]
    assert len(sandbox.ledger.charges) == 9


def test_an_empty_batch_is_not_waited_for(sandbox: Sandbox, settle: Settle, time: Time) -> None:
    run = submission(rows(3))
    run.execute()
    run.arguments["requests"] = rows(2)
    batch = run.execute()
    assert ask(sandbox, "GET", f"/batches/{batch}")["state"]["num_requests"] == 0
    assert len(persisting(batch).execute()) == 2
    assert time.slept == []


def test_a_list_from_a_file_is_bought_by_the_row_too(
    sandbox: Sandbox, settle: Settle, time: Time, tmp_path: Path
) -> None:
    path = tmp_path / "night.jsonl"
    path.write_text("".join(line(f"row-{number}", n=1) for number in range(4)))
    run = submission(input_file=str(path))
    run.execute()
    path.write_text("".join(line(f"row-{number}", n=1) for number in range(5)))
    kept = persisting(run.execute())
    assert len(set(kept.execute())) == 5
    assert order_of(sandbox, kept) == [f"row-{number}" for number in range(5)]
    path.write_text("".join(line(f"row-{number}", n=1) for number in range(1, 3)))
    assert len(persisting(run.execute()).execute()) == 2
    assert len(sandbox.ledger.charges) == 5


def test_the_sensor_counts_the_rows_of_the_list(sandbox: Sandbox, settle: Settle) -> None:
    run = submission(rows(5))
    run.execute()
    run.arguments["requests"] = [*rows(2), generate_image("new", prompt="x")]
    sensor = TaskRun(GrokBatchSensor, task_id="wait", batch_id=run.execute())
    counts: Any = sensor.fresh().poke({"ti": sensor.ti, "task_instance": sensor.ti}).xcom_value
    assert counts == {"requests": 3, "pending": 0, "succeeded": 3, "failed": 0, "cancelled": 0}


def test_cancelling_stops_all_that_the_run_submitted_and_nothing_of_another_run(
    sandbox: Sandbox, settle: Settle
) -> None:
    settle(batch_seconds=3600)
    monday = submission(rows(2), reuse="always", name="nightly", of={"run_id": "monday"})
    first = monday.execute()
    tuesday = submission(rows(4), reuse="always", name="nightly", of={"run_id": "tuesday"})
    second = tuesday.execute()
    tuesday.arguments["requests"] = rows(5)
    third = tuesday.execute()
    run = TaskRun(GrokBatchCancelOperator, task_id="cancel", batch_id=third)
    assert run.execute() == third
    assert run.receipt["counts"]["cancelled"] == 3
    ended = {batch: ask(sandbox, "GET", f"/batches/{batch}")["cancel_time"] for batch in (first, second, third)}
    assert [bool(ended[batch]) for batch in (first, second, third)] == [False, True, True]


def test_a_row_is_held_by_its_file_when_its_batch_is_gone(sandbox: Sandbox, settle: Settle) -> None:
    monday = submission(rows(3), reuse="always", name="nightly", of={"run_id": "monday"})
    batch = monday.execute()
    files = persisting(batch).execute()
    forget_batch(sandbox, batch)
    tuesday = submission(rows(4), reuse="always", name="nightly", of={"run_id": "tuesday"})
    kept = persisting(tuesday.execute(), of={"run_id": "tuesday"})
    assert kept.execute()[:3] == files
    assert len(sandbox.ledger.charges) == 4
    assert kept.receipt["counts"] == {"requests": 4, "kept": 4}


def test_stored_rows_go_to_another_destination_too(sandbox: Sandbox, settle: Settle, tmp_path: Path) -> None:
    monday = submission(rows(2), reuse="always", name="nightly", of={"run_id": "monday"})
    batch = monday.execute()
    persisting(batch).execute()
    forget_batch(sandbox, batch)
    tuesday = submission(rows(2), reuse="always", name="nightly", of={"run_id": "tuesday"})
    urls = persisting(tuesday.execute(), destination=str(tmp_path)).execute()
    assert all(Path(url).read_bytes()[:2] == b"\xff\xd8" for url in urls)
    assert len(sandbox.ledger.charges) == 2


def test_a_missing_placement_file_fails_and_clearing_the_submission_writes_it_anew(
    sandbox: Sandbox, settle: Settle, time: Time
) -> None:
    run = submission(rows(3))
    run.execute()
    run.arguments["requests"] = rows(4)
    batch = run.execute()
    (placement,) = placements(sandbox)
    ask(sandbox, "DELETE", f"/files/{placement}")
    kept = persisting(batch)
    with pytest.raises(Exception, match="not the whole list that it stands for") as failed:
        kept.execute()
    assert not isinstance(failed.value, AirflowFailException)
    run.clear()
    assert run.execute() == batch
    assert len(kept.execute()) == 4
    assert len(sandbox.ledger.charges) == 4


@pytest.mark.parametrize("text", ['{"version": 9, "revision": 1}\n', "no json\n", '{"version": 1, "revision": 1}\n'])
def test_a_placement_file_that_cannot_be_read_stops_the_task_in_words(
    sandbox: Sandbox, settle: Settle, time: Time, text: str
) -> None:
    run = submission(rows(3))
    run.execute()
    run.arguments["requests"] = rows(4)
    batch = run.execute()
    (placement,) = placements(sandbox)
    name = ask(sandbox, "GET", f"/files/{placement}")["filename"]
    ask(sandbox, "DELETE", f"/files/{placement}")
    ask(sandbox, "POST", "/files", files={"file": (name, text.encode(), "application/jsonl")})
    with pytest.raises(AirflowFailException, match=r"placement file .*clear the task that submitted"):
        persisting(batch).execute()


def placements(sandbox: Sandbox) -> list[str]:
    """Ids of the placement files."""
    files = ask(sandbox, "GET", "/files", params={"limit": 100})["data"]
    return [file["id"] for file in files if file["filename"].endswith(".placement.jsonl")]


def forget_batch(sandbox: Sandbox, batch_id: str) -> None:
    """The server forgets a batch that has expired."""
    sandbox.backend.store.change("DELETE FROM batches WHERE id = ?", batch_id)


def test_what_a_person_sees_at_xai_begins_with_the_users_id(sandbox: Sandbox, settle: Settle) -> None:
    submission(rows(1), name="nightly").execute()
    (sent,) = asked(sandbox, "POST", "/requests")
    (entry,) = sent["json"]["batch_requests"]
    assert entry["batch_request_id"].startswith("row-0.")
    name = entry["batch_request"]["image_generation"]["storage_options"]["filename"]
    assert name.startswith("nightly.")
    assert f".{entry['batch_request_id']}.jpg" in name


@pytest.mark.parametrize("deferrable", [False, True])
def test_links_of_no_batch_die_while_another_is_waited_for(
    sandbox: Sandbox, settle: Settle, time: Time, deferrable: bool
) -> None:
    settle(batch_seconds=5 * 3600, batch_storage=False)
    run = submission(rows(12))
    run.execute()
    run.arguments["requests"] = rows(13)
    kept = persisting(run.execute(), deferrable=deferrable, poll_interval=300)
    assert len(set(defer_on(kept)[0] if deferrable else kept.execute())) == 13
    assert kept.receipt["counts"] == {"requests": 13, "kept": 13}


def test_the_trigger_carries_all_batches_that_are_waited_for(sandbox: Sandbox, settle: Settle, time: Time) -> None:
    settle(batch_seconds=300)
    run = submission(rows(2))
    first = run.execute()
    run.arguments["requests"] = rows(3)
    second = run.execute()
    _, carried = persisting(second, deferrable=True).defer().serialize()
    assert (carried["job_id"], carried["parts"]) == (second, {first: 0, second: 0})
    sensor = TaskRun(GrokBatchSensor, task_id="wait", batch_id=second, deferrable=True)
    _, carried = sensor.defer().serialize()
    assert carried["parts"] == {first: None, second: None}


def test_a_row_that_another_list_bought_again_is_found_by_the_list_in_which_it_had_failed(
    sandbox: Sandbox, settle: Settle
) -> None:
    sandbox.faults.add(
        {"method": "POST", "path": "/v1/batches/*/requests", "only": ["row-1"], "action": {"fail": "internal_error"}}
    )
    run = submission(rows(3))
    first = run.execute()
    assert len(persisting(first).execute()) == 2
    run.arguments["requests"] = rows(1, first=1)
    run.execute()
    run.arguments["requests"] = rows(3)
    assert run.execute() == first
    kept = persisting(first)
    assert len(set(kept.execute())) == 3
    assert order_of(sandbox, kept) == ["row-0", "row-1", "row-2"]
    assert charged(sandbox) == {"row-0": 1, "row-1": 1, "row-2": 1}
