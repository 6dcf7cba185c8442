"""Cancelling a batch whose task was ended by a person, and only then; of what cannot be cancelled, saying so.

Airflow calls `on_kill` also when a task is merely cleared or its trigger moves to another triggerer; the next try goes
on with the batch then. So the task's state decides, and in doubt nothing is cancelled. Where a list's rows lie in
several batches, those that the same DAG run submitted are cancelled: another run may still wait for the others.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_grok.api.batches import Batch, State
    from airflow_provider_grok.api.call import Flow
    from airflow_provider_grok.api.jobs import Job

#: Task states after which nobody will come for the results.
OVER = frozenset({"success", "failed", "skipped", "removed", "upstream_failed"})
#: Seconds that asking and cancelling may take: Airflow kills the process a few seconds later.
HURRY = 4.0

#: Asks Airflow for the state of a task instance; None where it cannot be known.
StateOf = Callable[[Any], Awaitable[str | None]]


def cancel_all(
    batch_id: str, run: str | None = None, log: logging.Logger | Any = None
) -> Flow[tuple[State, list[str]]]:
    """Cancel all batches that a batch id stands for, as far as one DAG run submitted them.

    :param batch_id: the batch.
    :param run: mark of the DAG run (`rows.run_mark`) that wants it cancelled; None: a person wants the batch itself
        cancelled, and with it what was submitted along with it.
    :param log: where to tell what is left alone.
    :returns: the counters of all that is cancelled, and its ids, the batch's own last.
    """
    from airflow_provider_grok.api import batches, errors
    from airflow_provider_grok.flows.batches.contents import contents_of, provisional
    from airflow_provider_grok.flows.batches.rows import RowBatchName

    log = log or logging.getLogger(__name__)
    own: Batch = yield from batches.get(batch_id)
    name = RowBatchName.parse(own.name)
    mark = run or (name.run if name else None)
    if name and name.run != mark:
        log.warning("Batch %s was submitted by another DAG run: it is left alone.", batch_id)
        return own.state, []
    # The batch itself first: the time may run out.
    found = {batch_id: (yield from batches.cancel(batch_id))}
    try:
        contents = yield from contents_of(batch_id, log)
    except errors.GrokError as error:
        log.warning("It is not known which other batches belong to %s: %s", batch_id, error)
        contents = provisional(own)
    for other in contents.batch_ids if name else ():
        if other not in found and (batch := (yield from _of_run(other, mark, log))):
            found[other] = yield from batches.cancel(batch.batch_id)
    ids = [one for one in found if one != batch_id] + [batch_id]
    return _added_up(list(found.values())), ids


def _of_run(batch_id: str, mark: str | None, log: logging.Logger | Any) -> Flow[Batch | None]:
    from airflow_provider_grok.api import batches
    from airflow_provider_grok.flows.batches.rows import RowBatchName

    batch = yield from batches.get(batch_id)
    name = RowBatchName.parse(batch.name)
    if name and name.run == mark:
        return batch
    log.info("Batch %s was submitted by another DAG run: it is left alone.", batch_id)
    return None


def _added_up(cancelled: list[Batch]) -> State:
    from airflow_provider_grok.api.batches import State

    counts = [batch.state.model_copy(update={"num_pending": batch.state.pending}) for batch in cancelled]
    names = ("num_requests", "num_pending", "num_success", "num_error", "num_cancelled")
    return State(**{name: sum(getattr(one, name) or 0 for one in counts) for name in names})


def cancel_if_over(hook: Any, ti: Any, batch_id: str, log: Any, *, state_of: StateOf) -> None:
    """Cancel a batch from a worker that was told to stop, if its task is over.

    :param hook: the connection.
    :param ti: the task instance; None where it is not known.
    :param batch_id: the batch.
    :param log: where to tell what happens.
    :param state_of: asks Airflow for the task's state.
    """
    trouble: list[str] = ["it took too long"]

    def work() -> None:
        try:
            asyncio.run(asyncio.wait_for(acancel_if_over(hook, ti, batch_id, log, state_of=state_of), HURRY))
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


async def acancel_if_over(hook: Any, ti: Any, batch_id: str, log: Any, *, state_of: StateOf) -> None:
    """Cancel a batch if its task is over.

    :param hook: the connection.
    :param ti: the task instance; None where it is not known.
    :param batch_id: the batch.
    :param log: where to tell what happens.
    :param state_of: asks Airflow for the task's state.
    """
    from airflow_provider_grok.api import errors
    from airflow_provider_grok.flows.batches.rows import run_mark

    state = await state_of(ti)
    if state not in OVER:
        log.warning(
            "Killed while the task is %s: batch %s is not cancelled, the next try goes on with it. %s",
            *(state or "in an unknown state", batch_id, _advice(batch_id)),
        )
        return
    try:
        counts, ids = await hook.arun(cancel_all(batch_id, run_mark(ti.dag_id, ti.run_id), log))
    except errors.GrokError as error:
        log.error("Batch %s could not be cancelled: %s %s", batch_id, error, _advice(batch_id))
        return
    for one in ids:
        log.warning("The task is %s: batch %s is cancelled (%s).", state, one, counts.note)


async def report_uncancellable(ti: Any, job: Job, name: str, log: Any, *, state_of: StateOf) -> None:
    """Say what goes on where a picture or video is let go of, for neither can be cancelled.

    :param ti: the task instance; None where it is not known.
    :param job: the job.
    :param name: name under which its result is stored.
    :param log: where to tell it.
    :param state_of: asks Airflow for the task's state.
    """
    state = await state_of(ti)
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
