"""A list that changes between two clears, in four processes of Airflow: only its new rows are paid for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .live import LiveAirflow
from .rest import until
from .sandbox import SandboxProcess


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """A strict sandbox whose batches store nothing and take ten seconds."""
    options = ("--no-batch-storage", "--batch-seconds", "10")
    with SandboxProcess(tmp_path_factory.mktemp("sandbox"), *options) as running:
        yield running


@pytest.mark.parametrize("dag", ["changed_list", "changed_list_deferrable"])
def test_a_list_that_changes_between_two_clears_pays_only_for_new_rows(
    airflow: LiveAirflow, sandbox: SandboxProcess, tmp_path: Path, dag: str
) -> None:
    said, before = tmp_path / "rows", len(sandbox.charges())
    said.write_text("4")
    run = airflow.trigger(dag, {"rows": str(said)})
    assert airflow.wait(dag, run, timeout=240) == "success"
    paid = []
    for tries, count in ((2, 6), (3, 3), (4, 6)):
        said.write_text(str(count))
        airflow.clear_run(dag, run)
        _wait_for_try(airflow, dag, run, tries)
        assert len(set(airflow.xcom(dag, run, "keep"))) == count
        paid.append(len(sandbox.charges()) - before)
    assert paid == [6, 6, 6]


def _wait_for_try(airflow: LiveAirflow, dag: str, run: str, tries: int) -> None:
    def ended() -> bool | None:
        found = airflow.task_instance(dag, run, "keep") or {}
        return (found.get("state") == "success" and (found.get("try_number") or 0) >= tries) or None

    until(ended, 240, lambda: f"{dag}, try {tries}: {airflow.states(dag, run)}")
    # The run ends a moment after its last task: cleared in between, it would never be scheduled again.
    assert airflow.wait(dag, run) == "success"
