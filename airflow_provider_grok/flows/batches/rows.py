"""Rows of a batch: ids on the wire that carry a digest of a row's content, and the names of batches that hold them.

A request is `<user's id>.<10 hex digits>` on the wire. So the server itself is the ledger: a row that is already in a
batch is known by its id, and a row whose content changed has another one. Ids are split only in batches whose name has
the form `<stem>.rows-<list>-<run>.<key>`, which this module makes; all other ids are taken as they are. These formulas
are a contract with batches already bought: `tests/flows/batches/test_rows.py` holds golden values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from airflow_provider_grok.api import errors
from airflow_provider_grok.flows.batches.requests import Entry, entry_id, row_content
from airflow_provider_grok.flows.purchases.key import KEY_LENGTH, Reuse, digest_of
from airflow_provider_grok.flows.purchases.names import result_name
from airflow_provider_grok.flows.purchases.store import TaskIdentity

#: Hex digits of a row's or a list's digest, and of the mark of the run that submitted a batch.
DIGEST_LENGTH, RUN_LENGTH = 10, 6
#: Longest id on the wire, and longest stem of a name of our making, in characters.
LONGEST_WIRE_ID, LONGEST_STEM = 128, 60

_NAME = re.compile(
    rf"(.*)\.rows-([0-9a-f]{{{DIGEST_LENGTH}}})-([0-9a-f]{{{RUN_LENGTH}}})\.([0-9a-f]{{{KEY_LENGTH}}})", re.DOTALL
)
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
_WIRE_ID = re.compile(rf"(.+)\.[0-9a-f]{{{DIGEST_LENGTH}}}", re.DOTALL)


@dataclass(frozen=True)
class RowBatchName:
    """The name of a batch whose ids carry digests.

    :param stem: the user's name for it, or `<dag>.<task>`.
    :param list_digest: digest of the list that it stands for.
    :param run: mark of the DAG run that submitted it.
    :param key: the idempotency key of the purchase; all batches and files of the purchase bear it.
    """

    stem: str
    list_digest: str
    run: str
    key: str

    @classmethod
    def parse(cls, name: str) -> RowBatchName | None:
        """Read a batch's name; None for a batch that was not made in this way.

        :param name: the name.
        """
        found = _NAME.fullmatch(name)
        return cls(*found.groups()) if found else None

    @property
    def mark(self) -> str:
        """The name without its stem, which a server may have shortened."""
        return f"rows-{self.list_digest}-{self.run}.{self.key}"

    def __str__(self) -> str:
        return f"{self.stem[:LONGEST_STEM]}.{self.mark}"

    def is_same_list(self, other: RowBatchName | None) -> bool:
        """Whether another name stands for the same list of the same purchase, whoever submitted it."""
        return other is not None and (other.list_digest, other.key) == (self.list_digest, self.key)


class IdScheme(Protocol):
    """How the requests of a purchase are named: on the wire, and as stored files."""

    @property
    def key(self) -> str:
        """The idempotency key in all names of the purchase."""

    @property
    def batch_name(self) -> str:
        """The name of the list's own batch."""

    def wire_id(self, entry: Entry) -> str:
        """A request's id on the wire."""

    def filename(self, wire: str, extension: str) -> str:
        """The name of a request's stored result."""

    def may_hold_rows(self, name: str) -> bool:
        """Whether a batch of this name may hold requests of the purchase."""

    def is_own_list(self, name: str) -> bool:
        """Whether a batch of this name stands for exactly this list."""

    def is_fillable(self, name: str) -> bool:
        """Whether this task instance may add requests to a batch of this name."""


@dataclass(frozen=True)
class RowIds:
    """Ids with digests.

    :param name: the name of the list's own batch.
    """

    name: RowBatchName

    @property
    def key(self) -> str:
        """The idempotency key in all names of the purchase."""
        return self.name.key

    @property
    def batch_name(self) -> str:
        """The name of the list's own batch."""
        return str(self.name)

    def wire_id(self, entry: Entry) -> str:
        """A request's id on the wire."""
        return wire_id(entry)

    def filename(self, wire: str, extension: str) -> str:
        """The name of a request's stored result."""
        return row_filename(self.name.stem, self.key, wire, extension)

    def may_hold_rows(self, name: str) -> bool:
        """Whether a batch of this name may hold requests of the purchase."""
        found = RowBatchName.parse(name)
        return found is not None and found.key == self.key

    def is_own_list(self, name: str) -> bool:
        """Whether a batch of this name stands for exactly this list."""
        return self.name.is_same_list(RowBatchName.parse(name))

    def is_fillable(self, name: str) -> bool:
        """Whether this run may add to a batch of this name: under `always` another run's batch is only read."""
        found = RowBatchName.parse(name)
        return self.name.is_same_list(found) and found is not None and found.run == self.name.run


@dataclass(frozen=True)
class PlainIds:
    """Ids as the user wrote them: for a batch that release 0.1.0 began.

    :param key: the batch's idempotency key by the formula of 0.1.0.
    :param batch_name: the batch's name.
    :param stem: its stem.
    """

    key: str
    batch_name: str
    stem: str

    def wire_id(self, entry: Entry) -> str:
        """A request's id on the wire."""
        return entry_id(entry)

    def filename(self, wire: str, extension: str) -> str:
        """The name of a request's stored result."""
        return result_name(self.stem, wire, self.key, extension)

    def may_hold_rows(self, name: str) -> bool:
        """Whether a batch of this name may hold requests of the purchase."""
        return name.endswith(f".{self.key}") and RowBatchName.parse(name) is None

    def is_own_list(self, name: str) -> bool:
        """Whether a batch of this name stands for exactly this list: the key of 0.1.0 is made of the list."""
        return self.may_hold_rows(name)

    def is_fillable(self, name: str) -> bool:
        """Whether this run may add to a batch of this name."""
        return self.may_hold_rows(name)


def plain_ids(key: str, name: str) -> PlainIds:
    """The ids of a batch that 0.1.0 began.

    :param key: the batch's key by the formula of 0.1.0.
    :param name: the batch's name.
    """
    return PlainIds(key, name, name[: -len(key) - 1])


def batch_key(task: TaskIdentity, reuse: Reuse, generation: int, stem: str) -> str:
    """The idempotency key of a purchase by the row: it says who buys; what is bought stands in each row's own id.

    :param task: the task instance.
    :param reuse: how far an equal row counts as the same purchase; under `always` all batches of one name are one.
    :param generation: how often a person asked for it anew (counts with `attempt` only).
    :param stem: the batch's name without key.
    """
    if reuse == "always":
        return digest_of(["batch rows", stem])[:KEY_LENGTH]
    scope = [task.dag_id, task.run_id, task.task_id, task.map_index]
    return digest_of(["batch rows", scope, *([generation] if reuse == "attempt" else [])])[:KEY_LENGTH]


def key_of_first_release(task: TaskIdentity, reuse: Reuse, generation: int, digest: str) -> str:
    """The key that 0.1.0 gave to a list: it is looked for, so that what it began is gone on with.

    :param task: the task instance.
    :param reuse: how far an equal list counted as the same purchase.
    :param generation: how often a person asked for it anew (counts with `attempt` only).
    :param digest: digest of the list.
    """
    scope = [] if reuse == "always" else [task.dag_id, task.run_id, task.task_id, task.map_index]
    return digest_of([digest, *scope, *([generation] if reuse == "attempt" else [])])[:KEY_LENGTH]


def run_mark(dag_id: str, run_id: str) -> str:
    """The mark of a DAG run in the names of batches that it submits: only those does it cancel.

    :param dag_id: the DAG.
    :param run_id: the run.
    """
    return digest_of([dag_id, run_id])[:RUN_LENGTH]


def wire_id(entry: Entry) -> str:
    """A request's id on the wire: the user's id, and a digest of it and of the content.

    :param entry: the request.
    """
    return f"{entry_id(entry)}.{digest_of([entry_id(entry), *row_content(entry)])[:DIGEST_LENGTH]}"


def user_id(wire: str) -> str:
    """The user's id in an id on the wire, of a batch of ours.

    :param wire: the id on the wire.
    """
    found = _WIRE_ID.fullmatch(wire)
    return found.group(1) if found else wire


def list_digest(wire_ids: Sequence[str]) -> str:
    """The digest of a list, by which a batch shows whether it holds the whole list in order.

    :param wire_ids: the ids on the wire, in order.
    """
    return digest_of(list(wire_ids))[:DIGEST_LENGTH]


def check_lengths(entries: Iterable[Entry]) -> None:
    """Refuse ids that leave no room for the digest.

    :param entries: the requests.
    :raises InvalidRequest: naming the first.
    """
    longest = LONGEST_WIRE_ID - DIGEST_LENGTH - 1
    for index, entry in enumerate(entries):
        if len(entry_id(entry)) > longest:
            raise errors.InvalidRequest(
                f"requests[{index}]: id {errors.clean(entry_id(entry), 150)!r} has {len(entry_id(entry))} characters; "
                f"{longest} are allowed, for a digest of the content is put behind it. Give a shorter id."
            )


def row_filename(stem: str, key: str, wire: str, extension: str, number: int = 0) -> str:
    """The name of the stored result of a row.

    :param stem: the batch's stem.
    :param key: the purchase's key, which stands before the id, so that it survives a server that shortens names.
    :param wire: the row's id on the wire.
    :param extension: its ending, with its dot.
    :param number: 0 for a request's first result, 1 for its second.
    """
    return f"{_safe(stem)[:LONGEST_STEM]}.{key}.{_safe(wire)}{f'~{number + 1}' if number else ''}{extension}"


def row_mark(wire: str) -> str:
    """What tells a row's files apart in their names, in lower case: a server or a disk may not keep the case.

    :param wire: the row's id on the wire, whose digest differs where two ids differ only in case.
    """
    return _safe(wire).lower()


def mark_in(filename: str, key: str) -> str | None:
    """The `row_mark` in the name of a row's stored result; None for any other file.

    :param filename: the name.
    :param key: the purchase's key.
    """
    stem, dot, ending = filename.partition(f".{key}.")[2].rpartition(".")
    mark = re.sub(r"~\d+$", "", stem).lower()
    return mark if dot and ending != "jsonl" and _WIRE_ID.fullmatch(mark) else None


def _safe(text: str) -> str:
    return _UNSAFE.sub("-", text).lstrip(".") or "batch"
