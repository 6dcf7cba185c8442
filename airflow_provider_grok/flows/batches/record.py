"""What a task instance remembers of the batches that it submitted: ids, numbers and how far it came."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from airflow_provider_grok.api import errors, prices
from airflow_provider_grok.flows.purchases.key import Reuse
from airflow_provider_grok.flows.purchases.store import StateStore

Phase = Literal["intended", "submitted", "done", "failed"]

#: The key in the task state store, as in 0.1.0.
RECORD_KEY = "grok.batch"
#: The version of the record. Release 0.1.0 wrote none.
VERSION = 2
#: Largest entry of the task state store, in bytes.
ENTRY_LIMIT = 48 * 1024


@dataclass
class SubmittedPart:
    """One batch that this task instance made.

    :param list_digest: digest of the list that it was made for.
    :param batch_id: the server's id; None while the answer of its creation is unknown.
    :param at: unix seconds of its creation.
    :param count: requests that were sent to it, answered or not.
    :param ticks: what these cost by the estimate, in ticks of 1e-10 USD.
    :param priced: whether a price was known for all of them.
    """

    list_digest: str
    batch_id: str | None = None
    at: float = 0.0
    count: int = 0
    ticks: int = 0
    priced: bool = True


@dataclass
class BatchRecord:
    """All batches of one purchase of one task instance.

    :param token: the idempotency key.
    :param generation: how often a person asked for it anew.
    :param phase: intended (a batch is about to be made), submitted (it is known, and being filled), done, failed.
    :param max_tries: the task's `max_tries` when this was written.
    :param at: unix seconds of the last creation.
    :param name: name of the list's batch.
    :param job_id: the server's id of the list's batch.
    :param list_digest: digest of the list.
    :param spent: ticks of parts that are not listed any more, and of purchases before this one.
    :param parts: the batches, oldest first.
    :param account: fingerprint of the API key that made them; empty where it was not written down.
    """

    token: str
    generation: int = 0
    phase: Phase = "intended"
    max_tries: int = 0
    at: float = 0.0
    name: str = ""
    job_id: str | None = None
    list_digest: str = ""
    spent: int = 0
    parts: list[SubmittedPart] = field(default_factory=list)
    kind: str = "batch"
    account: str = ""

    @property
    def ticks(self) -> int:
        """What all requests that were ever sent cost by the estimate: an upper bound of what was billed for them."""
        return self.spent + sum(part.ticks for part in self.parts)

    @property
    def batch_ids(self) -> list[str]:
        """The batches that this task instance made, oldest first."""
        return [part.batch_id for part in self.parts if part.batch_id]

    def billed(self) -> dict[str, Any]:
        """The receipt's `billed`."""
        ticks = self.ticks
        return {
            "cost_in_usd_ticks": ticks,
            "cost_usd": prices.usd(ticks),
            "estimated": bool(ticks) or not all(part.priced for part in self.parts),
            "moderation_ticks": 0,
        }

    def part_of(self, list_digest: str, batch_id: str | None) -> SubmittedPart:
        """The entry of a batch, which is made where there is none.

        :param list_digest: digest of the list.
        :param batch_id: the batch; None: the one whose creation has no answer yet.
        """
        for part in self.parts:
            if part.list_digest == list_digest and part.batch_id == batch_id:
                return part
        self.parts.append(SubmittedPart(list_digest, batch_id))
        return self.parts[-1]


def generation_of(record: BatchRecord | None, max_tries: int, reuse: Reuse) -> int:
    """How often a person asked for the purchase anew, this time included.

    :param record: what is remembered of it.
    :param max_tries: the task's: it rises whenever a person clears the task.
    :param reuse: only `attempt` buys anew when the finished task was cleared.
    """
    if record is None:
        return 0
    cleared = record.phase == "done" and record.max_tries != max_tries
    return record.generation + 1 if reuse == "attempt" and cleared else record.generation


def read_record(store: StateStore) -> BatchRecord | None:
    """Read the record, also one of 0.1.0, whose key is that of its list.

    :param store: the task state store.
    :raises GrokError: permanent, for a record of a newer release or a damaged one: nothing is bought beside it.
    """
    kept = store.get(RECORD_KEY)
    if kept is None:
        return None
    check_version(kept, RECORD_KEY)
    try:
        if "version" not in kept:
            return _of_first_release(kept)
        known = {one.name for one in fields(BatchRecord)} & kept.keys()
        parts = [_part(one) for one in kept.get("parts", [])]
        return BatchRecord(**{**{name: kept[name] for name in known}, "parts": parts})
    except (TypeError, KeyError, AttributeError) as error:
        raise damaged(RECORD_KEY, error) from error


def write_record(store: StateStore, record: BatchRecord) -> None:
    """Keep the record; where it grows too long for an entry, its oldest batches are added up.

    :param store: the task state store.
    :param record: the record.
    """
    while len(record.parts) > 2 and len(json.dumps(_as_json(record)).encode()) > ENTRY_LIMIT:
        record.spent += record.parts.pop(0).ticks
    store.set(RECORD_KEY, _as_json(record))


def check_version(kept: Any, key: str) -> None:
    """Refuse an entry that this release cannot read.

    :param kept: the entry.
    :param key: its key in the task state store.
    :raises GrokError: permanent.
    """
    if not isinstance(kept, dict):
        raise damaged(key, TypeError(f"{type(kept).__name__} instead of an object"))
    version = kept.get("version", 1)
    if version not in (1, VERSION):
        error = errors.GrokError(
            f"The task state store's entry {key!r} has version {errors.clean(repr(version), 40)}; this release reads "
            f"up to {VERSION}. A newer release of the package has begun this task: run it with that one. Nothing was "
            "sent."
        )
        error.permanent = True
        raise error


def damaged(key: str, error: Exception) -> errors.GrokError:
    """The error for an entry that cannot be read.

    :param key: its key in the task state store.
    :param error: what was wrong.
    """
    found = errors.GrokError(
        f"The task state store's entry {key!r} is damaged ({errors.clean(str(error), 200)}). It says what was paid "
        "for, so nothing was sent. Look for the task's batches in https://console.x.ai, then delete the entry (the "
        "task's tab Storage) to begin anew."
    )
    found.permanent = True
    return found


def _as_json(record: BatchRecord) -> dict[str, Any]:
    current = [part.ticks for part in record.parts if part.list_digest == record.list_digest]
    return {**asdict(record), "version": VERSION, "estimate": sum(current)}


def _part(kept: dict[str, Any]) -> SubmittedPart:
    known = {one.name for one in fields(SubmittedPart)} & kept.keys()
    return SubmittedPart(**{name: kept[name] for name in known})


def _of_first_release(kept: dict[str, Any]) -> BatchRecord:
    estimate, bought = kept.get("estimate"), kept["phase"] in ("submitted", "done") or kept.get("job_id")
    part = SubmittedPart("", kept.get("job_id"), kept.get("at") or 0.0, 0, estimate or 0, estimate is not None)
    return BatchRecord(
        token=kept["token"],
        generation=kept["generation"],
        phase=kept["phase"],
        max_tries=kept["max_tries"],
        at=kept.get("at") or 0.0,
        name=kept["name"],
        job_id=kept.get("job_id"),
        spent=kept.get("spent") or 0,
        parts=[part] if bought else [],
    )
