"""Reattachment: what the API shows of a purchase that an earlier try, or another task, has made or begun."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from airflow_provider_grok.api import errors, files, jobs
from airflow_provider_grok.api.call import Flow, Now
from airflow_provider_grok.flows.files.result_store import StoredResult, lives_long_enough
from airflow_provider_grok.flows.purchases.ledger import PurchaseRecord
from airflow_provider_grok.flows.purchases.names import bears, newest_files, search

#: The least life, in seconds, that a file of a finished purchase must have left to be returned again.
LEAST_LIFETIME = 3600


class Reattachment:
    """Asks the API for what may be there of a purchase.

    :param count: how many files the purchase makes.
    :param expires_after: life of its files that is asked for, in seconds; None: no end.
    :param shared: whether files of other tasks count (`reuse="always"`): only those that live long enough do.
    :param log: where to tell what is found.
    """

    def __init__(self, count: int, expires_after: int | None, *, shared: bool, log: logging.Logger | Any) -> None:
        self.count, self.expires_after, self.shared, self.log = count, expires_after, shared, log
        self.looks = 0
        self.too_old: set[str] = set()

    def recorded_files(self, record: PurchaseRecord) -> Flow[list[StoredResult] | None]:
        """The recorded files as they are now; None where one is a 404, or about to end.

        :param record: the record of a finished purchase.
        """
        alive: list[StoredResult] = []
        now: float = yield Now()
        for row in (StoredResult.of_row(row) for row in (record.result or {}).get("files", [])):
            if not row.file_id:
                alive.append(row)
                continue
            try:
                file = yield from files.get(row.file_id)
            except errors.NotFound:
                self.log.warning("File %s of the finished purchase is gone (404).", row.file_id)
                return None
            if file.expires_at is not None and file.expires_at - now < LEAST_LIFETIME:
                self.log.warning(
                    "File %s of the finished purchase ends in %d s: it is not used again.",
                    *(row.file_id, file.expires_at - now),
                )
                self.too_old.add(file.id)
                return None
            alive.append(StoredResult.of_file(file))
        return alive

    def poll(self, job: jobs.Job) -> Flow[jobs.Progress | None]:
        """How a submitted job is; None where the server says that it does not know it.

        :param job: the job.
        """
        try:
            progress: jobs.Progress = yield from jobs.poll(job)
        except errors.NotFound:
            return None
        return progress

    def by_key(self, record: PurchaseRecord, keys: Sequence[str]) -> Flow[list[files.File] | None]:
        """Look once for the files of a purchase, by its key; None unless all of them are there.

        What is looked for is the key and not the name, for a server may alter names. Its search is fuzzy, and what it
        finds by one form it may not find by another: a task that looks again and again asks in turn.

        :param record: the purchase's record.
        :param keys: the idempotency key, and those that earlier releases made of the same request.
        """
        look = self.looks
        self.looks += 1
        for ask in self._questions(record, keys, look):
            found = self._whole(record, keys, (yield from ask()), (yield Now()))
            if found is not None:
                return found
        return None

    def _questions(
        self, record: PurchaseRecord, keys: Sequence[str], look: int
    ) -> list[Callable[[], Flow[list[files.File]]]]:
        by_key: list[Callable[[], Flow[list[files.File]]]] = [partial(search, key) for key in keys]
        by_name: list[Callable[[], Flow[list[files.File]]]] = [partial(search, record.name)]
        if self.shared and look == 0:
            return [*by_name, *by_key]
        turns: list[list[Callable[[], Flow[list[files.File]]]]] = [by_key, by_name, [newest_files]]
        return turns[look % len(turns)]

    def _whole(
        self, record: PurchaseRecord, keys: Sequence[str], listed: Sequence[files.File], now: float
    ) -> list[files.File] | None:
        """The newest result, oldest picture first; None unless all of it is there."""
        usable: dict[str, files.File] = {}
        for file in listed:
            if file.id in record.passed_over or not any(bears(file.filename, key) for key in keys):
                continue
            # A result of this very purchase is taken however soon it ends; another task's must serve as a new one.
            if self.shared and not record.open_attempts and not lives_long_enough(file, self.expires_after, now):
                self.too_old.add(file.id)
                continue
            usable[file.id] = file
        newest = sorted(usable.values(), key=lambda file: (file.created_at, file.id), reverse=True)[: self.count]
        return list(reversed(newest)) if len(newest) == self.count else None


def job_of(record: PurchaseRecord) -> jobs.Job:
    """The submitted job of a record.

    :param record: a record whose latest attempt has a job.
    """
    last = record.attempts[-1]
    return jobs.Job(record.kind, last.job_id or "", last.at)


def settled(progress: jobs.Progress) -> jobs.Progress:
    """A job's end that is taken as such.

    :param progress: what a poll showed.
    """
    return dataclasses.replace(progress, odd=False)
