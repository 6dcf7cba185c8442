"""Never pay twice: name it, write down the intent, send, record the job, finish; and on a later try, find it again.

The API has no idempotency key. So the name of everything that is bought holds a token of the request and the buyer,
and the task state store holds one record per purchase, written before each step. A try that finds a record

* `submitted`: goes back to that job, whatever its state;
* `intended`: lost the answer, so it looks for the stored file by name for as long as such a job usually takes;
* `done`: takes the recorded result, as long as its files live;
* `failed`: knows that nothing came of it, and buys again.
"""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import pendulum

from airflow_provider_grok.api import errors, files, jobs, polling
from airflow_provider_grok.api.account import usd
from airflow_provider_grok.api.call import BlockingCall, Flow, Now
from airflow_provider_grok.api.endpoint import Endpoint
from airflow_provider_grok.flows.files.result_store import NotStored, ResultStore, StoredResult, keep_all, with_link
from airflow_provider_grok.flows.purchases.key import Reuse
from airflow_provider_grok.flows.purchases.names import marked_name
from airflow_provider_grok.flows.purchases.reattach import Reattachment
from airflow_provider_grok.flows.purchases.result import PurchaseRequest, PurchaseResult, PurchaseState, appraise
from airflow_provider_grok.flows.purchases.store import Record, TaskIdentity, default_stem

#: How often one try of a task sends a request whose answer was lost and whose result is nowhere to be found.
SUBMISSIONS = 2
#: Seconds to see a job's end again that a trigger has seen already.
SECOND_SIGHT = 15.0


class Purchase:
    """One purchase of one buyer, as flows that go on where the last try stopped.

    :param order: what is to be bought.
    :param buyer: who buys.
    :param endpoint: where and as whom.
    :param digest: digest of what is asked for.
    :param slot: key of its record in the task state store.
    :param reuse: how far an equal request counts as the same purchase.
    :param recovery_wait: seconds to look for the result of a lost answer; None: as long as such a job usually takes.
    :param log: where to tell what happens.
    """

    def __init__(
        self,
        order: PurchaseRequest,
        buyer: TaskIdentity,
        endpoint: Endpoint,
        *,
        digest: str,
        slot: str,
        reuse: Reuse = "run",
        recovery_wait: float | None = None,
        log: logging.Logger | Any = None,
    ) -> None:
        self.order, self.buyer, self.endpoint = order, buyer, endpoint
        self.slot, self.reuse = self.key(slot), reuse
        self.digest = digest
        self.log = log or logging.getLogger(__name__)
        self.record: Record | None = None
        self.reattachment = Reattachment(
            order, reuse, max_tries=buyer.max_tries, recovery_wait=recovery_wait, log=self.log
        )

    @staticmethod
    def key(slot: str) -> str:
        """The key under which the task state store keeps a purchase's record.

        :param slot: the purchase's own part of it.
        """
        return f"grok.{slot}"

    # -- submit: find what is there already, or buy ------------------------------------------------------------

    def submit(self) -> Flow[PurchaseState]:
        """Find the purchase where an earlier try left it, or make it.

        :raises CostLimit: when it would cost more than the order's `max_cost`; nothing was sent.
        :raises GrokError: when the server refused it; nothing was made.
        """
        record: Record | None = yield BlockingCall(lambda: self.buyer.read(self.slot))
        generation = self.buyer.generation(record, self.reuse)
        token = self.buyer.token(self.digest, self.reuse, generation)
        if record and record.token == token:
            self.record = record
            standing = yield from self.reattachment.standing(record)
            if standing:
                return standing
        elif record:
            self._say_why_new(record, generation)
        if self.reuse == "always" and (
            standing := (yield from self.reattachment.elsewhere(self._fresh(token, generation, None)))
        ):
            return standing
        return (yield from self._buy(self._fresh(token, generation, record)))

    def _say_why_new(self, record: Record, generation: int) -> None:
        if generation != record.generation:
            self.log.info("This task was cleared after it had finished, and reuse='attempt': buying anew.")
        else:
            self.log.warning(
                "The request differs from the one of the earlier try (job %s): this is a new purchase.", record.job_id
            )

    def _fresh(self, token: str, generation: int, before: Record | None) -> Record:
        name = marked_name(
            token,
            filename=self.order.filename,
            default=default_stem(self.buyer),
            extension=self.order.extension,
        )
        return Record(
            token=token,
            generation=generation,
            phase="intended",
            max_tries=self.buyer.max_tries,
            at=0.0,
            kind=self.order.kind,
            name=name,
            spent=before.cost if before else 0,
        )

    # -- buy: intend, send, record --------------------------------------------------------------------------------

    def _buy(self, record: Record) -> Flow[PurchaseState]:
        self.record = record
        record.estimate = yield from appraise(self.order.call)
        for submission in range(1, SUBMISSIONS + 1):
            self._check_cost(record)
            record.at = yield Now()
            yield from self._write(record)
            try:
                accepted = yield from self._post(record)
            except (errors.ResponseLost, errors.ServerUnavailable) as error:
                self.log.warning("%s Looking for what it may have made, %s.", error, record.name)
                found = yield from self.reattachment.lost(record, since=(yield Now()))
                if found is not None:
                    return PurchaseState(record, adopted=found)
                if submission == SUBMISSIONS:
                    raise
                self.log.warning(
                    "No stored file bears its name after %.0f s: sending again.", self.reattachment.recovery_wait
                )
                continue
            except errors.GrokError as error:
                yield from self._write_failure(record, error)
                raise
            return (yield from self._accepted(record, accepted))
        raise AssertionError("unreachable: the last submission returns or raises")

    def _check_cost(self, record: Record) -> None:
        limit = self.order.max_cost
        if limit is None:
            return
        if record.estimate is None:
            raise errors.CostLimit(
                f"max_cost_usd={usd(limit)} is set, but no price is known for this model, so the limit cannot be kept. "
                "Name a model with a known price, or leave max_cost_usd out. Nothing was sent."
            )
        if record.spent + record.estimate > limit:
            before = f" after {usd(record.spent):.4f} USD spent by this task already" if record.spent else ""
            raise errors.CostLimit(
                f"This would cost about {usd(record.estimate):.4f} USD{before}, more than "
                f"max_cost_usd={usd(limit)}. Raise the limit, or ask for less. Nothing was sent."
            )

    def _post(self, record: Record) -> Flow[jobs.Accepted]:
        order = self.order
        body = dict(order.call.body or {})
        ours = files.storage_options(record.name, expires_after=order.expires_after, public_url=order.link)
        # Whatever else a caller's `request_params` ask of the storage, the name is the one that is looked for.
        asked = body.get("storage_options")
        body["storage_options"] = {**asked, **ours} if isinstance(asked, dict) else ours
        call = dataclasses.replace(order.call, body=body)
        try:
            return (yield from call)
        except errors.InvalidArgument as refused:
            if "deferred" not in refused.message or "deferred" not in body:
                raise
            # An older server refuses the field by name, so nothing was made: ask it to answer at once instead.
            del body["deferred"]
            return (yield from dataclasses.replace(call, body=body))

    def _accepted(self, record: Record, accepted: jobs.Accepted) -> Flow[PurchaseState]:
        if accepted.finished:
            return PurchaseState(record, progress=accepted.finished)
        record.phase, record.job_id = "submitted", accepted.job_id
        yield from self._write(record)
        self.log.info("Submitted %s job %s; its result will be stored as %s.", record.kind, record.job_id, record.name)
        return PurchaseState(record)

    def _write(self, record: Record) -> Flow[None]:
        yield BlockingCall(lambda: self.buyer.write(self.slot, record))

    def _write_failure(self, record: Record, error: errors.GrokError) -> Flow[None]:
        record.phase, record.max_tries = "failed", self.buyer.max_tries
        record.spent += getattr(error, "ticks", None) or 0
        yield from self._write(record)

    # -- wait and conclude -------------------------------------------------------------------------------------------

    def resume(self, job_id: str | None = None, *, ended: bool = True) -> Flow[PurchaseState]:
        """Go on after a deferral: whatever the request renders to by now, the record names the job.

        :param job_id: the job that the trigger waited for, in case the record is gone.
        :param ended: whether the trigger saw the job's end; then a few more looks are spent on seeing it again.
        :raises JobFailed: when the server knows neither the job nor a file of its name; a retry buys again.
        """
        record: Record | None = yield BlockingCall(lambda: self.buyer.read(self.slot))
        if record is None or (job_id and record.job_id != job_id):
            token = self.buyer.token(self.digest, self.reuse, 0)
            record = self._fresh(token, 0, record)
            record.phase, record.job_id, record.at = "submitted", job_id, (yield Now())
        self.record, standing = record, PurchaseState(record)
        try:
            now: float = yield Now()
            progress = yield from polling.wait(
                standing.job, deadline=now + (SECOND_SIGHT if ended else 0), poll_interval=1
            )
        except errors.JobTimeout:
            return standing
        except errors.NotFound as gone:
            return (yield from self._gone(standing, gone))
        return dataclasses.replace(standing, progress=progress)

    def poll_once(self, standing: PurchaseState) -> Flow[PurchaseState]:
        """Look at a submitted job once, if nobody has; a look that fails says nothing.

        :param standing: how the purchase stands.
        """
        if standing.ended or standing.progress:
            return standing
        try:
            progress = yield from dataclasses.replace(jobs.poll(standing.job), attempts=1)
        except errors.GrokError:
            return standing
        return dataclasses.replace(standing, progress=progress)

    def partial_result(self, error: errors.GrokError) -> PurchaseResult:
        """What is known of the purchase where an error ends it: what it cost or, of a job that goes on, will cost.

        :param error: the error.
        """
        record, ticks = self.record, getattr(error, "ticks", None)
        if ticks is None and record and record.phase == "submitted":
            return PurchaseResult([], record.estimate or 0, True, record.job_id, failure=error)
        return PurchaseResult([], ticks or 0, ticks is None and error.billed is None, None, failure=error)

    def timeout_error(self, standing: PurchaseState) -> errors.JobTimeout:
        """What to raise for a job that was not finished in time.

        :param standing: how the purchase stands.
        """
        return polling.timeout_error(standing.job, pendulum.now("UTC").timestamp(), standing.record.name)

    def wait(self, standing: PurchaseState, timeout: float, poll_interval: float | None = None) -> Flow[PurchaseState]:
        """Wait in place for the job's end.

        :param standing: how the purchase stands.
        :param timeout: seconds from the submission after which to give up.
        :param poll_interval: seconds between two looks; None: by the job's age.
        :raises JobTimeout: when the time is over; the job goes on, and a later try takes it up.
        """
        if standing.ended:
            return standing
        deadline = standing.record.at + timeout
        try:
            progress = yield from polling.wait(
                standing.job,
                deadline=deadline,
                poll_interval=poll_interval,
                report=self._report,
                name=standing.record.name,
            )
        except errors.NotFound as gone:
            return (yield from self._gone(standing, gone))
        return dataclasses.replace(standing, progress=progress)

    def _gone(self, standing: PurchaseState, gone: errors.NotFound) -> Flow[PurchaseState]:
        """The server knows the job no longer: its stored file, if there is one, is what it made."""
        found = yield from self.reattachment.stored(standing.record)
        if found is not None:
            return dataclasses.replace(standing, adopted=found)
        words = f"the server knows it no longer, and no stored file is called {standing.record.name}"
        raise errors.JobFailed(standing.job.kind, standing.job.id, "expired", words) from gone

    def _report(self, note: str) -> None:
        self.log.info("%s job: %s", self.order.kind, note)

    def conclude(self, standing: PurchaseState) -> Flow[PurchaseResult]:
        """Make sure of the files, record the result, and say what it came to.

        :param standing: a purchase that has ended.
        """
        record = standing.record
        keeping = ResultStore(self.endpoint, record.name, self.order.expires_after, self.order.link)
        if standing.bought:
            rows = yield from self._link_all(keeping, standing.bought.rows)
            return (yield from self._done(record, dataclasses.replace(standing.bought, rows=rows)))
        if standing.adopted is not None:
            rows = yield from self._link_all(keeping, [StoredResult.of_file(file) for file in standing.adopted])
            cost = record.estimate or 0
            bought = PurchaseResult(rows, cost, bool(cost), record.job_id, reused=standing.reused)
            return (yield from self._done(record, bought))
        progress = standing.progress
        if progress is None:
            raise AssertionError("conclude() wants a purchase that has ended")
        if progress.failure:
            yield from self._write_failure(record, progress.failure)
            spent, known = progress.failure.ticks, progress.failure.ticks is not None
            return PurchaseResult([], spent or 0, not known, record.job_id, failure=progress.failure)
        rows = yield from keep_all(keeping, progress.result.data)
        if len(rows) < self.order.count:
            self.log.warning("%d results were asked for, and the job made %d.", self.order.count, len(rows))
        ticks = progress.result.ticks
        cost = ticks if ticks is not None else record.estimate or 0
        return (yield from self._done(record, PurchaseResult(rows, cost, ticks is None, record.job_id)))

    def _link_all(self, keeping: ResultStore, rows: list[StoredResult]) -> Flow[list[StoredResult]]:
        linked: list[StoredResult] = []
        for row in rows:
            linked.append((yield from with_link(keeping, row)))
        return linked

    def _done(self, record: Record, bought: PurchaseResult) -> Flow[PurchaseResult]:
        if record.job_id and any(isinstance(row, NotStored) for row in bought.rows):
            record.phase = "submitted"
        else:
            record.phase, record.max_tries = "done" if bought.file_ids else "failed", self.buyer.max_tries
            rows = [row.row() for row in bought.rows]
            record.result = {"files": rows, "ticks": bought.ticks, "estimated": bought.estimated}
        yield from self._write(record)
        return bought

    def complete(self, timeout: float, poll_interval: float | None = None) -> Flow[PurchaseResult]:
        """Submit, wait and conclude in one go.

        :param timeout: seconds from the submission after which to give up.
        :param poll_interval: seconds between two looks; None: by the job's age.
        """
        standing = yield from self.submit()
        standing = yield from self.wait(standing, timeout, poll_interval)
        return (yield from self.conclude(standing))
