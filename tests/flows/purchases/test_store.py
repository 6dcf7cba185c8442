"""What a task instance remembers: buyers, tokens, records."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_grok.flows.purchases.key import request_digest
from airflow_provider_grok.flows.purchases.store import Record, TaskIdentity, default_stem
from airflow_provider_grok.hooks.task import current_task, task_identity
from tests.airflow_task import StateStore, TaskInstance

WHO: dict[str, Any] = {"dag_id": "shop", "run_id": "monday", "task_id": "edit"}


def record(**fields: Any) -> Record:
    usual: dict[str, Any] = {"token": "t", "generation": 0, "phase": "done", "max_tries": 1, "at": 0.0}
    return Record(**{**usual, "kind": "image", "name": "a.jpg", **fields})


@pytest.mark.parametrize("other", [{"dag_id": "x"}, {"run_id": "x"}, {"task_id": "x"}, {"map_index": 3}])
def test_another_task_instance_has_another_token_unless_reuse_is_always(other: dict[str, Any]) -> None:
    mine, theirs = TaskIdentity(**WHO), TaskIdentity(**{**WHO, **other})
    for reuse, same in (("run", False), ("attempt", False), ("always", True)):
        tokens = [buyer.token("digest", reuse, 0) for buyer in (mine, theirs)]  # type: ignore[arg-type]
        assert (tokens[0] == tokens[1]) is same


def test_a_clear_changes_the_token_of_reuse_attempt_only() -> None:
    buyer = TaskIdentity(**WHO)
    assert buyer.token("d", "attempt", 0) != buyer.token("d", "attempt", 1)
    assert buyer.token("d", "run", 0) == buyer.token("d", "run", 1)


def test_names_that_run_together_are_told_apart() -> None:
    assert TaskIdentity("a", "bc", "t").token("d", "run", 0) != TaskIdentity("ab", "c", "t").token("d", "run", 0)


@pytest.mark.parametrize(("phase", "max_tries", "generation"), [("done", 1, 0), ("done", 2, 1), ("submitted", 2, 0)])
def test_only_a_clear_of_a_finished_task_raises_the_generation(phase: Any, max_tries: int, generation: int) -> None:
    buyer = TaskIdentity(**WHO, max_tries=max_tries)
    assert buyer.generation(record(phase=phase), "attempt") == generation
    assert buyer.generation(record(phase=phase), "run") == 0
    assert buyer.generation(None, "attempt") == 0


def test_what_does_not_change_the_picture_does_not_change_the_digest() -> None:
    body = {"prompt": "x", "n": 1}
    digest = request_digest("/images/edits", body)
    for more in ({"storage_options": {"filename": "a"}}, {"user": "u"}, {"deferred": True}):
        assert request_digest("/images/edits", {**body, **more}) == digest
    assert request_digest("/images/edits", {"n": 1, "prompt": "x"}) == digest
    assert request_digest("/images/edits", {**body, "n": 2}) != digest
    assert request_digest("/images/generations", body) != digest


def test_a_record_holds_no_prompt_and_survives_the_store() -> None:
    buyer = TaskIdentity(**WHO, store=StateStore())
    buyer.write("slot", record(job_id="id-1", spent=7))
    assert buyer.read("slot") == record(job_id="id-1", spent=7)
    assert "prompt" not in json.dumps(buyer.store.get("slot"))


def test_a_record_of_another_version_is_read() -> None:
    kept = StateStore()
    TaskIdentity(**WHO, store=kept).write("slot", record())
    kept.set("slot", {**kept.get("slot"), "invented_later": 1})
    assert TaskIdentity(**WHO, store=kept).read("slot") == record()


@pytest.mark.parametrize("value", [None, "text", [1], 7])
def test_what_is_no_record_is_none(value: Any) -> None:
    kept = StateStore()
    kept.set("slot", value)
    assert TaskIdentity(**WHO, store=kept).read("slot") is None


def test_the_cost_of_a_job_that_nobody_saw_end_is_its_estimate() -> None:
    assert record(phase="submitted", estimate=5, spent=2).cost == 7
    assert record(phase="done", estimate=5, spent=2, result={"ticks": 4}).cost == 6
    assert record(phase="failed", estimate=5, spent=2).cost == 2


def test_a_buyer_is_read_from_the_tasks_context() -> None:
    context: Any = {"ti": TaskInstance("edit", map_index=2), "task_state_store": StateStore()}
    assert task_identity(context) == TaskIdentity("shop", "monday", "edit", 2, 0)


def test_outside_a_task_nobody_buys_twice_the_same() -> None:
    first, second = current_task(), current_task()
    assert first.token("d", "run", 0) != second.token("d", "run", 0)


def test_a_stem_is_made_of_what_a_name_may_hold() -> None:
    assert default_stem(TaskIdentity("my dag/ü", "r", "group.task")) == "my-dag-.group.task"
