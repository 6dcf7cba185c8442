"""Never pay twice: one purchase as a flow that goes on where the last try of its task stopped.

The API has no idempotency key. So the name of everything that is bought holds one of ours, and the task state store
holds a ledger of attempts that is written before each step. The order is: read the ledger, look by key, write the
intent, send, write the job's id, wait, store, write the result. What to do next is decided in `ledger.py`; this file
observes, carries the decision out, and writes down what came of it.
"""

from __future__ import annotations

import dataclasses
import logging
import random
from typing import Any

from airflow_provider_grok.api import errors, files, jobs, polling
from airflow_provider_grok.api.call import BlockingCall, Flow, Now, Sleep
from airflow_provider_grok.api.endpoint import Endpoint
from airflow_provider_grok.api.kinds import KINDS
from airflow_provider_grok.api.prices import usd
from airflow_provider_grok.api.retry import LONGEST_WAIT
from airflow_provider_grok.flows.files.result_store import NotStored, ResultStore, StoredResult, keep_all, with_link
from airflow_provider_grok.flows.files.settle import wait_for_file
from airflow_provider_grok.flows.purchases import ledger as steps
from airflow_provider_grok.flows.purchases.key import Reuse, account_fingerprint
from airflow_provider_grok.flows.purchases.ledger import Attempt, Ledger, PurchaseRecord, Rules, Seen, decide
from airflow_provider_grok.flows.purchases.names import marked_name
from airflow_provider_grok.flows.purchases.reattach import Reattachment, job_of, settled
from airflow_provider_grok.flows.purchases.result import PurchaseRequest, PurchaseResult, PurchaseState, appraise
from airflow_provider_grok.flows.purchases.store import LedgerStore, StoreUnavailable, TaskIdentity, default_stem

#: How often one try of a task sends a request whose outcome stays unknown.
SUBMISSIONS = 2
#: Seconds that a worker looks for the result of a lost response, where the next try or a trigger can go on.
PATIENCE = 60.0
#: Seconds to see a job's end again that a trigger has seen already.
SECOND_SIGHT = 15.0
#: Seconds between two tries to write a record after something was paid for.
WRITE_PAUSES = (5.0, 15.0, 40.0, 60.0, 60.0)
#: Seconds between two sendings of a request that the server refused for its rate: at least, and at the most.
RATE_PAUSE = (0.4, 5.0)
#: The same as a share of the time that the request has waited: who waits long is one of many, and asks less often.
RATE_SHARE = 0.05
#: How often a time that the server names is kept to the second; then its other callers are at the door with us.
PUNCTUAL = 2
#: Seconds between two sendings of a request whose source the server did not find.
SOURCE_PAUSE = 5.0


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


class Purchase:
    """One purchase of one task instance, as flows.

    :param request: what is to be bought.
    :param identity: who buys.
    :param endpoint: where and as whom.
    :param digests: digest of what is asked for, then those that earlier releases made of it.
    :param slot: the purchase's own part of its record key.
    :param reuse: how far an equal request counts as the same purchase.
    :param recovery_wait: seconds to look for the result of a lost response; None: by the kind of job.
    :param timeout: seconds from the submission that a job is waited for.
    :param can_defer: whether a trigger can go on looking for a lost response.
    :param log: where to tell what happens.
    """

    def __init__(
        self,
        request: PurchaseRequest,
        identity: TaskIdentity,
        endpoint: Endpoint,
        *,
        digests: list[str],
        slot: str,
        reuse: Reuse = "run",
        recovery_wait: float | None = None,
        timeout: float | None = None,
        can_defer: bool = False,
        log: logging.Logger | Any = None,
    ) -> None:
        facts = KINDS[request.kind]
        self.request, self.identity, self.endpoint = request, identity, endpoint
        self.digests, self.reuse, self.can_defer = digests, reuse, can_defer
        self.log = log or logging.getLogger(__name__)
        self.ledgers = LedgerStore(identity.store, slot)
        self.ledger, self.record = Ledger(), PurchaseRecord("", request.kind, "")
        self.account = account_fingerprint(endpoint.key)
        self.timeout = facts.timeout if timeout is None else timeout
        self.rules = Rules(
            recovery_wait=facts.recovery_wait if recovery_wait is None else recovery_wait,
            timeout=self.timeout,
            patience=PATIENCE if can_defer or identity.retries_left else float("inf"),
            later_try=identity.try_number > 1,
            max_tries=identity.max_tries,
            account=self.account,
            usual=facts.usual,
        )
        self.rules = dataclasses.replace(self.rules, shortest_look=min(facts.usual, PATIENCE, self.rules.recovery_wait))
        self.reattachment = Reattachment(request.count, request.expires_after, shared=reuse == "always", log=self.log)
        self.was_read = self.unsaved = False
        self.submissions = 0

    @property
    def in_common(self) -> tuple[Any, ...]:
        """What equal purchases of one process have in common."""
        return (*self.identity.scope, self.ledgers.record_key)

    # -- submit: find what is there already, or buy ------------------------------------------------------------

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

    def _read(self) -> Flow[None]:
        self.ledger = yield BlockingCall(self.ledgers.read)
        self.was_read = True

    def _read_patiently(self) -> Flow[None]:
        """Read the ledger of what is paid for, a few times over three minutes."""
        for pause in WRITE_PAUSES:
            try:
                return (yield from self._read())
            except StoreUnavailable as error:
                self.log.warning("%s", error)
            yield Sleep(pause)
        return (yield from self._read())

    def _keys(self, generation: int) -> list[str]:
        return [self.identity.key(digest, self.reuse, generation) for digest in self.digests]

    def _find_record(self) -> Flow[PurchaseRecord]:
        """The record of this request, of this generation; a new one where there is none."""
        current = self.ledger.current
        generation = self._generation(current) if current else (yield from self._lost_generation())
        keys = self._keys(generation)
        known = next((record for key in keys if (record := self.ledger.find(key))), None)
        name = marked_name(
            keys[0],
            filename=self.request.filename,
            default=default_stem(self.identity),
            extension=self.request.extension,
        )
        if known:
            # Of a record that the store lost, only the key and the cost are known.
            return known if known.name else dataclasses.replace(known, name=name)
        if current:
            self._tell_why_new(current, generation)
        return PurchaseRecord(keys[0], self.request.kind, name, generation, self.identity.max_tries)

    def _generation(self, current: PurchaseRecord) -> int:
        cleared = current.finished and current.max_tries != self.identity.max_tries
        return current.generation + 1 if self.reuse == "attempt" and cleared else current.generation

    def _lost_generation(self) -> Flow[int]:
        """With an empty ledger: the generation to go on with, by the files that bear its key."""
        if self.reuse != "attempt":
            return 0
        for generation in range(self.identity.try_number - 1, -1, -1):
            record = PurchaseRecord(self._keys(generation)[0], self.request.kind, "")
            found = yield from self.reattachment.by_key(record, self._keys(generation))
            self.reattachment.looks = 0
            if found and self.identity.cleared_on_success:
                self.log.info("This task had finished ([state_store] clear_on_success): buying anew.")
                return generation + 1
            if found:
                return generation
        return 0

    def _tell_why_new(self, current: PurchaseRecord, generation: int) -> None:
        if generation != current.generation:
            self.log.info("This task was cleared after it had finished, and reuse='attempt': buying anew.")
        else:
            last = current.last
            self.log.warning(
                "The request differs from the one of the earlier try (job %s): this is a new purchase.",
                last.job_id if last else None,
            )

    # -- observe and decide --------------------------------------------------------------------------------------

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
                bought = yield from self._buy(seen)
                if isinstance(bought, PurchaseState):
                    return bought
                cause, seen = bought, Seen(now=seen.now, same_team=seen.same_team)

    def _refused_before(self) -> errors.JobModerated:
        last = self.record.attempts[-1]
        words = "an earlier try's result was withheld by content moderation; clear the task to ask anew"
        return errors.JobModerated(
            self.record.kind, last.job_id or "(answered at once)", "content-moderated", words, True, last.ticks
        )

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

    def _leave(self, until: float, cause: errors.GrokError | None) -> Flow[RecoveryPending]:
        if not self.record.attempts:
            began = self.record.searching_since
            since = min(until - min(self.rules.recovery_wait, self.timeout), (yield Now()))
            self.record = dataclasses.replace(self.record, searching_since=since if began is None else began)
            yield from self._save(paid=False)
        return RecoveryPending(self.record, self.request.count, until, cause)

    def _following(self) -> PurchaseState:
        last = self.record.last
        job_id, at = (last.job_id or "", last.at) if last else ("", 0.0)
        return PurchaseState(self.record.kind, job_id, at, self.record.name)

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

    # -- buy: intend, send, record --------------------------------------------------------------------------------

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

    # -- the ledger --------------------------------------------------------------------------------------------------

    def _as_saved(self) -> Ledger:
        """The ledger with the record as it stands now, the others beside it."""
        others = tuple(record for record in self.ledger.records if record.key != self.record.key)
        return Ledger(self.record, others)

    def _save(self, *, paid: bool) -> Flow[None]:
        """Write the ledger. Before anything is paid for, a store that fails ends the try; afterwards it does not."""
        self.ledger = self._as_saved()
        try:
            yield BlockingCall(lambda: self.ledgers.write(self.ledger))
            self.unsaved = False
        except errors.GrokError:
            raise
        except Exception as error:
            if not paid:
                raise StoreUnavailable(
                    f"Airflow's task state store took no record ({type(error).__name__}: {error}). Without one a "
                    "purchase could be made twice, so nothing was sent; a retry will try again."
                ) from error
            self.unsaved = True
            self.log.warning("The record of what was paid for could not be written (%s): going on with it.", error)

    def save_again(self) -> Flow[None]:
        """Write what could not be written after something was paid for, a few times over three minutes."""
        for pause in WRITE_PAUSES:
            if not self.unsaved:
                return
            yield Sleep(pause)
            yield from self._save(paid=True)
        if self.unsaved:
            self.log.error("The record of %s could not be written. A later try finds it by its key.", self.record.name)

    def billed(self) -> dict[str, Any]:
        """The receipt's `billed`: what this task instance may have been billed over all its tries."""
        if self.record.key:
            return self._as_saved().billed()
        # Before the ledger was read nothing is known of earlier tries.
        return self.ledger.billed() | {"estimated": not self.was_read}

    def _note_failure(self, failure: errors.GrokError) -> None:
        if self.record.attempts[-1].state == "failed":
            # An earlier try has settled it.
            return
        ticks = getattr(failure, "ticks", None)
        self.record = self.record.with_last(
            state="unknown" if failure.outcome_unknown else "failed",
            ticks=ticks,
            billed=failure.billed,
            moderated=isinstance(failure, errors.Moderated | errors.JobModerated),
        )

    # -- wait and conclude -------------------------------------------------------------------------------------------

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


class ForeignAccount(errors.GrokError):
    """A purchase of this task was made with a key of another account; with the right key another try goes on."""
