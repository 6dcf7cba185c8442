"""A purchase and its ledger: which record it goes on with, and when that is written."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

from airflow_provider_grok.api import errors
from airflow_provider_grok.api.call import BlockingCall, Flow, Sleep
from airflow_provider_grok.api.endpoint import Endpoint
from airflow_provider_grok.api.kinds import KINDS
from airflow_provider_grok.flows.purchases.key import Reuse, account_fingerprint
from airflow_provider_grok.flows.purchases.ledger import Ledger, PurchaseRecord, Rules
from airflow_provider_grok.flows.purchases.names import marked_name
from airflow_provider_grok.flows.purchases.reattach import Reattachment
from airflow_provider_grok.flows.purchases.result import PurchaseRequest, PurchaseState
from airflow_provider_grok.flows.purchases.store import LedgerStore, StoreUnavailable, TaskIdentity, default_stem

#: Seconds between two tries to write a record after something was paid for.
WRITE_PAUSES = (5.0, 15.0, 40.0, 60.0, 60.0)
#: Seconds that a worker looks for the result of a lost response, where the next try or a trigger can go on.
PATIENCE = 60.0


class RecordedPurchase:
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
        if current and current.max_tries != self.identity.max_tries:
            # A person has cleared the task since, and this is the first that the ledger sees of it: no try was lost.
            self.rules = dataclasses.replace(self.rules, later_try=False)
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

    def _following(self) -> PurchaseState:
        last = self.record.last
        job_id, at = (last.job_id or "", last.at) if last else ("", 0.0)
        return PurchaseState(self.record.kind, job_id, at, self.record.name)

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
