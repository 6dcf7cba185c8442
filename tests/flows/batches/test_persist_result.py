"""What a persisting task tells in the end: whatever goes wrong around the results, what was kept is in XCom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import Time, asked, names
from tests.batch_run import Settle, Store, ask, edits, persisting, rows_of, submission

RESULTS = {"method": "GET", "path": "/v1/batches/*/results"}
REQUESTS = {"method": "GET", "path": "/v1/batches/*/requests"}
UPLOAD = {"method": "POST", "path": "/v1/files"}
ODD_NAMES = ["spring/hero", "x" * 240, 'sale "50 %"; cheap', "../../tmp/evil", "..", "nachts-\u00e4"]


@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("to_folder", [False, True])
def test_a_batch_of_any_name_has_its_manifest(
    sandbox: Sandbox, settle: Settle, store: Store, tmp_path: Path, name: str, to_folder: bool
) -> None:
    batch = submission(edits(store(), 2), name=name).execute()
    run = persisting(batch, destination=f"{tmp_path}/kept" if to_folder else None)
    assert len(run.execute()) == 2
    if to_folder:
        assert Path(run.xcom["manifest"]).parent == tmp_path / "kept"
        assert len(Path(run.xcom["manifest"]).read_text().splitlines()) == 2
    else:
        assert [row["state"] for row in rows_of(sandbox, run)] == ["kept", "kept"]


@pytest.mark.parametrize(
    ("fault", "permanent"),
    [
        ({**REQUESTS, "action": {"status": 500}}, False),
        ({**UPLOAD, "action": {"status": 503}}, False),
        ({**UPLOAD, "action": {"status": 403}}, True),
    ],
    ids=["list of requests", "manifest", "manifest refused"],
)
def test_what_fails_after_everything_was_kept_leaves_it_in_xcom(
    sandbox: Sandbox, settle: Settle, store: Store, time: Time, fault: dict[str, Any], permanent: bool
) -> None:
    batch = submission(edits(store(), 3)).execute()
    sandbox.faults.add({**fault, "times": None})
    run = persisting(batch)
    with pytest.raises(AirflowException, match="everything is kept and in XCom, but") as failed:
        run.execute()
    assert isinstance(failed.value, AirflowFailException) is permanent
    assert len(run.xcom["return_value"]) == 3
    assert run.receipt["counts"] == {"requests": 3, "kept": 3}
    sandbox.faults.clear()
    assert len(run.execute()) == 3
    assert len(rows_of(sandbox, run)) == 3


def test_a_lost_page_of_results_is_asked_for_again(sandbox: Sandbox, settle: Settle, store: Store, time: Time) -> None:
    batch = submission(edits(store(), 8)).execute()
    sandbox.faults.add({**RESULTS, "skip": 1, "times": 12, "action": {"status": 500}})
    assert len(persisting(batch).execute()) == 8


def test_results_that_cannot_be_listed_any_more_leave_what_was_kept_in_xcom(
    sandbox: Sandbox, settle: Settle, store: Store, time: Time
) -> None:
    batch = submission(edits(store(), 8)).execute()
    sandbox.faults.add({**RESULTS, "skip": 1, "times": None, "action": {"status": 500}})
    run = persisting(batch)
    with pytest.raises(AirflowException, match="500"):
        run.execute()
    kept = [name for name in names(sandbox) if ".row-" in name]
    assert len(kept) == 8  # the sandbox stored all; five stood on the page that came
    assert len(run.xcom["return_value"]) == run.receipt["counts"]["kept"] == 5


def test_results_that_cannot_be_copied_cost_what_they_cost(
    sandbox: Sandbox, settle: Settle, store: Store, time: Time
) -> None:
    settle(batch_storage=False)
    batch = submission(edits(store(), 3)).execute()
    sandbox.faults.add({"method": "GET", "path": "/imgen/*", "times": None, "action": {"status": 302}})
    run = persisting(batch)
    with pytest.raises(AirflowException):
        run.execute()
    assert run.receipt["usage"]["cost_in_usd_ticks"] == sandbox.ledger.total_ticks
    assert "billed" not in str([row["reason"] for row in rows_of(sandbox, run)])


def test_requests_that_failed_alike_are_counted_together(sandbox: Sandbox, settle: Settle, store: Store) -> None:
    sandbox.faults.add({"method": "POST", "path": "/v1/batches/*/requests", "action": {"fail": "internal_error"}})
    batch = submission(edits(store(), 4)).execute()
    with pytest.raises(AirflowFailException, match=r"wants 1\. 4 x failed: batch failed \(internal\)") as failed:
        persisting(batch).execute()
    assert ".." not in str(failed.value)
    assert asked(sandbox, "POST", ":cancel") == []
    assert ask(sandbox, "GET", f"/batches/{batch}")["state"]["num_error"] == 4
