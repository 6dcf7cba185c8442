"""Long lists in a task state store: cut by bytes over several entries, with a head that tells their number."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from airflow_provider_grok.api import errors
from airflow_provider_grok.flows.purchases.store import StateStore

#: Largest entry, in bytes: Airflow warns of more than 64 KiB, and other backends of the store take less.
ENTRY_LIMIT = 30 * 1024


class ChunkWriter:
    """Writes a list that only grows: an entry that is full is not written again.

    :param store: the task state store.
    :param key: the list's key; its entries are `<key>.0`, `<key>.1`, ...
    """

    def __init__(self, store: StateStore, key: str) -> None:
        self.store, self.key = store, key
        self.full, self.written = 0, 0
        self._open: list[Any] = []
        self._size = 2

    def append(self, items: Iterable[Any]) -> int:
        """Write what is new at the end of the list; the answer is the number of entries, for the head.

        :param items: what is new.
        """
        before = self.written
        for item in items:
            size = len(json.dumps(item).encode()) + 2
            if self._open and self._size + size > ENTRY_LIMIT:
                self._flush()
                self.full, self._open, self._size = self.full + 1, [], 2
            self._open.append(item)
            self._size += size
            self.written += 1
        if self.written > before:
            self._flush()
        return self.full + bool(self._open)

    def rewrite(self, items: Iterable[Any]) -> int:
        """Write a list whose beginning may have changed.

        :param items: the whole list.
        """
        self.full, self.written, self._open, self._size = 0, 0, [], 2
        return self.append(items)

    def _flush(self) -> None:
        self.store.set(f"{self.key}.{self.full}", self._open)


def read_chunks(store: StateStore, key: str, count: int) -> list[Any]:
    """Read a list back.

    :param store: the task state store.
    :param key: the list's key.
    :param count: the number of its entries, as its head tells it.
    :raises GrokError: permanent, for an entry that is no list.
    """
    items: list[Any] = []
    for number in range(count):
        kept = store.get(f"{key}.{number}") or []
        if not isinstance(kept, list):
            error = errors.GrokError(
                f"The task state store's entry '{key}.{number}' is damaged: {type(kept).__name__} instead of a list. "
                "Delete the task's entries of that name (its tab Storage) to begin anew."
            )
            error.permanent = True
            raise error
        items += kept
    return items
