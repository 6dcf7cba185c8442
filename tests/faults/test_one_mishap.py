"""One request of a task goes wrong, once: after Airflow's retries the task has come to what it comes to undisturbed.

The same result, the same stored files, each asset charged once. `FAULTS_ALL=1 uv run pytest tests/faults` lets every
mishap befall every endpoint, which takes some minutes.
"""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airflow_provider_grok.api.endpoint import Endpoint
from airflow_provider_grok.hooks import connection
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import TaskRun, Time, names
from tests.faults.errands import ERRANDS, World
from tests.faults.mishaps import DRAG, EVERY, LATE, PATIENT, Mishap, some

TRIES, RETRY_DELAY = 3, 300.0

#: Every mishap for what costs money; for the rest, a few of each family, so that together they meet all of them.
CASES = [
    (name, mishap)
    for number, (name, errand) in enumerate(ERRANDS.items())
    for mishap in (EVERY if errand.thorough or "FAULTS_ALL" in os.environ else some(number))
]
_undisturbed: dict[str, Any] = {}


class DraggingTime(Time):
    """Virtual time that takes a little real time too, until the late answer must have come."""

    left = LATE

    def sleep(self, seconds: float) -> None:
        rest = min(self.left, seconds * DRAG)
        self.left -= rest
        threading.Event().wait(rest)
        super().sleep(seconds)


@pytest.fixture
def world(sandbox: Sandbox, time: Time, store: Callable[..., str], tmp_path: Path) -> World:
    """The sandbox in virtual time, and what lies about."""
    return World(sandbox, store, tmp_path)


@pytest.mark.parametrize(("name", "mishap"), CASES, ids=lambda part: getattr(part, "name", part))
def test_a_task_that_suffered_one_mishap_comes_to_what_it_comes_to_undisturbed(
    name: str, mishap: Mishap, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    errand = ERRANDS[name]
    if name not in _undisturbed:
        _undisturbed[name] = come_to(errand.task(world), world)
        world.sandbox.backend.reset()
        world.sandbox.clock.rate = 0
    run = errand.task(world)
    if mishap.is_late:
        lose_patience(monkeypatch, world)
    hits = mishap.befall(world.sandbox, monkeypatch, errand.method, errand.path)
    assert come_to(run, world) == _undisturbed[name]
    assert hits() == 1


def come_to(run: TaskRun, world: World) -> dict[str, Any]:
    """What a task comes to after retries, with names for ids: those may differ."""
    result = with_retries(run, world)
    sandbox = world.sandbox
    # Whatever runs on is over by then; the ledger is shown when every job that is due has ended.
    sandbox.clock.advance(60)
    urlopen(f"{sandbox.url.removesuffix('/v1')}/_sandbox/ledger").close()
    rows = sandbox.backend.store.rows("SELECT id, filename FROM files")
    rows += sandbox.backend.store.rows("SELECT id, name FROM batches")
    called = {row[0]: row[1] for row in rows}
    return {
        "result": plain(result, called),
        "files": sorted(names(sandbox)),
        "batches": len(sandbox.backend.store.rows("SELECT id FROM batches")),
        "charges": sorted((one["endpoint"], one["ticks"]) for one in sandbox.ledger.charges),
        "links": sorted(called[row[0]] for row in shared(sandbox)),
        "receipt files": [row["filename"] for row in run.xcom.get("receipt", {}).get("files", [])],
    }


def with_retries(run: TaskRun, world: World) -> Any:
    """Execute a task as Airflow does: again after a failure that allows it."""
    for left in reversed(range(TRIES)):
        try:
            return run.execute()
        except AirflowFailException:
            raise
        except AirflowException:
            if not left:
                raise
            world.sandbox.clock.advance(RETRY_DELAY)
    raise AssertionError("unreachable")


def plain(result: Any, called: dict[str, str]) -> Any:
    """A result with names for ids and without what chance made of it."""
    if isinstance(result, list):
        return [plain(one, called) for one in result]
    if isinstance(result, str) and result.startswith("http"):
        return result.rpartition(".")[2]
    if isinstance(result, str) and result.startswith("/"):
        return Path(result).name, Path(result).read_bytes()
    return called.get(result, result) if isinstance(result, str) else result


def shared(sandbox: Sandbox) -> list[Any]:
    return list(sandbox.backend.store.rows("SELECT id FROM files WHERE deleted = 0 AND public_path IS NOT NULL"))


def lose_patience(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    """Wait for an answer for a moment only, and let virtual time keep step with the late answer."""
    usual = connection.endpoint_of

    def impatient(*arguments: Any) -> Endpoint:
        return dataclasses.replace(usual(*arguments), timeout=PATIENT)

    monkeypatch.setattr(connection, "endpoint_of", impatient)
    dragging = DraggingTime(world.sandbox)
    for name in ("now", "sleep", "asleep"):
        monkeypatch.setattr(f"airflow_provider_grok.api.wire.RealClock.{name}", staticmethod(getattr(dragging, name)))
