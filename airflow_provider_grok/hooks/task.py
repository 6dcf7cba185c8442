"""The running task as the flows see it: who it is, and its task state store."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_grok.flows.purchases.store import TaskIdentity

log = logging.getLogger(__name__)


class TaskStateStore:
    """Airflow's task state store, in which our records live as long as their run.

    :param accessor: `task_state_store` of the task's context.
    """

    def __init__(self, accessor: Any) -> None:
        self.accessor = accessor

    def get(self, key: str, default: Any = None) -> Any:
        """Read a value.

        :param key: its key.
        :param default: what to return where there is none.
        """
        return self.accessor.get(key, default)

    def set(self, key: str, value: Any) -> None:
        """Keep a value until its run is deleted.

        :param key: its key.
        :param value: JSON data.
        """
        from airflow.sdk.execution_time.context import NEVER_EXPIRE

        self.accessor.set(key, value, retention=NEVER_EXPIRE)


def task_identity(context: Mapping[str, Any]) -> TaskIdentity:
    """Who buys, from a task's context.

    :param context: the Airflow task context.
    """
    from airflow.sdk import conf

    from airflow_provider_grok.flows.purchases.store import TaskIdentity

    ti, store = context["ti"], TaskStateStore(context["task_state_store"])
    # Airflow counts tries on when a task is cleared, and `max_tries` with them.
    try_number = getattr(ti, "try_number", None)
    return TaskIdentity(
        ti.dag_id,
        ti.run_id,
        ti.task_id,
        ti.map_index,
        ti.max_tries,
        store,
        try_number=try_number or 1,
        retries_left=None if try_number is None else try_number <= ti.max_tries,
        cleared_on_success=conf.getboolean("state_store", "clear_on_success", fallback=False),
    )


def current_task() -> TaskIdentity:
    """The task that is running now; outside any task, nobody."""
    from airflow.sdk import get_current_context

    from airflow_provider_grok.flows.purchases.store import TaskIdentity

    try:
        context = get_current_context()
    except RuntimeError:
        return TaskIdentity.nobody()
    return task_identity(context)


async def task_state(ti: Any) -> str | None:
    """The state of a task instance as Airflow has it now; None where it cannot be known.

    :param ti: the task instance; None where it is not known.
    """
    if ti is None:
        return None
    try:
        from airflow.sdk.execution_time import task_runner
        from airflow.sdk.execution_time.comms import GetTaskStates

        question = GetTaskStates(dag_id=ti.dag_id, task_ids=[ti.task_id], run_ids=[ti.run_id], map_index=ti.map_index)
        answer = await task_runner.SUPERVISOR_COMMS.asend(question)
        states: dict[str, Any] = getattr(answer, "task_states", {}).get(ti.run_id, {})
        mapped = f"{ti.task_id}_{ti.map_index}"
        state = states.get(mapped if mapped in states else ti.task_id)
    except Exception as error:
        log.warning("Airflow does not say how the task stands: %s: %s", type(error).__name__, error)
        return None
    return str(getattr(state, "value", state)) if state is not None else None
