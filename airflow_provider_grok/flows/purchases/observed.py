"""A purchase that is observed: its recorded files, its job, and what bears its key, as values for the decision."""

from __future__ import annotations

import dataclasses

from airflow_provider_grok.api import errors, polling
from airflow_provider_grok.api.call import Flow, Now, Sleep
from airflow_provider_grok.flows.purchases import ledger as steps
from airflow_provider_grok.flows.purchases.ledger import Seen
from airflow_provider_grok.flows.purchases.reattach import job_of
from airflow_provider_grok.flows.purchases.result import PurchaseResult, PurchaseState
from airflow_provider_grok.flows.purchases.sent import SentPurchase


class ObservedPurchase(SentPurchase):
    """A purchase of which the API is asked what is there."""

    def _check_files(self, seen: Seen) -> Flow[tuple[Seen, PurchaseState | None]]:
        rows = yield from self.reattachment.recorded_files(self.record)
        if rows is None:
            gone_for_good = bool(self.reattachment.too_old)
            since = seen.now if seen.missing_since is None else seen.missing_since
            since = since - steps.SETTLING if gone_for_good else since
            return dataclasses.replace(seen, files="missing", missing_since=since), None
        result, last = self.record.result or {}, self.record.last
        anew = "change the request" if self.reuse == "always" else "set reuse='attempt' and clear the task"
        self.log.info("Bought before: taking the recorded files. To buy anew, delete the files, or %s.", anew)
        bought = PurchaseResult(
            rows, result.get("ticks", 0), result.get("estimated", False), last.job_id if last else None, reused=True
        )
        bought = dataclasses.replace(bought, seconds=result.get("seconds"))
        state = PurchaseState(self.record.kind, "", 0.0, self.record.name, bought=bought, reused=True)
        return dataclasses.replace(seen, files="alive", same_team=True), state

    def _poll_job(self, seen: Seen) -> Flow[tuple[Seen, PurchaseState | None]]:
        job, last = job_of(self.record), self.record.attempts[-1]
        if last.state == "submitted":
            self.log.info("Going back to %s job %s, submitted by an earlier try.", job.kind, job.id)
        progress = yield from self.reattachment.poll(job)
        if progress is None:
            return dataclasses.replace(seen, job="absent"), None
        seen = dataclasses.replace(seen, same_team=True)
        failure = None if progress.odd else progress.failure
        state = dataclasses.replace(self._following(), progress=progress)
        if last.state == "failed":
            return self._failed_before(seen, state, failure)
        # What would only be refused, and may be billed, again is that job's end, and not bought a second time.
        if failure is None or (failure.permanent and not failure.outcome_unknown):
            return dataclasses.replace(seen, job="running"), state
        self.log.warning("The earlier job came to nothing (%s): buying again.", failure)
        self._note_failure(failure)
        return dataclasses.replace(seen, job="again"), None

    def _failed_before(
        self, seen: Seen, state: PurchaseState, failure: errors.JobFailed | None
    ) -> tuple[Seen, PurchaseState | None]:
        """A job that failed is polled once more: what told of its end may not have been the API."""
        if failure is None:
            job = job_of(self.record)
            self.log.warning("%s job %s was said to have failed, and has not: taking it.", job.kind, job.id)
            self.record = self.record.with_last(state="submitted", ticks=None, billed=None, moderated=False)
            return dataclasses.replace(seen, job="running"), state
        billed = failure.permanent and (failure.billed or self.record.attempts[-1].may_have_cost > 0)
        if billed and self.record.max_tries == self.identity.max_tries:
            self.log.warning("An earlier try was refused, and billed: not asking again. Clear the task to ask anew.")
            return dataclasses.replace(seen, job="running"), state
        return dataclasses.replace(seen, job="again"), None

    def _look_by_key(self, seen: Seen) -> Flow[Seen]:
        began: float = yield Now()
        found = yield from self.reattachment.by_key(
            self.record, list(dict.fromkeys([self.record.key, *self._keys(self.record.generation)]))
        )
        return dataclasses.replace(
            seen,
            began=began if seen.began is None else seen.began,
            looked=True,
            looked_at=began,
            found=tuple(found) if found else None,
            same_team=True if found else seen.same_team,
        )

    def _wait_and_observe(self, seen: Seen, until: float) -> Flow[Seen]:
        if seen.files == "missing" and not seen.looked:
            yield Sleep(min(5.0, max(until - seen.now, 0.1)))
            return dataclasses.replace(seen, files="unasked")
        began = seen.now if seen.began is None else seen.began
        pause = polling.interval(self.record.kind, max(seen.now - began, 1.0) * 4)
        yield Sleep(max(min(pause, until - seen.now), 0.1))
        return dataclasses.replace(seen, looked=False)
