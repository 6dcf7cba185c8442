"""Persisting a batch over its tries: nothing that was made is lost, nothing is copied twice, and the rest is told."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airflow_provider_grok.flows.batches import results
from airflow_provider_grok.flows.purchases import chunks
from airflow_provider_grok.operators.batches import generate_image
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import TaskRun, Time, asked, names
from tests.batch_run import Settle, Store, ask, defer_on, edits, persisting, rows_of, sha256_of, submission, user_id

ADD = {"method": "POST", "path": "/v1/batches/*/requests"}
LINKS = {"method": "GET", "path": "/xai-imgen/*"}


def ids_of(rows: list[dict[str, Any]]) -> list[str]:
    return [one["file_id"] for row in rows for one in row["files"]]


def uploads(sandbox: Sandbox) -> int:
    """Uploads since the sources: of results and manifests."""
    return len(asked(sandbox, "POST", "/files")) - 1


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("batch_storage", [True, False])
def test_results_come_in_request_order_with_a_row_for_each(
    sandbox: Sandbox, settle: Settle, store: Store, time: Time, batch_storage: bool, deferrable: bool
) -> None:
    settle(batch_storage=batch_storage, batch_seconds=300)
    batch = submission(edits(store(), 12)).execute()
    run = persisting(batch, deferrable=deferrable)
    kept = defer_on(run)[0] if deferrable else run.execute()
    results = [user_id(one["batch_request_id"]) for one in ask(sandbox, "GET", f"/batches/{batch}/results")["results"]]
    assert results != sorted(results, key=lambda id: int(id[4:]))
    rows = rows_of(sandbox, run)
    assert [row["batch_request_id"] for row in rows] == [f"row-{number}" for number in range(12)]
    assert ids_of(rows) == kept
    assert len(set(kept)) == 12
    assert run.receipt["counts"] == {"requests": 12, "kept": 12}
    assert run.receipt["usage"] == {"cost_in_usd_ticks": 8_400_000_000, "cost_usd": 0.84, "estimated": False}
    assert run.receipt["request_id"] == batch
    assert uploads(sandbox) == (1 if batch_storage else 13)


def test_copies_are_checked_by_length_and_digest(sandbox: Sandbox, settle: Settle, store: Store) -> None:
    settle(batch_storage=False)
    run = persisting(submission(edits(store(), 4)).execute(), expires_after=7200)
    run.execute()
    for row in rows_of(sandbox, run):
        (file,) = row["files"]
        assert file["sha256"] == sha256_of(sandbox, file["file_id"])
        assert file["bytes"] == ask(sandbox, "GET", f"/files/{file['file_id']}")["bytes"]
        assert file["expires_at"] is not None
        assert f".{row['batch_request_id']}." in file["filename"]


@pytest.mark.parametrize("scheme", ["", "file://", "memory:/"])
@pytest.mark.parametrize("batch_storage", [True, False])
def test_results_go_to_a_folder_or_an_object_storage(
    sandbox: Sandbox, settle: Settle, store: Store, memory: None, tmp_path: Path, batch_storage: bool, scheme: str
) -> None:
    from airflow.sdk import ObjectStoragePath

    settle(batch_storage=batch_storage)
    destination = f"{scheme}{tmp_path}/kept/"
    run = persisting(submission(edits(store(), 3)).execute(), destination=destination)
    urls = run.execute()
    assert len(urls) == 3
    manifest: Any = ObjectStoragePath(run.xcom["manifest"])
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    assert [one["url"] for row in rows for one in row["files"]] == urls
    for row in rows:
        (file,) = row["files"]
        there: Any = ObjectStoragePath(file["url"])
        data = there.read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file["bytes"], file["sha256"])
    folder: Any = ObjectStoragePath(destination)
    assert len(list(folder.iterdir())) == 4


@pytest.mark.parametrize("destination", ["/proc/nowhere/", "file:///proc/nowhere", "nostorage://bucket/kept"])
def test_a_destination_that_cannot_be_written_is_named_before_anything_is_fetched(
    sandbox: Sandbox, settle: Settle, store: Store, destination: str
) -> None:
    settle(batch_storage=False)
    batch = submission(edits(store(), 3)).execute()
    with pytest.raises(AirflowFailException, match=f"{destination.rstrip('/')}.*cannot be written.*Check the destin"):
        persisting(batch, destination=destination).execute()
    assert not asked(sandbox, "GET", "/results")


@pytest.mark.parametrize("batch_storage", [True, False])
def test_public_links_are_made_where_they_are_asked_for(
    sandbox: Sandbox, settle: Settle, store: Store, batch_storage: bool
) -> None:
    settle(batch_storage=batch_storage)
    run = persisting(submission(edits(store(), 3)).execute(), share=3600)
    kept = run.execute()
    assert run.xcom["public_url"] == [ask(sandbox, "GET", f"/files/{file_id}")["public_url"] for file_id in kept]
    assert all(run.xcom["public_url"])


def test_a_link_that_cannot_be_made_does_not_lose_the_picture(sandbox: Sandbox, settle: Settle, store: Store) -> None:
    run = persisting(submission(edits(store(), 2)).execute(), share=True)
    sandbox.faults.add({"path": "/v1/files/*/public-url", "times": None, "action": {"status": 400}})
    with pytest.raises(AirflowFailException, match="public-url answered 400"):
        run.execute()
    assert len(run.xcom["return_value"]) == 2
    assert run.xcom["public_url"] == [None, None]
    assert all("without its public link" in row["reason"] for row in rows_of(sandbox, run))


def test_a_retry_makes_the_links_that_are_missing(sandbox: Sandbox, settle: Settle, store: Store) -> None:
    run = persisting(submission(edits(store(), 2)).execute(), share=True)
    sandbox.faults.add({"path": "/v1/files/*/public-url", "times": None, "action": {"status": 503}})
    with pytest.raises(AirflowException, match="2 public links could not be made now; a retry makes them"):
        run.execute()
    sandbox.faults.clear()
    assert len(run.execute()) == 2
    assert all(run.xcom["public_url"])
    assert [row["reason"] for row in rows_of(sandbox, run)] == [None, None]


def test_a_request_for_several_pictures_gives_all_of_them(sandbox: Sandbox, settle: Settle) -> None:
    settle(batch_storage=False)
    requests = [
        generate_image("a", prompt="x", n=2),
        generate_image("a-2", prompt="y"),
        generate_image("a:2", prompt="z"),
    ]
    run = persisting(submission(requests).execute())
    assert len(set(run.execute())) == 4
    assert len(set(names(sandbox))) == 5
    assert [len(row["files"]) for row in rows_of(sandbox, run)] == [2, 1, 1]


@pytest.mark.parametrize("min_success", ["0.99", 1.0])
def test_one_moderated_of_300_leaves_299_and_min_success_decides(
    sandbox: Sandbox, settle: Settle, store: Store, min_success: Any
) -> None:
    sandbox.faults.add({**ADD, "only": ["row-150"], "action": {"moderate": True}})
    run = persisting(submission(edits(store(), 300)).execute(), min_success=min_success)
    if min_success == 1.0:
        with pytest.raises(AirflowFailException, match=r"299 of 300 .*min_success=1 wants 300.*moderation"):
            run.execute()
    else:
        run.execute()
    assert run.receipt["counts"] == {"requests": 300, "kept": 299, "moderated": 1}
    assert max(len(entry) for entry in run.store.values.values()) < 2**15, "well under the store's 64 KiB"
    row = rows_of(sandbox, run)[150]
    assert (row["batch_request_id"], row["state"], row["files"]) == ("row-150", "moderated", [])
    assert "content moderation" in row["reason"]
    assert run.xcom.get("return_value", []) == [] or len(run.xcom["return_value"]) == 299


@pytest.mark.parametrize("shape", ["object", "text", "top"])
def test_a_half_failed_batch_is_told_row_by_row(sandbox: Sandbox, settle: Settle, store: Store, shape: str) -> None:
    action = {"fail": "internal_error", "shape": shape}
    sandbox.faults.add({**ADD, "only": ["row-1", "row-3"], "action": action})
    run = persisting(submission(edits(store(), 4)).execute(), min_success=0.5)
    assert len(run.execute()) == 2
    assert [row["state"] for row in rows_of(sandbox, run)] == ["kept", "failed", "kept", "failed"]
    assert run.receipt["counts"] == {"requests": 4, "kept": 2, "failed": 2}


def test_nothing_kept_always_fails(sandbox: Sandbox, settle: Settle, store: Store) -> None:
    sandbox.faults.add({**ADD, "action": {"moderate": True}})
    run = persisting(submission(edits(store(), 2)).execute())
    with pytest.raises(AirflowFailException, match="0 of 2 requests kept"):
        run.execute()
    assert run.receipt["counts"] == {"requests": 2, "kept": 0, "moderated": 2}
    assert run.xcom["return_value"] == []


def test_a_cancelled_batch_keeps_what_was_done(sandbox: Sandbox, settle: Settle, store: Store, time: Time) -> None:
    settle(batch_seconds=100)
    batch = submission(edits(store(), 10)).execute()
    sandbox.clock.advance(45)
    ask(sandbox, "POST", f"/batches/{batch}:cancel")
    run = persisting(batch)
    assert len(run.execute()) == 4
    assert run.receipt["counts"] == {"requests": 10, "kept": 4, "cancelled": 6}
    assert run.receipt["usage"]["estimated"] is False


def test_an_expired_batch_keeps_what_was_done(sandbox: Sandbox, settle: Settle, store: Store, time: Time) -> None:
    settle(batch_seconds=2 * 86_400)
    run = persisting(submission(edits(store(), 4)).execute(), poll_interval=1800)
    assert len(run.execute()) == 2
    assert run.receipt["counts"] == {"requests": 4, "kept": 2, "failed": 2}


def test_a_batch_that_xai_cancelled_fails_with_its_words(
    sandbox: Sandbox, settle: Settle, time: Time, tmp_path: Path
) -> None:
    path = tmp_path / "night.jsonl"
    path.write_text('{"custom_id":"a","method":"POST","url":"/v1/responses","body":{"model":"grok-9","input":"x"}}\n')
    submitted = submission(input_file=str(path))
    with pytest.raises(AirflowFailException):
        submitted.execute()
    run = persisting(submitted.receipt["request_id"])
    with pytest.raises(AirflowFailException, match="grok-9 is not supported"):
        run.execute()
    assert run.receipt["counts"] == {"requests": 0, "kept": 0}


def test_a_batch_that_does_not_exist_fails_at_once(settle: Settle, time: Time) -> None:
    with pytest.raises(AirflowFailException, match="404"):
        persisting("batch_1").execute()
    assert time.slept == []


@pytest.mark.parametrize("write", [2, 3, 4, 5, 6])
def test_a_worker_killed_half_way_uploads_only_what_is_missing(
    sandbox: Sandbox, settle: Settle, store: Store, monkeypatch: pytest.MonkeyPatch, write: int
) -> None:
    monkeypatch.setattr(results, "SLICE", 5)
    monkeypatch.setattr(chunks, "ENTRY_LIMIT", 3000)
    settle(batch_storage=False)
    run = persisting(submission(edits(store(), 16)).execute())
    run.kill(write, torn=write % 2 == 0)
    assert 0 < uploads(sandbox) < 16
    kept = run.execute()
    assert uploads(sandbox) == 17
    assert len(set(kept)) == 16
    assert len(names(sandbox)) == 18
    assert [row["state"] for row in rows_of(sandbox, run)] == ["kept"] * 16


def test_a_process_killed_by_the_system_uploads_only_what_is_missing(
    sandbox: Sandbox, settle: Settle, store: Store
) -> None:
    settle(batch_storage=False)
    batch = submission(edits(store(), 12)).execute()
    sandbox.faults.add({"method": "POST", "path": "/v1/files", "skip": 6, "action": {"delay": 60}})
    script = f"""
        from tests.batch_run import persisting
        persisting({batch!r}, max_concurrency=1).execute()
    """
    worker = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], cwd=Path(__file__).parents[2])
    while not sandbox.faults.list[0]["hits"]:
        with suppress(subprocess.TimeoutExpired):
            raise AssertionError(f"the worker ended with {worker.wait(0.05)}")
    worker.kill()
    worker.wait()
    assert len(set(persisting(batch).execute())) == 12
    assert len(names(sandbox)) == 14


def test_a_finished_task_that_runs_again_copies_nothing(sandbox: Sandbox, settle: Settle, store: Store) -> None:
    settle(batch_storage=False)
    run = persisting(submission(edits(store(), 3)).execute())
    first = run.execute()
    before = uploads(sandbox)
    assert run.execute() == first
    assert uploads(sandbox) == before


def test_results_whose_links_died_are_rows_with_advice_and_the_others_are_kept(
    sandbox: Sandbox, settle: Settle, store: Store, time: Time
) -> None:
    settle(batch_storage=False, batch_seconds=600)
    batch = submission(edits(store(), 10)).execute()
    sandbox.clock.advance(300)
    ask(sandbox, "GET", f"/batches/{batch}")
    sandbox.clock.advance(3600)
    run = persisting(batch)
    kept = run.execute()
    rows = rows_of(sandbox, run)
    lost = [row for row in rows if row["state"] == "lost"]
    assert 4 <= len(lost) <= 6
    assert len(kept) == 10 - len(lost)
    assert "never behind a sensor" in lost[0]["reason"]
    assert lost[0]["cost_in_usd_ticks"] == 700_000_000


def test_another_destination_is_another_copy(sandbox: Sandbox, settle: Settle, store: Store, tmp_path: Path) -> None:
    run: TaskRun = persisting(submission(edits(store(), 2)).execute())
    run.execute()
    run.arguments["destination"] = str(tmp_path)
    assert all(Path(url).is_file() for url in run.execute())
