"""Never pay twice: one purchase as a flow that goes on where the last try of its task stopped.

The API has no idempotency key. So the name of everything that is bought holds one of ours, and the task state store
holds a ledger of attempts that is written before each step. The order is: read the ledger, look by key, write the
intent, send, write the job's id, wait, store, write the result. What to do next is decided in `ledger.py`; this file
observes, carries the decision out, and writes down what came of it.
"""

from __future__ import annotations

import dataclasses

from airflow_provider_grok.api import errors, files, jobs, polling
from airflow_provider_grok.api.call import Flow, Now
from airflow_provider_grok.flows.files.result_store import NotStored, ResultStore, StoredResult, keep_all, with_link
from airflow_provider_grok.flows.purchases import ledger as steps
from airflow_provider_grok.flows.purchases.ledger import Attempt, PurchaseRecord, Seen, decide
from airflow_provider_grok.flows.purchases.observed import ObservedPurchase
from airflow_provider_grok.flows.purchases.reattach import settled
from airflow_provider_grok.flows.purchases.result import PurchaseResult, PurchaseState, appraise
from airflow_provider_grok.flows.purchases.sent import SUBMISSIONS

#: Seconds to see a job's end again that a trigger has seen already.
SECOND_SIGHT = 15.0


class RecoveryPending(errors.GrokError):
    """The result of a lost response may still appear; the next try, or a trigger, goes on looking for it.

    :param key: the idempotency key that stands in the name of what is looked for.
    :param count: how many files it makes.
    :param until: unix seconds at which the looking is over.
    :param cause: the error that lost the response, if it was this try's.
    """

    billed = None

    def __init__(self, record: PurchaseRecord, count: int, until: float, cause: errors.GrokError | None) -> None:
        self.key, self.kind, self.count, self.until = record.key, record.kind, count, until
        first = f"{cause.brief}. " if cause else ""
        super().__init__(
            f"{first}Whether {record.name} was made and billed is not known yet. Nothing is sent again before it has "
            "been looked for long enough (the connection's recovery_wait): the next try goes on with that."
        )


class ForeignAccount(errors.GrokError):
    """A purchase of this task was made with a key of another account; with the right key another try goes on."""


class Purchase(ObservedPurchase):
    """One purchase of one task instance, as flows; the arguments are those of `RecordedPurchase`."""

    def submit(self) -> Flow[PurchaseState]:
        """Find the purchase where an earlier try left it, or make it.

        :raises CostLimit: when it would cost more than the request's `max_cost`; nothing was sent.
        :raises RecoveryPending: when a lost response's result is still to be looked for.
        :raises UnreadableRecord: for a record that cannot be read; nothing was sent.
        :raises GrokError: when the server refused it; nothing was made.
        """
        yield from self._read()
        self.record = yield from self._find_record()
        return (yield from self._advance(Seen(now=(yield Now()))))

    def _advance(self, seen: Seen, cause: errors.GrokError | None = None) -> Flow[PurchaseState]:
        """Observe, decide and act until there is a job to wait for, or a result."""
        state: PurchaseState | None = None
        if self.record.last and self.record.last.at > seen.now:
            # Another worker's clock was ahead of this one's: no wait becomes longer by that.
            self.record = self.record.with_last(at=seen.now)
        while True:
            seen = dataclasses.replace(seen, now=(yield Now()))
            step = decide(self.record, seen, self.rules)
            if isinstance(step, steps.CheckFiles):
                seen, state = yield from self._check_files(seen)
            elif isinstance(step, steps.PollJob):
                seen, state = yield from self._poll_job(seen)
            elif isinstance(step, steps.UseResult | steps.Follow):
                return state or self._following()
            elif isinstance(step, steps.LookByKey):
                seen = yield from self._look_by_key(seen)
            elif isinstance(step, steps.Adopt):
                return (yield from self._adopt(list(step.files)))
            elif isinstance(step, steps.Wait):
                seen = yield from self._wait_and_observe(seen, step.until)
            elif isinstance(step, steps.Leave):
                raise (yield from self._leave(step.until, cause))
            elif isinstance(step, steps.Stop):
                raise ForeignAccount(step.why)
            elif isinstance(step, steps.Refused):
                raise self._refused_before()
            else:
                if self.submissions >= SUBMISSIONS:
                    raise self._sent_often_enough()
                bought = yield from self._buy(seen)
                if isinstance(bought, PurchaseState):
                    return bought
                cause, seen = bought, Seen(now=seen.now, same_team=seen.same_team)

    def _sent_often_enough(self) -> errors.JobFailed:
        last = self.record.attempts[-1]
        words = f"the server knows it no longer, and no stored file bears its key ({self.record.key})"
        return errors.JobFailed(self.record.kind, last.job_id or "(unknown)", "expired", words)

    def _refused_before(self) -> errors.JobModerated:
        last = self.record.attempts[-1]
        words = "an earlier try's result was withheld by content moderation; clear the task to ask anew"
        return errors.JobModerated(
            self.record.kind, last.job_id or "(answered at once)", "content-moderated", words, True, last.ticks
        )

    def _leave(self, until: float, cause: errors.GrokError | None) -> Flow[RecoveryPending]:
        if not self.record.attempts:
            began = self.record.searching_since
            since = min(until - min(self.rules.recovery_wait, self.timeout), (yield Now()))
            self.record = dataclasses.replace(self.record, searching_since=since if began is None else began)
            yield from self._save(paid=False)
        return RecoveryPending(self.record, self.request.count, until, cause)

    def _adopt(self, found: list[files.File]) -> Flow[PurchaseState]:
        """Take files that bear the key: of an unknown outcome, of a lost ledger, or of another task's equal request."""
        state = dataclasses.replace(self._following(), adopted=found)
        names = ", ".join(file.filename for file in found)
        if self.record.attempts:
            self.log.info("Found by its key: %s. Nothing is sent again.", names)
            return state
        if self.reuse == "always":
            self.log.info(
                "An equal request was bought before (reuse='always'): taking %s. To buy anew, delete the files, or "
                "change the request.",
                names,
            )
            return dataclasses.replace(state, reused=True)
        self.log.info(
            "Bought before, though this task's ledger is empty: taking %s. To buy anew, delete the files, or set "
            "reuse='attempt' and clear the task.",
            names,
        )
        estimate = yield from appraise(self.request.call)
        attempt = Attempt((yield Now()), "done", estimate, self.account)
        self.record = self.record.with_attempt(attempt)
        return dataclasses.replace(state, reused=True)

    def buy_again(self) -> Flow[PurchaseState]:
        """Buy once more what the content rules withheld: a new attempt of the same purchase, under the same cap.

        Every call may pay, so it is for who was told to repeat, and counts the repeats by the record's attempts.

        :raises CostLimit: when it would cost more than the request's `max_cost`; nothing was sent.
        :raises GrokError: as `submit`.
        """
        self.submissions = 0
        seen = yield from self._look_by_key(Seen(now=(yield Now())))
        if seen.found:
            return (yield from self._adopt(list(seen.found)))
        bought = yield from self._buy(seen)
        if isinstance(bought, PurchaseState):
            return bought
        return (yield from self._advance(Seen(now=seen.now, same_team=seen.same_team), bought))

    def resume(self, job_id: str | None = None, *, ended: bool = True) -> Flow[PurchaseState]:
        """Go on after a deferral: whatever the request renders to by now, the record names the job.

        :param job_id: the job that the trigger waited for, in case the record is gone; empty: none was known.
        :param ended: whether the trigger saw the job's end; then a few more polls are spent on seeing it again.
        """
        if not job_id:
            return (yield from self.submit())
        yield from self._read_patiently()
        now: float = yield Now()
        current = self.ledger.current
        if current is None or not current.last or current.last.job_id != job_id:
            self.record = yield from self._find_record()
            self.record = self.record.with_attempt(Attempt(now, "submitted", None, self.account, job_id))
        else:
            self.record = current
        state = self._following()
        try:
            progress = yield from self._await_job(state, now + (SECOND_SIGHT if ended else 0), 1.0)
        except errors.JobTimeout:
            return state
        if progress is None:
            return (yield from self._advance(Seen(now=now, job="absent"))) if not ended else state
        return dataclasses.replace(state, progress=progress)

    def poll_once(self, state: PurchaseState) -> Flow[PurchaseState]:
        """Poll a submitted job once, if nobody has; a poll that fails says nothing.

        :param state: how the purchase stands.
        """
        if state.ended or state.progress or not state.job_id:
            return state
        try:
            progress = yield from dataclasses.replace(jobs.poll(state.job), attempts=1)
        except errors.GrokError:
            return state
        return dataclasses.replace(state, progress=progress)

    def wait(
        self, state: PurchaseState, timeout: float | None = None, poll_interval: float | None = None
    ) -> Flow[PurchaseState]:
        """Wait in place for the job's end.

        :param state: how the purchase stands.
        :param timeout: seconds from the submission after which to give up; None: the purchase's own.
        :param poll_interval: seconds between two polls; None: by the job's age.
        :raises JobTimeout: when the time is over; the job goes on, and a later try takes it up.
        """
        while not state.ended:
            deadline = state.submitted_at + (self.timeout if timeout is None else timeout)
            progress = yield from self._await_job(state, deadline, poll_interval)
            if progress is not None:
                return dataclasses.replace(state, progress=progress)
            now: float = yield Now()
            if now < state.submitted_at + self.timeout:
                # The caller's patience is over, and not yet the job's time.
                raise self.timeout_error(state, now)
            state = yield from self._advance(Seen(now=now, job="absent"))
        return state

    def _await_job(
        self, state: PurchaseState, deadline: float, poll_interval: float | None
    ) -> Flow[jobs.Progress | None]:
        """The job's end; None where the server does not know it at the deadline: what it was given does not vanish."""
        try:
            progress = yield from polling.wait(
                state.job, deadline=deadline, poll_interval=poll_interval, report=self._report, name=state.name
            )
        except errors.NotFound:
            return None
        except errors.ApiError as error:
            # A wrong key, or no credit: the job goes on all the same, and another try sees what became of it.
            error.permanent = False
            raise
        young: bool = (yield Now()) < state.submitted_at + polling.PASSING_SECONDS
        if young and progress.refused and not isinstance(progress.failure, errors.JobModerated):
            # A short wait is no reason to believe what a longer one would not.
            raise self.timeout_error(state, deadline)
        return settled(progress)

    def timeout_error(self, state: PurchaseState, now: float) -> errors.JobTimeout:
        """What to raise for a job that was not finished in time.

        :param state: how the purchase stands.
        :param now: unix seconds.
        """
        return polling.timeout_error(state.job, now, state.name)

    def _report(self, note: str) -> None:
        self.log.info("%s job: %s", self.request.kind, note)

    def partial_result(self, error: errors.GrokError) -> PurchaseResult:
        """What is known of the purchase where an error ends it: what it cost or, of a job that goes on, will cost.

        :param error: the error.
        """
        ticks, last = getattr(error, "ticks", None), self.record.last
        if ticks is None and last and last.state == "submitted":
            return PurchaseResult([], last.estimate or 0, True, last.job_id, failure=error)
        return PurchaseResult([], ticks or 0, ticks is None and error.billed is None, None, failure=error)

    def conclude(self, state: PurchaseState) -> Flow[PurchaseResult]:
        """Make sure of the files, record the result, and say what it came to.

        :param state: a purchase that has ended.
        """
        results = ResultStore(self.endpoint, self.record.name, self.request.expires_after, self.request.link)
        if state.bought:
            rows = yield from self._link_all(results, state.bought.rows)
            return (yield from self._done(dataclasses.replace(state.bought, rows=rows)))
        if state.adopted is not None:
            rows = yield from self._link_all(results, [StoredResult.of_file(file) for file in state.adopted])
            last = self.record.last
            # Of another task's purchase (no attempt of ours) nothing was billed here; else only our estimate is known.
            cost, job_id = (last.estimate or 0, last.job_id) if last else (0, None)
            found = PurchaseResult(rows, cost, last is not None, job_id, reused=state.reused)
            return (yield from self._done(found))
        progress = state.progress
        if progress is None:
            raise AssertionError("conclude() wants a purchase that has ended")
        if progress.failure:
            self._note_failure(progress.failure)
            self.record = dataclasses.replace(self.record, max_tries=self.identity.max_tries)
            yield from self._save(paid=True)
            ticks = progress.failure.ticks
            return PurchaseResult([], ticks or 0, ticks is None, state.job_id or None, failure=progress.failure)
        rows = yield from keep_all(results, progress.result.data)
        if len(rows) < self.request.count:
            self.log.warning("%d results were asked for, and the job made %d.", self.request.count, len(rows))
        ticks = progress.result.ticks
        estimate = (self.record.last.estimate if self.record.last else None) or 0
        cost = ticks if ticks is not None else estimate
        return (yield from self._done(PurchaseResult(rows, cost, ticks is None, state.job_id or None)))

    def _link_all(self, results: ResultStore, rows: list[StoredResult]) -> Flow[list[StoredResult]]:
        linked: list[StoredResult] = []
        for row in rows:
            linked.append((yield from with_link(results, row)))
        return linked

    def _done(self, bought: PurchaseResult) -> Flow[PurchaseResult]:
        last = self.record.last
        if last and bought.submitted_at is None:
            bought = dataclasses.replace(bought, submitted_at=last.at)
        if last and bought.seconds is None and not bought.reused:
            bought = dataclasses.replace(bought, seconds=round(max((yield Now()) - last.at, 0.0), 1))
        if not (last and last.job_id and any(isinstance(row, NotStored) for row in bought.rows)):
            rows = [row.row() for row in bought.rows]
            result = {"files": rows, "ticks": bought.ticks, "estimated": bought.estimated, "seconds": bought.seconds}
            self.record = dataclasses.replace(
                self.record, result=result, result_account=self.account, max_tries=self.identity.max_tries
            )
            # Under `always` what was found may be another task's, and an unknown outcome of ours still open.
            settles = not (self.reuse == "always" and last and last.state in ("intended", "unknown"))
            if last and last.state != "done" and settles:
                ticks = None if bought.estimated else bought.ticks
                moderated = not bought.file_ids and any("moderated" in (row.reason or "") for row in bought.rows)
                state = "done" if bought.file_ids else "failed"
                self.record = self.record.with_last(state=state, ticks=ticks, moderated=moderated)
        yield from self._save(paid=True)
        yield from self.save_again()
        return bought

    def complete(self, poll_interval: float | None = None) -> Flow[PurchaseResult]:
        """Submit, wait and conclude in one go.

        :param poll_interval: seconds between two polls; None: by the job's age.
        """
        state = yield from self.submit()
        state = yield from self.wait(state, poll_interval=poll_interval)
        return (yield from self.conclude(state))
