"""What tasks have, by the records that they keep: ids, idempotency keys, and purchases that are not finished.

Money hangs on it: what is claimed is never offered for deletion. So a record of a form that is not known here claims
every id and every key that stands anywhere in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_grok.flows.purchases.key import KEY_LENGTH
from airflow_provider_grok.flows.purchases.ledger import PurchaseRecord
from airflow_provider_grok.flows.purchases.store import UnreadableRecord, record_from_json

#: A key that no other hex digit touches, as `names.bears` looks for it.
_KEY = re.compile(rf"(?<![0-9a-f])[0-9a-f]{{{KEY_LENGTH}}}(?![0-9a-f])")


@dataclass(frozen=True)
class Owner:
    """The task instance that keeps a record.

    :param words: the task in words.
    :param clear: the command that clears it; empty where there is none for it alone.
    """

    words: str
    clear: str = ""


@dataclass(frozen=True)
class Unfinished:
    """A purchase that is not finished: a task that runs again takes what it made.

    :param owner: the task instance.
    :param state: how it stands.
    :param kind: image, video or batch.
    :param name: the name of what it makes.
    :param job_id: the server's id of the job, where it is known.
    :param at: unix seconds of its sending.
    :param ticks: what it may have cost, in ticks of 1e-10 USD.
    :param open: whether something may still come of it.
    """

    owner: Owner
    state: str
    kind: str = ""
    name: str = ""
    job_id: str | None = None
    at: float = 0.0
    ticks: int = 0
    open: bool = False

    @property
    def words(self) -> str:
        """The task, and how its purchase stands."""
        return f"{self.owner.words} ({self.state})"


@dataclass(frozen=True)
class Claims:
    """What tasks have, by their records.

    :param ids: files and batches that tasks have.
    :param keys: idempotency keys all of whose files and batches are somebody's.
    :param unfinished: purchases that are not finished, by their keys.
    :param ticks: what a purchase cost, by its key, in ticks of 1e-10 USD.
    :param finished: the task of a finished purchase, in words, by its key.
    """

    ids: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    unfinished: Mapping[str, Unfinished] = field(default_factory=dict)
    ticks: Mapping[str, int] = field(default_factory=dict)
    finished: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, claimed: Claims | Iterable[str] | None) -> Claims:
        """Claims out of what a caller has: all of them, or ids alone.

        :param claimed: claims, ids of files and batches, or None for no claim at all.
        """
        return claimed if isinstance(claimed, Claims) else cls(frozenset(claimed or ()))

    def knows(self, key: str) -> bool:
        """Whether a record names a key.

        :param key: the idempotency key.
        """
        return key in self.keys or key in self.unfinished or key in self.ticks


def claims_of(records: Iterable[tuple[Owner, Any]], told: Iterable[Any] = ()) -> Claims:
    """Put together what tasks have.

    :param records: a task instance, and a value that it keeps in its task state store.
    :param told: what tasks pushed to XCom as `receipt` and `manifest`.
    """
    found = _Collected()
    for owner, value in records:
        found.add(owner, value)
    for value in told:
        found.ids.update(_texts(value))
    return found.claims()


def keys_in(text: str) -> list[str]:
    """Every idempotency key that a text may hold, however the text around it was altered.

    :param text: a name.
    """
    return _KEY.findall(text.lower())


class _Collected:
    """Claims while they are collected."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.keys: set[str] = set()
        self.unfinished: dict[str, Unfinished] = {}
        self.ticks: dict[str, int] = {}
        self.finished: dict[str, str] = {}
        self._mentioned: set[str] = set()

    def claims(self) -> Claims:
        """The claims."""
        # An earlier purchase whose own record is lost: what it made can only be told by its key.
        lost = self._mentioned - self.ticks.keys()
        return Claims(frozenset(self.ids), frozenset(self.keys | lost), self.unfinished, self.ticks, self.finished)

    def add(self, owner: Owner, value: Any) -> None:
        """Add what a record claims.

        :param owner: the task instance.
        :param value: what it keeps.
        """
        if not isinstance(value, dict) or not isinstance(value.get("token"), str):
            self._add_all(value)
        elif value.get("kind") == "batch":
            self._add_batch(owner, value)
        else:
            self._add_purchase(owner, value)

    def _add_all(self, value: Any, but: Iterable[str] = ()) -> None:
        but = set(but)
        texts = set(_texts(value)) - but
        self.ids |= texts
        self.keys.update(key for text in texts for key in keys_in(text) if key not in but)

    def _add_batch(self, owner: Owner, value: Mapping[str, Any]) -> None:
        key, phase = str(value["token"]), str(value.get("phase"))
        self.ticks[key] = _ticks(value)
        if phase == "done":
            self._add_all(value)
            return
        made = [part.get("batch_id") for part in value.get("parts") or () if isinstance(part, dict)]
        # Its batches are shown, with the task that goes on with them.
        self._add_all(value, [key, *(one for one in (value.get("job_id"), *made) if isinstance(one, str))])
        is_open = phase in ("intended", "submitted")
        self._add_unfinished(key, _raw(owner, value, phase, open=is_open))

    def _add_purchase(self, owner: Owner, value: Mapping[str, Any]) -> None:
        key = str(value["token"])
        if isinstance(earlier := value.get("keys"), dict):
            self._mentioned.update(map(str, earlier))
        try:
            record = record_from_json(owner.words, value)
        except UnreadableRecord:
            # Damaged, or of a newer release: what bears its key is left to it.
            self.ticks[key] = _ticks(value)
            self._add_all(value, [key])
            self._add_unfinished(key, _raw(owner, value, str(value.get("phase")), open=True))
            return
        self.ids.update(_texts(record.result))
        self.ids.update(record.passed_over)
        self.ticks[key] = (record.result or {}).get("ticks") or _estimate(record)
        if record.finished:
            self.finished[key] = owner.words
        else:
            self._add_unfinished(key, _unfinished(owner, record))

    def _add_unfinished(self, key: str, one: Unfinished) -> None:
        # Under reuse="always" several tasks have the same key: the one that waits for it is shown.
        if key not in self.unfinished or one.open:
            self.unfinished[key] = one


def _unfinished(owner: Owner, record: PurchaseRecord) -> Unfinished:
    last, is_open = record.last, any(one.open and not one.searched for one in record.attempts)
    state = last.state if last else "looking for it"
    job_id, at = (last.job_id, last.at) if last else (None, record.searching_since or 0.0)
    return Unfinished(owner, state, record.kind, record.name, job_id, at, record.may_have_cost, is_open)


def _raw(owner: Owner, value: Mapping[str, Any], state: str, *, open: bool) -> Unfinished:
    """An unfinished purchase out of a record that is not read as one."""
    job_id, at = value.get("job_id"), value.get("at")
    return Unfinished(
        owner,
        state,
        str(value.get("kind") or "image"),
        str(value.get("name") or ""),
        job_id if isinstance(job_id, str) else None,
        float(at) if isinstance(at, int | float) else 0.0,
        _ticks(value),
        open,
    )


def _estimate(record: PurchaseRecord) -> int:
    return (record.last.ticks or record.last.estimate or 0) if record.last else 0


def _ticks(value: Mapping[str, Any]) -> int:
    result = value.get("result")
    told = result.get("ticks") if isinstance(result, dict) else None
    ticks = told or value.get("estimate")
    return ticks if isinstance(ticks, int) else 0


def _texts(value: Any) -> Iterator[str]:
    """Every text in a value: ids are the server's own, so any of them may be one."""
    if isinstance(value, dict | list | tuple):
        inside = [*value, *value.values()] if isinstance(value, dict) else value
        for inner in inside:
            yield from _texts(inner)
        return
    if not isinstance(value, str):
        return
    yield value
    if value[:1] in ('"', "[", "{"):
        # XCom keeps JSON, and what it kept may be JSON in its turn.
        with suppress(ValueError, RecursionError):
            yield from _texts(json.loads(value))
