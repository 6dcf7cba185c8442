"""A batch is cancelled only when its task is over for good; in doubt it runs on."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.execution_time import task_runner

from airflow_provider_grok.flows.batches.cancel import OVER
from airflow_provider_grok.operators.batches import generate_image
from airflow_provider_grok.sandbox.server import Sandbox
from airflow_provider_grok.triggers.jobs import GrokJobTrigger
from tests.airflow_task import TaskInstance, asked, until
from tests.batch_run import Settle, Store, ask, edits, persisting, submission

STATES = ("failed", "success", "skipped", "removed", "upstream_failed")
GOES_ON = ("running", "deferred", "scheduled", "queued", "up_for_retry", "up_for_reschedule", "restarting", None)


class Supervisor:
    """The supervisor of a worker or triggerer, as far as it is asked for states."""

    def __init__(self, states: dict[str, dict[str, str]]) -> None:
        self.states, self.asked = states, list[Any]()

    async def asend(self, question: Any) -> Any:
        self.asked.append(question)
        return SimpleNamespace(task_states=self.states)


def task_is(monkeypatch: pytest.MonkeyPatch, state: str | None, key: str | None = None) -> Supervisor:
    """Airflow says so of every task of the run."""
    tasks = {} if state is None else dict.fromkeys([key] if key else ["persist", "batch"], state)
    supervisor = Supervisor({"monday": tasks})
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", supervisor, raising=False)
    return supervisor


@pytest.fixture
def running(settle: Settle, store: Store) -> str:
    """A batch that is far from done."""
    settle(batch_seconds=3600)
    batch: str = submission(edits(store(), 2)).execute()
    return batch


def cancelled(sandbox: Sandbox, batch: str) -> bool:
    return ask(sandbox, "GET", f"/batches/{batch}")["cancel_time"] is not None


def kill_worker(batch: str) -> None:
    """What happens to a worker that waits in place."""
    run = persisting(batch)
    operator = run.fresh()
    operator._persisting(run.context)
    operator.on_kill()


def trigger_of(batch: str, **of: Any) -> GrokJobTrigger:
    trigger: Any = persisting(batch, deferrable=True).defer()
    trigger.task_instance = TaskInstance("persist", **of)
    assert isinstance(trigger, GrokJobTrigger)
    return trigger


@pytest.mark.parametrize("state", STATES)
def test_a_worker_whose_task_is_over_cancels_the_batch(
    sandbox: Sandbox, running: str, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    task_is(monkeypatch, state)
    kill_worker(running)
    assert cancelled(sandbox, running)


@pytest.mark.parametrize("state", GOES_ON)
def test_a_task_that_will_run_again_leaves_its_batch_alone(
    sandbox: Sandbox, running: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], state: str
) -> None:
    task_is(monkeypatch, state)
    kill_worker(running)
    assert not cancelled(sandbox, running)
    assert f"GrokBatchCancelOperator(batch_id='{running}')" in capsys.readouterr().out


@pytest.mark.parametrize(("state", "ends"), [("failed", True), ("deferred", False), ("running", False)])
def test_a_killed_trigger_cancels_the_batch_only_if_its_task_is_over(
    sandbox: Sandbox, running: str, monkeypatch: pytest.MonkeyPatch, state: str, ends: bool
) -> None:
    supervisor = task_is(monkeypatch, state)
    asyncio.run(trigger_of(running).on_kill())
    assert cancelled(sandbox, running) is ends
    question = supervisor.asked[0]
    assert (question.dag_id, question.task_ids, question.run_ids) == ("shop", ["persist"], ["monday"])


@pytest.mark.parametrize(("state", "over"), [("failed", True), (None, True), ("deferred", False), ("running", False)])
def test_a_picture_that_is_let_go_of_is_said_to_be_billed_only_where_nobody_takes_it_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, state: str | None, over: bool
) -> None:
    caplog.set_level(logging.INFO)
    supervisor = task_is(monkeypatch, state)
    trigger: Any = GrokJobTrigger(kind="image", job_id="id-1", submitted_at=0.0, name="shop.edit.0123.jpg")
    trigger.task_instance = TaskInstance("persist")
    asyncio.run(trigger.on_kill())
    assert ("cannot be cancelled: it will be billed" in caplog.text) is over
    assert ("goes on with image job id-1" in caplog.text) is not over
    assert len(supervisor.asked) == 1


def test_a_mapped_task_is_known_by_its_index(sandbox: Sandbox, running: str, monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor = task_is(monkeypatch, "failed", "persist_3")
    asyncio.run(trigger_of(running, map_index=3).on_kill())
    assert cancelled(sandbox, running)
    assert supervisor.asked[0].map_index == 3


def test_cancelling_survives_being_cancelled_itself(
    sandbox: Sandbox, running: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_is(monkeypatch, "failed")
    trigger = trigger_of(running)
    sandbox.faults.add({"path": f"/v1/batches/{running}:cancel", "action": {"delay": 0.2}})

    async def main() -> None:
        killing = asyncio.create_task(trigger.on_kill())
        await until(lambda: sandbox.faults.list[0]["hits"])
        killing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await killing
        await until(lambda: asked(sandbox, "POST", ":cancel"))

    asyncio.run(main())
    assert cancelled(sandbox, running)


def test_in_doubt_nothing_is_cancelled(sandbox: Sandbox, running: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent:
        async def asend(self, question: Any) -> Any:
            raise RuntimeError("no supervisor here")

    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Silent(), raising=False)
    kill_worker(running)
    asyncio.run(trigger_of(running).on_kill())
    assert not cancelled(sandbox, running)


def test_a_batch_that_cannot_be_cancelled_is_named_for_the_person_who_can(
    sandbox: Sandbox, running: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    task_is(monkeypatch, "failed")
    sandbox.faults.add({"path": f"/v1/batches/{running}:cancel", "times": None, "action": {"status": 400}})
    kill_worker(running)
    assert f"{running} could not be cancelled" in capsys.readouterr().out


def test_the_states_that_are_over_are_airflows_own() -> None:
    assert set(STATES) == OVER


def test_a_killed_task_leaves_batches_of_another_run_alone(
    sandbox: Sandbox, settle: Settle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settle(batch_seconds=3600)
    rows = [generate_image(f"row-{number}", prompt=f"look {number}") for number in range(4)]
    first = submission(rows[:2], reuse="always", name="nightly", of={"run_id": "sunday"}).execute()
    second = submission(rows, reuse="always", name="nightly").execute()
    task_is(monkeypatch, "failed")
    kill_worker(second)
    assert (cancelled(sandbox, first), cancelled(sandbox, second)) == (False, True)
    kill_worker(first)
    assert not cancelled(sandbox, first)
    assert "submitted by another DAG run: it is left alone" in capsys.readouterr().out


def test_a_killed_task_cancels_all_batches_of_its_list(
    sandbox: Sandbox, settle: Settle, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(batch_seconds=3600)
    rows = [generate_image(f"row-{number}", prompt=f"look {number}") for number in range(4)]
    run = submission(rows[:2])
    first = run.execute()
    run.arguments["requests"] = rows
    second = run.execute()
    task_is(monkeypatch, "failed")
    asyncio.run(trigger_of(second).on_kill())
    assert (cancelled(sandbox, first), cancelled(sandbox, second)) == (True, True)
