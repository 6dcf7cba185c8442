"""Where a task instance keeps the records of its purchases, and who it is."""

from __future__ import annotations

import re
import uuid
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Protocol

from airflow_provider_grok.flows.purchases.key import KEY_LENGTH, Reuse, digest_of

Phase = Literal["intended", "submitted", "done", "failed"]


class StateStore(Protocol):
    """The part of Airflow's task state store that is used."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value."""

    def set(self, key: str, value: Any) -> None:
        """Keep a value for good."""


class InMemoryStateStore(dict[str, Any]):
    """A store for purchases outside a task: it lasts as long as the process."""

    def set(self, key: str, value: Any) -> None:
        """Keep a value."""
        self[key] = value


@dataclass(frozen=True)
class TaskIdentity:
    """Who buys: one task instance, over all its tries, and where it keeps its records.

    :param dag_id: the DAG.
    :param run_id: the run.
    :param task_id: the task.
    :param map_index: the index of a mapped task, or -1.
    :param max_tries: rises whenever a person clears the task; neither a retry nor a crash changes it.
    :param store: the task state store.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    max_tries: int = 0
    store: StateStore = field(default_factory=InMemoryStateStore, compare=False)

    @classmethod
    def nobody(cls) -> TaskIdentity:
        """A buyer outside any task: every purchase is a new one."""
        return cls("python", uuid.uuid4().hex, "call")

    def generation(self, record: Record | None, reuse: Reuse) -> int:
        """How often a person asked for a purchase anew, this time included.

        :param record: what is remembered of it.
        :param reuse: only `attempt` buys anew when the finished task was cleared.
        """
        if record is None:
            return 0
        cleared = record.phase == "done" and record.max_tries != self.max_tries
        return record.generation + 1 if reuse == "attempt" and cleared else record.generation

    def token(self, digest: str, reuse: Reuse, generation: int) -> str:
        """The mark that a purchase bears in the names of what it makes.

        :param digest: digest of the request.
        :param reuse: how far an equal request counts as the same purchase.
        :param generation: how often a person asked for it anew (counts with `attempt` only).
        """
        scope: list[Any] = [] if reuse == "always" else [self.dag_id, self.run_id, self.task_id, self.map_index]
        if reuse == "attempt":
            scope.append(generation)
        return digest_of([digest, *scope])[:KEY_LENGTH]

    def read(self, slot: str) -> Record | None:
        """The record of a purchase, if there is one.

        :param slot: key in the store.
        """
        kept = self.store.get(slot)
        if not isinstance(kept, dict):
            return None
        known = {one.name for one in fields(Record)}
        return Record(**{name: value for name, value in kept.items() if name in known})

    def has_begun(self, slot: str) -> bool:
        """Whether a purchase was sent that has not come to nothing.

        :param slot: key in the store.
        """
        record = self.read(slot)
        return record is not None and record.phase != "failed"

    def write(self, slot: str, record: Record) -> None:
        """Keep the record of a purchase for as long as the run itself is kept.

        :param slot: key in the store.
        :param record: the record.
        """
        self.store.set(slot, asdict(record))


@dataclass
class Record:
    """One purchase of one task instance: ids and numbers only, for people can read it.

    :param token: the mark of the purchase.
    :param generation: how often a person asked for it anew.
    :param phase: intended (about to be sent), submitted (a job is known), done, failed.
    :param max_tries: the buyer's `max_tries` when this was written.
    :param at: unix seconds of the submission.
    :param kind: image, video or batch.
    :param name: the name of what is made: of the stored file, or of the batch.
    :param estimate: estimated cost in ticks; None where it cannot be estimated.
    :param spent: ticks that earlier purchases of this task instance cost.
    :param job_id: the server's id of the job.
    :param result: what came of it, as it goes into the receipt.
    """

    token: str
    generation: int
    phase: Phase
    max_tries: int
    at: float
    kind: str
    name: str
    estimate: int | None = None
    spent: int = 0
    job_id: str | None = None
    result: dict[str, Any] | None = None

    @property
    def cost(self) -> int:
        """Ticks that this purchase and those before it cost; a job that nobody saw end is taken at its estimate."""
        own = self.estimate if self.phase == "submitted" else (self.result or {}).get("ticks")
        return self.spent + (own or 0)


def default_stem(buyer: TaskIdentity) -> str:
    """`<dag>.<task>` as far as a file name can hold it.

    :param buyer: the task instance.
    """
    parts = (re.sub(r"[^A-Za-z0-9_.-]+", "-", part)[:80] for part in (buyer.dag_id, buyer.task_id))
    return ".".join(parts)
