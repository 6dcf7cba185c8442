"""Cancelling a batch whose task was ended by a person, and only then; of what cannot be cancelled, saying so.

Airflow calls `on_kill` also when a task is merely cleared or its trigger moves to another triggerer; the next try goes
on with the batch then. So the task's state decides, and in doubt nothing is cancelled.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_grok.api.jobs import Job

#: Task states after which nobody will come for the results.
OVER = frozenset({"success", "failed", "skipped", "removed", "upstream_failed"})
#: Seconds that asking and cancelling may take: Airflow kills the process a few seconds later.
HURRY = 4.0


def cancel_if_over(hook: Any, ti: Any, batch_id: str, log: Any) -> None:
    """Cancel a batch from a worker that was told to stop, if its task is over.

    :param hook: the connection.
    :param ti: the task instance; None where it is not known.
    :param batch_id: the batch.
    :param log: where to tell what happens.
    """
    trouble: list[str] = ["it took too long"]

    def work() -> None:
        try:
            asyncio.run(asyncio.wait_for(acancel_if_over(hook, ti, batch_id, log), HURRY))
            trouble.clear()
        except Exception as error:
            trouble[:] = [f"{type(error).__name__}: {error}"]

    # A thread of its own: the main one may have been interrupted while it talked to Airflow itself. A daemon, so that
    # it cannot keep a process alive that was told to end.
    thread = threading.Thread(target=work, name="grok-kill", daemon=True)
    thread.start()
    thread.join(HURRY + 1)
    for words in trouble:
        log.error("Batch %s may still run (%s). %s", batch_id, words, _advice(batch_id))


async def acancel_if_over(hook: Any, ti: Any, batch_id: str, log: Any) -> None:
    """Cancel a batch if its task is over.

    :param hook: the connection.
    :param ti: the task instance; None where it is not known.
    :param batch_id: the batch.
    :param log: where to tell what happens.
    """
    from airflow_provider_grok.api import batches, errors

    state = await _state(ti)
    if state not in OVER:
        log.warning(
            "Killed while the task is %s: batch %s is not cancelled, the next try goes on with it. %s",
            *(state or "in an unknown state", batch_id, _advice(batch_id)),
        )
        return
    try:
        batch = await hook.arun(batches.cancel(batch_id))
    except errors.GrokError as error:
        log.error("Batch %s could not be cancelled: %s %s", batch_id, error, _advice(batch_id))
        return
    log.warning("The task is %s: batch %s is cancelled (%s).", state, batch_id, batch.note)


async def atell(ti: Any, job: Job, name: str, log: Any) -> None:
    """Say what goes on where a picture or video is let go of, for neither can be cancelled.

    :param ti: the task instance; None where it is not known.
    :param job: the job.
    :param name: name under which its result is stored.
    :param log: where to tell it.
    """
    state = await _state(ti)
    if state is not None and state not in OVER:
        log.info("The task is %s: whoever takes it up next goes on with %s job %s.", state, job.kind, job.id)
        return
    log.warning(
        "%s job %s cannot be cancelled: it will be billed, and its result stored in xAI Files as %s. Clearing the task "
        "adopts it.",
        *(job.kind, job.id, name),
    )


def _advice(batch_id: str) -> str:
    return f"To stop it: GrokBatchCancelOperator(batch_id='{batch_id}'), or https://console.x.ai."


async def _state(ti: Any) -> str | None:
    """The state of a task instance as Airflow has it now; None where it cannot be known."""
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
    except Exception:
        return None
    return str(getattr(state, "value", state)) if state is not None else None
