"""Persisting from a server whose lists lag, whose files go and whose destination fails: no row is silently missing."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airflow_provider_grok.flows.batches import results
from airflow_provider_grok.operators.batches import generate_image
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import Time, names
from tests.batch_run import Settle, ask, content, persisting, rows_of, submission
from tests.flows.batches.test_changed_lists import rows
from tests.proxy import Proxy

RESULTS, REQUESTS = "/v1/batches/*/results", "/v1/batches/*/requests"


@pytest.fixture(autouse=True)
def quick(settle: Settle, time: Time) -> None:
    """Batches are done at once, and time is virtual."""


def short(status: int, document: Any) -> tuple[int, Any]:
    """A list of results that lacks two."""
    return status, {
        **document,
        "results": [one for one in document["results"] if one["batch_request_id"][4] not in "01"],
    }


def test_a_list_of_results_that_lags_is_read_again(proxy: Proxy, time: Time) -> None:
    batch, start = submission(rows(8)).execute(), time.now()
    proxy.answer("GET", RESULTS, lambda *of: of if time.now() > start + 100 else short(*of))
    run = persisting(batch)
    assert len(set(run.execute())) == 8
    assert run.receipt["counts"] == {"requests": 8, "kept": 8}


@pytest.mark.parametrize("page", [short, lambda status, document: (status, {"results": [], "pagination_token": None})])
def test_a_list_that_stays_short_is_no_success_and_says_what_is_missing(proxy: Proxy, time: Time, page: Any) -> None:
    batch = submission(rows(8)).execute()
    proxy.answer("GET", RESULTS, page)
    run = persisting(batch)
    with pytest.raises(AirflowException, match=r"of 8 results are counted and not listed \(row-0, row-1") as failed:
        run.execute()
    assert not isinstance(failed.value, AirflowFailException)
    assert 100 < sum(time.slept) < 300
    assert run.receipt["counts"]["unfinished"] >= 2
    proxy.answers.clear()
    assert len(run.execute()) == 8


def test_a_counter_that_lags_is_not_believed(proxy: Proxy, time: Time) -> None:
    """The batch says for two minutes that it has 6 requests, all done, and lists only those."""
    batch, start = submission(rows(8)).execute(), time.now()

    def count(status: int, document: Any) -> tuple[int, Any]:
        if time.now() < start + 120:
            document["state"] |= {"num_requests": 6, "num_success": 6}
        return status, document

    def listed(status: int, document: Any) -> tuple[int, Any]:
        cut = document["batch_request_metadata"][:6] if time.now() < start + 120 else document["batch_request_metadata"]
        return status, {**document, "batch_request_metadata": cut}

    proxy.answer("GET", f"/v1/batches/{batch}", count)
    proxy.answer("GET", REQUESTS, listed)
    proxy.answer("GET", RESULTS, lambda *of: of if time.now() > start + 120 else short(*of))
    assert len(persisting(batch).execute()) == 8


def test_a_foreign_batch_must_match_its_counters_too(sandbox: Sandbox, proxy: Proxy, time: Time) -> None:
    batch = foreign(sandbox, "row-0", "row-1", "row-2")
    start = time.now()
    proxy.answer("GET", RESULTS, lambda *of: of if time.now() > start + 100 else short(*of))
    run = persisting(batch)
    assert len(run.execute()) == 3
    assert [row["batch_request_id"] for row in rows_of(sandbox, run)] == ["row-0", "row-1", "row-2"]


@pytest.mark.parametrize("path", ["/v1/batches/batch_*", RESULTS, REQUESTS])
@pytest.mark.parametrize("skip", [0, 1])
def test_a_passing_404_ends_nothing(sandbox: Sandbox, path: str, skip: int) -> None:
    batch = submission(rows(4)).execute()
    sandbox.faults.add({"method": "GET", "path": path, "skip": skip, "times": 3, "action": {"status": 404}})
    assert len(persisting(batch).execute()) == 4


def test_ids_of_deleted_files_are_not_returned(sandbox: Sandbox) -> None:
    run = persisting(submission(rows(4)).execute())
    first = run.execute()
    ask(sandbox, "DELETE", f"/files/{first[1]}")
    run.clear()
    assert run.execute() == [first[0], *first[2:]]
    (lost,) = [row for row in rows_of(sandbox, run) if row["state"] == "lost"]
    assert (lost["batch_request_id"], "its file is gone" in lost["reason"]) == ("row-1", True)


def test_a_deleted_copy_is_copied_again_while_its_link_lives(sandbox: Sandbox, settle: Settle) -> None:
    settle(batch_storage=False)
    run = persisting(submission(rows(3)).execute())
    first = run.execute()
    ask(sandbox, "DELETE", f"/files/{first[1]}")
    run.clear()
    again = run.execute()
    assert len(set(again)) == 3
    assert first[1] not in again


@pytest.mark.parametrize("store_survives", [True, False])
def test_rows_whose_folder_holds_the_files_are_not_lost(
    sandbox: Sandbox, settle: Settle, tmp_path: Path, store_survives: bool
) -> None:
    settle(batch_storage=False)
    batch = submission(rows(3)).execute()
    run = persisting(batch, destination=str(tmp_path))
    first = run.execute()
    sandbox.clock.advance(2 * 3600)
    run = run if store_survives else persisting(batch, destination=str(tmp_path))
    run.clear()
    assert run.execute() == first
    assert run.receipt["counts"] == {"requests": 3, "kept": 3}


def test_a_link_as_long_as_usual_gives_way_to_a_shorter_life_of_the_file(sandbox: Sandbox) -> None:
    run = persisting(submission(rows(2), expires_after=timedelta(hours=2)).execute(), share=True)
    assert len(run.execute()) == 2
    assert all(run.xcom["public_url"])


def test_links_that_came_with_the_batch_are_told_too(sandbox: Sandbox) -> None:
    run = persisting(submission(rows(2), share=True).execute())
    run.execute()
    assert len(run.xcom["public_url"]) == 2
    assert all(run.xcom["public_url"])


def test_links_that_have_ended_are_made_anew(sandbox: Sandbox) -> None:
    run = persisting(submission(rows(2)).execute(), share=3600)
    kept = run.execute()
    sandbox.clock.advance(2 * 3600)
    run.clear()
    assert run.execute() == kept
    for file_id, url in zip(kept, run.xcom["public_url"], strict=True):
        file = ask(sandbox, "GET", f"/files/{file_id}")
        assert file["public_url"] == url
        assert file["public_url_expires_at"] > sandbox.clock.now()


def test_no_entry_of_the_state_store_is_over_48_kib(sandbox: Sandbox) -> None:
    requests = [generate_image(f"{'long-' * 20}{number}", prompt="x", n=4) for number in range(100)]
    run = persisting(
        submission(requests, share=True, name="a rather long name of a campaign " * 2).execute(), share=True
    )
    assert len(run.execute()) == 400
    assert sum(len(value) for value in run.store.values.values()) > 64 * 1024
    assert max(len(value) for value in run.store.values.values()) <= 48 * 1024
    assert run.execute()


def test_results_are_put_into_files_while_the_destination_cannot_be_written(
    sandbox: Sandbox, settle: Settle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(batch_storage=False)
    run = persisting(submission(rows(3)).execute(), destination=f"{tmp_path}/kept")

    def full(copy: Path, target: str) -> None:
        from airflow_provider_grok.api import errors

        raise errors.InvalidRequest(f"{target} cannot be written (OSError: no space left on device).")

    with monkeypatch.context() as patch:
        patch.setattr(results, "put", full)
        with pytest.raises(AirflowException, match="kept in xAI Files meanwhile as file_") as failed:
            run.execute()
    assert not isinstance(failed.value, AirflowFailException)
    assert len([name for name in names(sandbox) if "row-" in name]) == 3
    sandbox.clock.advance(2 * 3600)
    urls = run.execute()
    assert len(urls) == 3
    assert all(Path(url).read_bytes()[:2] == b"\xff\xd8" for url in urls)


@pytest.mark.parametrize("ours", [True, False])
def test_ids_that_differ_only_in_case_have_places_of_their_own(
    sandbox: Sandbox, settle: Settle, tmp_path: Path, ours: bool
) -> None:
    settle(batch_storage=False)
    ids = ("hero", "Hero", "HERO")
    same = [generate_image(id, prompt="x") for id in ids]
    batch = submission(same).execute() if ours else foreign(sandbox, *ids)
    urls = persisting(batch, destination=str(tmp_path)).execute()
    assert len({url.lower() for url in urls}) == 3
    kept = persisting(batch).execute()
    assert len({ask(sandbox, "GET", f"/files/{file_id}")["filename"].lower() for file_id in kept}) == 3


def test_a_foreign_id_that_looks_like_ours_stays_as_it_is(sandbox: Sandbox, settle: Settle) -> None:
    run = persisting(foreign(sandbox, "hero.3f2a9b1c0d4e", "hero.3f2a9b1c0d"))
    run.execute()
    assert [row["batch_request_id"] for row in rows_of(sandbox, run)] == ["hero.3f2a9b1c0d4e", "hero.3f2a9b1c0d"]


def test_what_the_server_stored_is_the_row_of_the_user(sandbox: Sandbox) -> None:
    run = persisting(submission(rows(1)).execute())
    (file_id,) = run.execute()
    (row,) = rows_of(sandbox, run)
    assert row["files"][0]["file_id"] == file_id
    assert content(sandbox, file_id)[:2] == b"\xff\xd8"


def foreign(sandbox: Sandbox, *ids: str) -> str:
    """A finished batch of another program."""
    batch: str = ask(sandbox, "POST", "/batches", json={"name": "by hand"})["batch_id"]
    body = {"image_generation": {"model": "grok-imagine-image", "prompt": "x"}}
    entries = [{"batch_request_id": id, "batch_request": body} for id in ids]
    ask(sandbox, "POST", f"/batches/{batch}/requests", json={"batch_requests": entries})
    return batch


def test_a_folder_that_was_emptied_is_filled_again_while_links_live(
    sandbox: Sandbox, settle: Settle, tmp_path: Path
) -> None:
    settle(batch_storage=False)
    run = persisting(submission(rows(2)).execute(), destination=f"{tmp_path}/kept")
    first = run.execute()
    shutil.rmtree(tmp_path / "kept")
    run.clear()
    assert run.execute() == first
    assert all(Path(url).is_file() for url in first)
