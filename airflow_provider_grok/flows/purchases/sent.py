"""A purchase that is sent: under the cap, with its intent written first, and every answer taken for what it proves."""

from __future__ import annotations

import dataclasses
import random

from airflow_provider_grok.api import errors, jobs
from airflow_provider_grok.api.call import Flow, Now, Sleep
from airflow_provider_grok.api.prices import usd
from airflow_provider_grok.api.retry import LONGEST_WAIT
from airflow_provider_grok.flows.files.settle import wait_for_file
from airflow_provider_grok.flows.purchases import ledger as steps
from airflow_provider_grok.flows.purchases.ledger import Attempt, Seen
from airflow_provider_grok.flows.purchases.reattach import job_of
from airflow_provider_grok.flows.purchases.recorded import RecordedPurchase
from airflow_provider_grok.flows.purchases.result import PurchaseState, appraise

#: How often one try of a task sends a request whose outcome stays unknown.
SUBMISSIONS = 2
#: Seconds between two sendings of a request that the server refused for its rate: at least, and at the most.
RATE_PAUSE = (0.4, 5.0)
#: The same as a share of the time that the request has waited: who waits long is one of many, and asks less often.
RATE_SHARE = 0.05
#: How often a time that the server names is kept to the second; then its other callers are at the door with us.
PUNCTUAL = 2
#: Seconds between two sendings of a request whose source the server did not find.
SOURCE_PAUSE = 5.0


class SentPurchase(RecordedPurchase):
    """A purchase whose request can be sent."""

    def _buy(self, seen: Seen) -> Flow[PurchaseState | errors.GrokError]:
        """Send the request: a state where the server took it, an error where its outcome is unknown."""
        if seen.job == "absent":
            self.log.warning(
                "Job %s is unknown to the server and no stored file bears its key: it may have been billed. Buying "
                "again.",
                job_of(self.record).id,
            )
        estimate = yield from appraise(self.request.call)
        before = self.record = self.record.after_search()
        self._check_cost(estimate)
        result_ids = [row["file_id"] for row in (before.result or {}).get("files", []) if row.get("file_id")]
        if result_ids and before.finished:
            self.log.warning("The recorded files are not to be had any more: buying anew.")
        passed_over = dict.fromkeys((*before.passed_over, *result_ids, *self.reattachment.too_old))
        attempt = Attempt((yield Now()), "intended", estimate, self.account)
        self.record = dataclasses.replace(
            before.with_attempt(attempt), passed_over=tuple(passed_over), max_tries=self.identity.max_tries
        )
        yield from self._save(paid=False)
        self.submissions += 1
        try:
            accepted = yield from self._post()
        except errors.GrokError as error:
            return (yield from self._not_accepted(error))
        return (yield from self._accepted(accepted))

    def _not_accepted(self, error: errors.GrokError) -> Flow[errors.GrokError]:
        if error.outcome_unknown:
            limited = isinstance(error, errors.RateLimited)
            # It may have been sent long after the intent was written: what it made is looked for from now on.
            self.record = self.record.with_last(state="unknown", limited=limited, at=(yield Now()))
            yield from self._save(paid=True)
            if self.submissions >= SUBMISSIONS:
                raise error
            self.log.warning("%s Looking for what it may have made, %s.", error, self.record.name)
            return error
        ticks = getattr(error, "ticks", None)
        failed = bool(ticks) or error.billed is not False
        self.record = self.record.with_last(
            state="failed" if failed else "refused",
            ticks=ticks,
            billed=error.billed,
            moderated=isinstance(error, errors.Moderated),
        )
        yield from self._save(paid=failed)
        if error.permanent and self.ledger.has_open():
            # A picture that is paid for may still appear: another try looks for it before this is final.
            error.permanent = False
        raise error

    def _check_cost(self, estimate: int | None) -> None:
        limit = self.request.max_cost
        if limit is None:
            return
        if estimate is None:
            raise errors.CostLimit(
                f"max_cost_usd={usd(limit)} is set, but no price is known for this model, so the limit cannot be kept. "
                "Name a model with a known price, or leave max_cost_usd out. Nothing was sent."
            )
        spent = self._as_saved().counted_for_cap()
        if spent + estimate <= limit:
            return
        before = f" after {usd(spent):.4f} USD spent by this task already (unknown outcomes counted)" if spent else ""
        error = errors.CostLimit(
            f"This would cost about {usd(estimate):.4f} USD{before}, more than max_cost_usd={usd(limit)}: "
            f"max_cost_usd={usd(spent + estimate):.4f} would let it buy. Raise the limit, or ask for less. Nothing "
            "was sent."
        )
        # While the outcome of an earlier request is unknown, another try goes on looking for what it made.
        error.permanent = not (self._as_saved().has_open() or self.record.open_attempts)
        raise error

    def _post(self) -> Flow[jobs.Accepted]:
        """Send the request; a refusal for the rate is waited out, for nothing was made."""
        start: float = yield Now()
        # The wait for the rate is here, and not in the retry rule of single calls: it lasts until the task's timeout.
        call = dataclasses.replace(self.request.to_send(self.record.name), attempts=1)
        refusals = sendings = 0
        while True:
            if sendings:
                # What may have been made is looked for from the moment of the last sending on.
                self.record = self.record.with_last(at=(yield Now()))
                yield from self._save(paid=False)
            sendings += 1
            try:
                return (yield from call)
            except errors.RateLimited as error:
                now: float = yield Now()
                refusals += 1
                pause = _rate_pause(error, now - start, refusals)
                if error.outcome_unknown or pause is None or now + pause > start + self.timeout:
                    raise
                self.log.info("The server's rate limit is reached: asking again in %.1f s.", pause)
                yield Sleep(pause)
            except errors.NotFound as refused:
                # Perhaps a source that was stored just now: it is asked for until it is there, for a minute at most.
                now = yield Now()
                sources = self.request.source_ids()
                if refused.outcome_unknown or not sources or now >= start + steps.SETTLING:
                    raise
                for file_id in sources:
                    yield from wait_for_file(file_id, start + steps.SETTLING)
                yield Sleep(SOURCE_PAUSE)
            except errors.ApiError as refused:
                if "deferred" not in (call.body or {}) or not errors.refuses_field(refused, "deferred"):
                    raise
                # An older server refuses the field, so nothing was made: ask it to answer at once instead.
                body = {name: value for name, value in (call.body or {}).items() if name != "deferred"}
                call = dataclasses.replace(call, body=body)

    def _accepted(self, accepted: jobs.Accepted) -> Flow[PurchaseState | errors.GrokError]:
        finished = accepted.finished
        if finished and finished.failure and finished.failure.outcome_unknown:
            return (yield from self._not_accepted(finished.failure))
        if finished:
            return dataclasses.replace(self._following(), progress=finished)
        self.record = self.record.with_last(state="submitted", job_id=accepted.job_id)
        yield from self._save(paid=True)
        self.log.info(
            "Submitted %s job %s; its result will be stored as %s.",
            *(self.record.kind, accepted.job_id, self.record.name),
        )
        return self._following()


def _rate_pause(error: errors.RateLimited, waited: float, refusals: int) -> float | None:
    """Seconds until a request that was refused for the rate is sent again; None where the server asks for too long.

    :param error: the refusal.
    :param waited: seconds since the request was first sent.
    :param refusals: how often it was refused by now.
    """
    least, most = RATE_PAUSE
    usual = min(max(waited * RATE_SHARE, least), most)
    pause = usual * random.uniform(0.5, 1.5)  # noqa: S311 - spreads requests, keeps no secret
    if error.retry_after is None:
        return pause
    if error.retry_after > LONGEST_WAIT:
        return None
    return error.retry_after + pause if refusals > PUNCTUAL else max(error.retry_after, pause)
