"""The seam to the real code: everything that the model knows of `flows/` and `api/` beyond calls and answers.

The operators' part (`operators/make.py`) is written here again in a few lines, because the model runs without Airflow.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from airflow_provider_grok.api import errors, files, images, jobs, videos, wire
from airflow_provider_grok.api.call import Call, Flow
from airflow_provider_grok.api.endpoint import Endpoint
from airflow_provider_grok.flows.files.result_store import NotStorable, NotStored
from airflow_provider_grok.flows.purchases.key import request_digest
from airflow_provider_grok.flows.purchases.options import PurchaseOptions, Settings
from airflow_provider_grok.flows.purchases.purchase import Purchase
from airflow_provider_grok.flows.purchases.result import PurchaseResult
from airflow_provider_grok.flows.purchases.store import TaskIdentity
from tests.model.options import TaskPlan
from tests.model.store import WorkerStore

SLOT = "purchase"


class Silence:
    """A log that keeps nothing: the history is the log."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def _keep(self, text: str, *values: object, **_: Any) -> None:
        self.lines.append(text % values if values else text)

    debug = info = warning = error = exception = _keep


@dataclass(frozen=True)
class Deferral:
    """The task leaves its worker.

    :param wait: the flow of the trigger; its value, or the type of its error, goes to `resume`.
    :param job: what is waited for.
    """

    wait: Flow[Any]
    job: jobs.Job


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
    ) -> None:
        self.plan = plan
        self.endpoint = Endpoint(key=key)
        self.log = Silence()
        self.call = _call(plan, prompt)
        self.identity = TaskIdentity("Shop_dag", "manual__1", plan.name, -1, max_tries, store)
        self.options = PurchaseOptions.of(
            Settings(recovery_wait=recovery_wait),
            begun=self.identity.has_begun(Purchase.key(SLOT)),
            reuse=plan.reuse,
            expires_after=plan.life,
            share=plan.share,
            max_cost_usd=cap,
            timeout=plan.timeout,
        )
        self.purchase = Purchase(
            self.options.order(self.call),
            self.identity,
            self.endpoint,
            digest=request_digest(self.call.path, self.call.body or {}),
            slot=SLOT,
            reuse=self.options.reuse,
            recovery_wait=recovery_wait,
            log=self.log,
        )

    @property
    def timeout(self) -> float:
        """Seconds to wait for the job."""
        return self.options.timeout_of(self.call)

    def execute(self) -> Flow[Deferral | Delivery]:
        """What the operator's `execute` does."""
        state = yield from self.purchase.submit()
        if self.plan.deferrable:
            state = yield from self.purchase.poll_once(state)
            if not state.ended:
                deadline = state.record.at + self.timeout
                return Deferral(jobs.wait(state.job, deadline=deadline), state.job)
        state = yield from self.purchase.wait(state, self.timeout)
        return (yield from self._deliver(state))

    def resume(self, deferral: Deferral, error: errors.GrokError | None) -> Flow[Deferral | Delivery]:
        """What the operator's `execute_complete` does.

        :param deferral: what the trigger waited for.
        :param error: how its wait ended, if badly.
        """
        state = yield from self.purchase.resume(deferral.job.id, ended=error is None)
        if state.ended:
            return (yield from self._deliver(state))
        if error is not None and not isinstance(error, errors.JobTimeout):
            raise errors.GrokError(str(error))
        raise self.purchase.timeout_error(state)

    def _deliver(self, state: Any) -> Flow[Delivery]:
        result: PurchaseResult = yield from self.purchase.conclude(state)
        if result.failure:
            raise result.failure
        _check(result)
        link = self.options.link
        for row in result.rows:
            if link and row.file_id and not row.public_url:
                yield from files.share(row.file_id, None if link is True else int(link))
        return Delivery(tuple(result.file_ids))

    def billed(self) -> dict[str, Any] | None:
        """The receipt's `billed`; None where there is none."""
        told = getattr(self.purchase, "billed", None)
        return told() if told else None


def _call(plan: TaskPlan, prompt: str) -> Call[jobs.Accepted]:
    if plan.kind == "video":
        return videos.generate(videos.generation_body(prompt=prompt, model="grok-imagine-video-1.5"))
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
    public = getattr(wire, "steps", None)
    return public(endpoint, work) if public else wire._plan(endpoint, work, True)


def ends_for_good(error: Exception) -> bool:
    """Whether the operator fails at once instead of being tried again.

    :param error: how the try ended.
    """
    return isinstance(error, errors.GrokError) and bool(error.permanent)


def is_cost_limit(error: Exception) -> bool:
    """Whether a cap refused the purchase."""
    return isinstance(error, errors.CostLimit)


def is_moderation(error: Exception) -> bool:
    """Whether the content rules took the result."""
    return isinstance(error, errors.Moderated | errors.JobModerated)


def recovery_wait_of(kind: str, asked: float | None, timeout: float) -> float:
    """For how long an unknown outcome has to be looked for, at least.

    :param kind: image or video.
    :param asked: the connection's extra.
    :param timeout: the task's timeout.
    """
    from airflow_provider_grok.api.kinds import KINDS

    return min(KINDS[kind].recovery_wait if asked is None else asked, timeout)  # type: ignore[index]


def usual_time_of(kind: str) -> float:
    """Seconds within which a job usually ends: so long a gateway's 429 is looked for.

    :param kind: image or video.
    """
    from airflow_provider_grok.api.kinds import KINDS

    return KINDS[kind].usual  # type: ignore[index]


def price(plan: TaskPlan) -> int:
    """What one request of a task costs by the server's prices, in ticks.

    :param plan: the task.
    """
    from tests.model.server import PICTURE, VIDEO

    return VIDEO if plan.kind == "video" else PICTURE * plan.count
