"""Where a task instance keeps the records of its purchases, how they are written, and who the task is."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Protocol

from airflow_provider_grok.api import errors
from airflow_provider_grok.api.kinds import KINDS
from airflow_provider_grok.flows.purchases.key import Reuse, purchase_key
from airflow_provider_grok.flows.purchases.ledger import Attempt, Ledger, PurchaseRecord
from airflow_provider_grok.flows.purchases.names import LONGEST_STEM

#: Version of the records that this release writes; those of 0.1.0 bear none.
VERSION = 2

#: The states of an attempt in the words of 0.1.0.
_PHASES = {
    "intended": "intended",
    "unknown": "intended",
    "refused": "failed",
    "submitted": "submitted",
    "done": "done",
    "failed": "failed",
}


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


class UnreadableRecord(errors.GrokError):
    """A record in the task state store that this release cannot read: buying over it could pay twice."""

    permanent = True


class StoreUnavailable(errors.GrokError):
    """The task state store did not answer."""


@dataclass(frozen=True)
class TaskIdentity:
    """Who buys: one task instance, over all its tries, and where it keeps its records.

    :param dag_id: the DAG.
    :param run_id: the run.
    :param task_id: the task.
    :param map_index: the index of a mapped task, or -1.
    :param max_tries: rises whenever a person clears the task; neither a retry nor a crash changes it.
    :param store: the task state store.
    :param try_number: number of this try, from 1; it goes on rising when the task is cleared.
    :param retries_left: whether Airflow would try again; None: not known, so nobody else will go on.
    :param cleared_on_success: whether Airflow empties the store when the task succeeds.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    max_tries: int = 0
    store: StateStore = field(default_factory=InMemoryStateStore, compare=False)
    try_number: int = field(default=1, compare=False)
    retries_left: bool | None = field(default=None, compare=False)
    cleared_on_success: bool = field(default=False, compare=False)

    @classmethod
    def nobody(cls) -> TaskIdentity:
        """A buyer outside any task: every purchase is a new one."""
        return cls("python", uuid.uuid4().hex, "call")

    @property
    def scope(self) -> tuple[Any, ...]:
        """What of it counts in an idempotency key."""
        return (self.dag_id, self.run_id, self.task_id, self.map_index)

    def key(self, digest: str, reuse: Reuse, generation: int) -> str:
        """The idempotency key of a request.

        :param digest: digest of the request.
        :param reuse: how far an equal request counts as the same purchase.
        :param generation: how often a person asked for it anew.
        """
        return purchase_key(digest, reuse, self.scope, generation)


def default_stem(identity: TaskIdentity) -> str:
    """`<dag>.<task>` as far as the name of a stored file can hold it; of a long DAG id the end is left out.

    :param identity: the task instance.
    """
    dag, task = (re.sub(r"[^A-Za-z0-9_.-]+", "-", part) for part in (identity.dag_id, identity.task_id))
    task = task[: LONGEST_STEM - LONGEST_STEM // 3]
    return f"{dag[: LONGEST_STEM - len(task) - 1]}.{task}"


class LedgerStore:
    """A task instance's ledger in its task state store.

    The latest purchase lies under the record key of 0.1.0, and names the idempotency keys of earlier ones and what
    they may have cost; these lie beside it, for the store cannot be listed.

    :param store: the task state store.
    :param slot: the purchase's own part of the record key.
    """

    def __init__(self, store: StateStore, slot: str) -> None:
        self.store, self.record_key = store, f"grok.{slot}"
        self._apart: set[str] = set()

    def read(self) -> Ledger:
        """Read the ledger.

        :raises UnreadableRecord: for a record of a newer release, or one that is damaged.
        :raises StoreUnavailable: when the store does not answer.
        """
        value = self._get(self.record_key)
        if value is None:
            return Ledger()
        current = record_from_json(self.record_key, value)
        costs = value.get("keys", {})
        if not isinstance(costs, dict) or not all(isinstance(ticks, int) for ticks in costs.values()):
            raise _unreadable(self.record_key, "what it says of earlier purchases is damaged")
        others = [self._other(key, ticks, current) for key, ticks in costs.items()]
        self._apart = {other.key for other in others}
        return Ledger(current, tuple(others))

    def _other(self, key: str, ticks: int, current: PurchaseRecord) -> PurchaseRecord:
        where = f"{self.record_key}.{key}"
        value = self._get(where)
        if value is not None:
            return record_from_json(where, value)
        # The store lost it. What it may have cost still counts, and what it made is looked for by its key.
        lost = Attempt(0.0, "unknown", ticks)
        return PurchaseRecord(key, current.kind, "", attempts=(lost,))

    def _get(self, key: str) -> Any:
        try:
            return self.store.get(key)
        except Exception as error:
            raise StoreUnavailable(
                f"Airflow's task state store did not answer ({type(error).__name__}: {error}). Without its record a "
                "purchase could be made twice, so nothing was bought; a retry will ask again."
            ) from error

    def write(self, ledger: Ledger) -> None:
        """Write the ledger: earlier purchases that are not beside the latest yet, then the latest.

        :param ledger: the ledger.
        """
        if ledger.current is None:
            return
        for other in ledger.others:
            if other.key not in self._apart:
                self.store.set(f"{self.record_key}.{other.key}", record_to_json(other))
                self._apart.add(other.key)
        self._apart.discard(ledger.current.key)
        keys = {other.key: other.may_have_cost for other in ledger.others}
        self.store.set(self.record_key, record_to_json(ledger.current) | ({"keys": keys} if keys else {}))


def record_to_json(record: PurchaseRecord) -> dict[str, Any]:
    """A record as it is stored: its latest attempt in the fields of 0.1.0 and some more, earlier ones beside them.

    :param record: the record.
    """
    last = record.last or Attempt(0.0)
    return {
        "version": VERSION,
        "token": record.key,
        "generation": record.generation,
        "phase": _PHASES[last.state],
        "max_tries": record.max_tries,
        **asdict(last),
        "kind": record.kind,
        "name": record.name,
        "spent": record.spent,
        "result": record.result,
        "sent": bool(record.attempts),
        "earlier": [asdict(attempt) for attempt in record.attempts[:-1]],
        "result_account": record.result_account,
        "searching_since": record.searching_since,
        "passed_over": list(record.passed_over),
    }


def record_from_json(where: str, value: Any) -> PurchaseRecord:
    """Read a record of this release or an earlier one; fields that it does not know are ignored.

    :param where: its key in the store, for the error.
    :param value: what the store holds.
    :raises UnreadableRecord: for anything that is no such record.
    """
    if not isinstance(value, dict):
        raise _unreadable(where, f"it is {type(value).__name__} and no object")
    version = value.get("version", 1)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise _unreadable(where, f"its version is {version!r}")
    if version > VERSION:
        raise _unreadable(where, f"a newer release wrote it (version {version}; this one reads up to {VERSION})")
    try:
        attempts = _attempts(value) if version > 1 else _attempts_of_0_1_0(value)
        return PurchaseRecord(
            key=_text(value["token"]),
            kind=KINDS[value.get("kind", "image")].name,
            name=_text(value.get("name", "")),
            generation=_whole(value.get("generation", 0)),
            max_tries=_whole(value.get("max_tries", 0)),
            attempts=attempts,
            result=_result(value.get("result")),
            searching_since=None if value.get("searching_since") is None else float(value["searching_since"]),
            passed_over=tuple(_text(one) for one in value.get("passed_over") or ()),
            spent=_whole(value.get("spent", 0)),
            result_account=_text(value.get("result_account", "")),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _unreadable(where, f"it is damaged ({type(error).__name__}: {error})") from None


def _attempts(value: Mapping[str, Any]) -> tuple[Attempt, ...]:
    if not value.get("sent", True):
        return ()
    latest = dict(value)
    if _PHASES.get(value["state"]) != value["phase"]:
        raise ValueError(f"its state is {value['state']!r} and its phase {value['phase']!r}")
    known = {one.name for one in fields(Attempt)}
    attempts = tuple(
        Attempt(**{name: given for name, given in one.items() if name in known})
        for one in (*value.get("earlier", ()), latest)
    )
    for one in attempts:
        if one.state not in _PHASES or not isinstance(one.at, int | float):
            raise ValueError(f"an attempt of state {one.state!r}")
        for ticks in (one.estimate, one.ticks):
            if ticks is not None:
                _whole(ticks)
        if one.job_id is not None:
            _text(one.job_id)
    return attempts


def _attempts_of_0_1_0(value: Mapping[str, Any]) -> tuple[Attempt, ...]:
    """What 0.1.0 knew of a purchase, as the one attempt that it was."""
    phase, at = value["phase"], float(value.get("at") or 0)
    job_id, estimate = value.get("job_id"), value.get("estimate")
    result = _result(value.get("result")) or {}
    if phase == "intended":
        return (Attempt(at, "intended", estimate),)
    if phase == "submitted":
        return (Attempt(at, "submitted", estimate, job_id=_text(job_id)),)
    if phase == "done":
        ticks = None if result.get("estimated") else result.get("ticks")
        return (Attempt(at, "done", result.get("ticks", estimate), job_id=job_id, ticks=ticks),)
    if phase == "failed":
        # What it was billed is in `spent` already.
        return (Attempt(at, "failed", estimate, job_id=job_id, ticks=result.get("ticks"), billed=False),)
    raise ValueError(f"its phase is {phase!r}")


def _result(value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise TypeError("a result that is none")
    rows = value.get("files", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise TypeError("a result that is none")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} is no whole number")
    return value


def _unreadable(where: str, why: str) -> UnreadableRecord:
    return UnreadableRecord(
        f"The purchase record {where!r} in the task state store cannot be read: {why}. Nothing was bought, for the "
        "record may stand for something that is paid for. Run the release that wrote it, or delete the record (the "
        "task instance's Storage tab) to buy anew."
    )
