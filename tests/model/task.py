"""The seam to the real code: everything that the model knows of `flows/` and `api/` beyond calls and answers.

The operators' part (`operators/make.py`) is written here again in a few lines, because the model runs without Airflow.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from airflow_provider_grok.api import errors, files, images, jobs, polling, videos, wire
from airflow_provider_grok.api.call import Call, Flow, Now, Sleep
from airflow_provider_grok.api.endpoint import Endpoint
from airflow_provider_grok.api.kinds import KINDS
from airflow_provider_grok.flows.files.result_store import NotStorable, NotStored
from airflow_provider_grok.flows.purchases.key import earlier_digests, request_digest
from airflow_provider_grok.flows.purchases.names import bears, search
from airflow_provider_grok.flows.purchases.options import PurchaseOptions, Settings
from airflow_provider_grok.flows.purchases.purchase import ForeignAccount, Purchase, RecoveryPending
from airflow_provider_grok.flows.purchases.result import PurchaseResult, PurchaseState
from airflow_provider_grok.flows.purchases.store import LedgerStore, TaskIdentity
from tests.model.listings import SOURCE
from tests.model.options import TaskPlan
from tests.model.server import PICTURE, SOURCE_PRICE, VIDEO
from tests.model.store import WorkerStore

SLOT = "purchase"


class Silence:
    """A log that keeps nothing: the model's history tells what happened."""

    def _drop(self, text: str, *values: object, **_: Any) -> None:
        return

    debug = info = warning = error = exception = _drop


@dataclass(frozen=True)
class Deferral:
    """The task leaves its worker.

    :param wait: the flow of the trigger; its value, or the type of its error, goes to `resume`.
    :param job_id: the job that is waited for; empty: a lost response's result.
    """

    wait: Flow[Any]
    job_id: str


@dataclass(frozen=True)
class Delivery:
    """The task succeeded.

    :param file_ids: what it returns.
    """

    file_ids: tuple[str, ...]


class Task:
    """One try of one task instance, on the real flows.

    :param plan: the task.
    :param prompt: what this try asks for.
    :param cap: its `max_cost_usd`; None: no limit.
    :param store: the task state store.
    :param key: API key.
    :param try_number: Airflow's.
    :param max_tries: Airflow's.
    :param recovery_wait: the connection's.
    :param cleared_on_success: Airflow's `[state_store] clear_on_success`.
    """

    def __init__(
        self,
        plan: TaskPlan,
        prompt: str,
        cap: float | None,
        store: WorkerStore,
        *,
        key: str,
        try_number: int,
        max_tries: int,
        recovery_wait: float | None,
        cleared_on_success: bool,
    ) -> None:
        self.plan = plan
        self.endpoint = Endpoint(key=key)
        self.log = Silence()
        self.call = _call(plan, prompt)
        identity = TaskIdentity(
            "Shop_dag",
            "manual__1",
            plan.name,
            -1,
            max_tries,
            store,
            try_number=try_number,
            retries_left=try_number <= max_tries,
            cleared_on_success=cleared_on_success,
        )
        self.options = PurchaseOptions.of(
            Settings(recovery_wait=recovery_wait),
            begun=LedgerStore(store, SLOT).read().has_begun(),
            reuse=plan.reuse,
            expires_after=plan.life,
            share=plan.share,
            max_cost_usd=cap,
            timeout=plan.timeout,
        )
        body = self.call.body or {}
        self.purchase = Purchase(
            self.options.request(self.call),
            identity,
            self.endpoint,
            digests=[request_digest(self.call.path, body), *earlier_digests(self.call.path, body)],
            slot=SLOT,
            reuse=self.options.reuse,
            recovery_wait=self.options.recovery_wait_of(self.call),
            timeout=self.timeout,
            can_defer=plan.deferrable,
            log=self.log,
        )

    @property
    def timeout(self) -> float:
        """Seconds to wait for the job."""
        return self.options.timeout_of(self.call)

    def execute(self) -> Flow[Deferral | Delivery]:
        """What the operator's `execute` does."""
        return (yield from self._carry_out(self.purchase.submit(), None, None))

    def resume(self, deferral: Deferral, error: errors.GrokError | None) -> Flow[Deferral | Delivery]:
        """What the operator's `execute_complete` does.

        :param deferral: what the trigger waited for.
        :param error: how its wait ended, if badly.
        """
        flow = self.purchase.resume(deferral.job_id, ended=error is None)
        return (yield from self._carry_out(flow, deferral, error))

    def _carry_out(
        self, flow: Flow[PurchaseState], deferral: Deferral | None, error: errors.GrokError | None
    ) -> Flow[Deferral | Delivery]:
        try:
            state = yield from flow
            if deferral and not state.ended and deferral.job_id and deferral.job_id == state.job_id:
                if error is not None and not isinstance(error, errors.JobTimeout):
                    raise errors.GrokError(str(error))
                raise self.purchase.timeout_error(state, (yield Now()))
            if self.plan.deferrable and not state.ended:
                state = yield from self._wait_in_place(state)
                if not state.ended:
                    deadline = state.submitted_at + self.timeout
                    return Deferral(polling.wait(state.job, deadline=deadline), state.job_id)
            state = yield from self.purchase.wait(state)
        except RecoveryPending as pending:
            if not self.plan.deferrable:
                raise
            return Deferral(_watch_files(pending.key, pending.count, pending.until), "")
        return (yield from self._deliver(state))

    def _wait_in_place(self, state: PurchaseState) -> Flow[PurchaseState]:
        state = yield from self.purchase.poll_once(state)
        try:
            return (yield from self.purchase.wait(state, KINDS[state.kind].defer_after))
        except errors.JobTimeout:
            return state

    def _deliver(self, state: PurchaseState) -> Flow[Delivery]:
        result: PurchaseResult = yield from self.purchase.conclude(state)
        if result.failure:
            raise result.failure
        _check(result)
        link = self.options.link
        for row in result.rows:
            if link and row.file_id and not row.public_url:
                yield from files.share(row.file_id, None if link is True else int(link))
        return Delivery(tuple(result.file_ids))

    def billed(self) -> dict[str, Any]:
        """The receipt's `billed`."""
        return self.purchase.billed()


def _watch_files(key: str, count: int, until: float) -> Flow[Any]:
    """What the trigger does for the result of a lost response."""
    while (yield Now()) < until:
        try:
            found = yield from search(key)
        except errors.GrokError:
            found = []
        if sum(bears(file.filename, key) for file in found) >= count:
            return found
        yield Sleep(15.0)
    raise errors.JobTimeout("nothing was found by its key")


def _call(plan: TaskPlan, prompt: str) -> Call[jobs.Accepted]:
    if plan.kind == "video":
        return videos.generate(videos.generation_body(prompt=prompt, model="grok-imagine-video-1.5"))
    if plan.source:
        return images.edit(
            images.edit_body(
                prompt=prompt,
                model="grok-imagine-image-2.0",
                image=SOURCE,
                n=plan.count,
                resolution="1k",
                quality="low",
            )
        )
    body = images.generation_body(
        prompt=prompt, model="grok-imagine-image-2.0", n=plan.count, aspect_ratio="auto", resolution="1k", quality="low"
    )
    return images.generate(body)


def _check(result: PurchaseResult) -> None:
    """`operators/delivery.check`, which needs Airflow."""
    lost = [row for row in result.rows if not row.file_id]
    if not lost:
        return
    error = errors.GrokError("; ".join(row.reason or "no reason" for row in lost))
    if any(isinstance(row, NotStored) for row in lost):
        error.permanent = all(isinstance(row, NotStorable) for row in lost)
    else:
        error.permanent = bool(result.file_ids)
    raise error


def steps(endpoint: Endpoint, work: Any) -> Generator[Any, Any, Any]:
    """A flow, with every call under the real retry rule.

    :param endpoint: where and as whom.
    :param work: the flow.
    """
    return wire.steps(endpoint, work)


def ends_for_good(error: Exception) -> bool:
    """Whether the operator fails at once instead of being tried again.

    :param error: how the try ended.
    """
    return isinstance(error, errors.GrokError) and bool(error.permanent)


def is_cost_limit(error: Exception) -> bool:
    """Whether a cap refused the purchase."""
    return isinstance(error, errors.CostLimit)


def is_foreign_account(error: Exception) -> bool:
    """Whether a task stopped because its purchase was made with another key.

    :param error: how the try ended.
    """
    return isinstance(error, ForeignAccount)


def is_recovery_pending(error: Exception) -> bool:
    """Whether a try left the search for a lost answer to the next one.

    :param error: how the try ended.
    """
    return isinstance(error, RecoveryPending)


def recovery_wait_of(kind: str, asked: float | None, timeout: float) -> float:
    """For how long an unknown outcome has to be looked for, at least.

    :param kind: image or video.
    :param asked: the connection's extra.
    :param timeout: the task's timeout.
    """
    return min(KINDS[kind].recovery_wait if asked is None else asked, timeout)  # type: ignore[index]


def usual_time_of(kind: str) -> float:
    """Seconds within which a job usually ends: so long a gateway's 429 is looked for.

    :param kind: image or video.
    """
    return KINDS[kind].usual  # type: ignore[index]


def price(plan: TaskPlan) -> int:
    """What one request of a task costs by the server's prices, in ticks.

    :param plan: the task.
    """
    if plan.kind == "video":
        return VIDEO
    return PICTURE * plan.count + (SOURCE_PRICE if plan.source else 0)
