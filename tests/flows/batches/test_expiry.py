"""Batches that have expired: their results are a 404, and what was made of them is found elsewhere or named."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import Time
from tests.batch_run import Settle, persisting, rows_of, submission
from tests.flows.batches.test_changed_lists import charged, rows
from tests.proxy import Proxy

ADD = "/v1/batches/*/requests"
DAYS = 2 * 86_400


@pytest.fixture(autouse=True)
def quick(settle: Settle, time: Time) -> None:
    """Batches are done at once, and time is virtual."""


def test_a_task_that_kept_all_and_is_cleared_after_the_end_succeeds_again(sandbox: Sandbox, time: Time) -> None:
    run = persisting(submission(rows(3)).execute())
    first = run.execute()
    sandbox.clock.advance(DAYS)
    assert run.execute() == first
    assert run.receipt["counts"] == {"requests": 3, "kept": 3}


def test_results_that_the_server_stored_are_found_by_their_names(sandbox: Sandbox, time: Time) -> None:
    batch = submission(rows(3)).execute()
    sandbox.clock.advance(DAYS)
    assert len(set(persisting(batch).execute())) == 3


def test_what_lay_on_links_is_lost_and_says_why(sandbox: Sandbox, settle: Settle, time: Time) -> None:
    settle(batch_storage=False)
    batch = submission(rows(3)).execute()
    sandbox.clock.advance(DAYS)
    run = persisting(batch)
    with pytest.raises(AirflowFailException, match="results have ended with it"):
        run.execute()
    assert [row["state"] for row in rows_of(sandbox, run)] == ["lost"] * 3
    assert sum(time.slept) < 200


def test_a_row_that_failed_in_passing_is_bought_again_after_the_end(sandbox: Sandbox, time: Time) -> None:
    sandbox.faults.add({"method": "POST", "path": ADD, "only": ["row-1"], "action": {"fail": "internal_error"}})
    run = submission(rows(3))
    run.execute()
    sandbox.clock.advance(DAYS)
    run.clear()
    batch = run.execute()
    assert run.receipt["counts"] == {"requests": 3, "added": 1}
    assert charged(sandbox) == {"row-0": 1, "row-1": 1, "row-2": 1}
    assert len(set(persisting(batch).execute())) == 3


def test_rows_of_another_run_whose_results_ended_are_bought_again(sandbox: Sandbox, settle: Settle, time: Time) -> None:
    settle(batch_storage=False)
    submission(rows(2), reuse="always", name="nightly", of={"run_id": "monday"}).execute()
    sandbox.clock.advance(DAYS)
    again = submission(rows(2), reuse="always", name="nightly", of={"run_id": "tuesday"})
    batch = again.execute()
    assert again.receipt["counts"] == {"requests": 2, "added": 2}
    assert len(persisting(batch, of={"run_id": "tuesday"}).execute()) == 2


def test_a_passing_404_of_results_ends_nothing(sandbox: Sandbox, time: Time) -> None:
    batch = submission(rows(3)).execute()
    action = {"status": 404, "body": {"code": "not-found", "error": "Not found"}}
    sandbox.faults.add({"method": "GET", "path": "/v1/batches/*/results", "times": 3, "action": action})
    run = persisting(batch)
    assert len(run.execute()) == 3
    assert run.receipt["usage"]["estimated"] is False


def test_rows_that_wait_in_a_batch_whose_results_have_ended_are_bought_again(
    sandbox: Sandbox, settle: Settle, proxy: Proxy, time: Time
) -> None:
    """A bare date leaves the batch some hours more by its own words, and it takes nothing any more."""
    settle(batch_seconds=3600)
    run = submission(rows(3))
    first = run.execute()

    def ends_today(status: int, document: Any) -> tuple[int, Any]:
        for one in document.get("batches", [document]):
            if one.get("batch_id") == first:
                one["expire_time"] = one["create_time"]
        return status, document

    gone = {"code": "not-found", "error": "The results of this batch have expired."}
    proxy.answer("GET", f"/v1/batches/{first}/results", lambda status, document: (404, gone))
    proxy.answer("GET", "/v1/batches*", ends_today)
    assert run.execute() != first
    assert run.receipt["counts"] == {"requests": 3, "added": 3}
