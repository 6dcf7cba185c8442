"""Bringing stored files to a path or an object storage: streamed to a temporary file, whole before it is put there."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from airflow_provider_grok.api import errors, files, wire
from airflow_provider_grok.api.call import BlockingCall, Flow, Now
from airflow_provider_grok.api.endpoint import Endpoint
from airflow_provider_grok.flows.files.destination import (
    beside,
    check_destination,
    exists,
    in_folder,
    is_folder,
    put,
    put_new,
    safe_name,
    same_to_a_file_system,
    with_id,
)
from airflow_provider_grok.flows.files.settle import SETTLING, settled
from airflow_provider_grok.flows.files.storage import OpenStorage, local_path, storage_errors

T = TypeVar("T")

__all__ = ["Downloaded", "check_destination", "download_all", "download_to", "exists", "put", "safe_name"]


@dataclass(frozen=True)
class Downloaded:
    """A file that was written.

    :param file: the stored file.
    :param url: path or URL where it is.
    """

    file: files.File
    url: str


def download_to(
    file_id: str,
    target: str,
    *,
    open_storage: OpenStorage | None = None,
    until: float | None = None,
    log: logging.Logger | Any = None,
) -> Flow[Downloaded]:
    """Write a stored file to a path or object-storage URL.

    :param file_id: the file.
    :param target: where to; in a folder the file keeps its name, and no other file is overwritten.
    :param open_storage: how object storage is opened; None: as the hook said.
    :param until: unix seconds after which a 404 is believed; None: a minute from now.
    :param log: where to tell what happens.
    :raises InvalidRequest: for a target that cannot be written.
    :raises NotAnApiResponse: when other bytes came than are stored, such as a proxy's page.
    """
    file = yield from settled(files.get(file_id), until)
    folder = yield BlockingCall(lambda: is_folder(target))
    name = safe_name(file.filename, file.id) if folder else None
    return (yield from _write(file, target, name, open_storage, until, log))


def _write(
    file: files.File,
    target: str,
    name: str | None,
    open_storage: OpenStorage | None,
    until: float | None,
    log: logging.Logger | Any,
) -> Flow[Downloaded]:
    """Write a file to a target, or under a name into a folder."""
    place = target if name is None else in_folder(target, name)
    with _copy_for(place) as copy:
        got = yield from settled(files.content(file.id, copy), until)
        _check_length(file, got)
        if name is None:
            url = target
            yield BlockingCall(lambda: put(copy, target, open_storage))
        else:
            url = yield BlockingCall(lambda: put_new(copy, target, name, file.id, open_storage))
    (log or logging.getLogger(__name__)).info("Wrote %s (%d bytes) to %s.", file.id, got.length, url)
    return Downloaded(file, url)


@contextmanager
def _copy_for(place: str) -> Iterator[Path]:
    """A file to stream to: beside a local target, so that it need not be copied again."""
    path = local_path(place)
    if path is None:
        with tempfile.TemporaryDirectory(prefix="grok-") as folder:
            # The ending tells a storage's client the content type.
            yield Path(folder) / f"file{path_ending(place)}"
        return
    with storage_errors(place, "written"), beside(path) as copy:
        yield copy


def path_ending(place: str) -> str:
    """The ending of a path or URL, with its dot.

    :param place: path or URL.
    """
    return Path(place.rpartition("/")[2]).suffix


def _check_length(file: files.File, got: files.Fetched) -> None:
    if file.bytes not in (0, got.length):
        raise errors.NotAnApiResponse(
            f"{file.id} has {file.bytes} bytes, and {got.length} came ({got.content_type or 'no content type'}). "
            "Something between may have answered in the API's place; a retry asks again."
        )


async def download_all(
    endpoint: Endpoint,
    file_ids: Sequence[str],
    destination: str,
    max_concurrency: int,
    *,
    open_storage: OpenStorage | None = None,
    log: logging.Logger | Any = None,
) -> list[Downloaded | BaseException]:
    """Write several files, many at a time; what went wrong with one stands in its place.

    :param endpoint: where and as whom.
    :param file_ids: the files.
    :param destination: path or URL; a folder for several files.
    :param max_concurrency: how many files at a time.
    :param open_storage: how object storage is opened; None: as the hook said.
    :param log: where to tell what happens.
    """
    gate = asyncio.Semaphore(max_concurrency)
    until = await wire.arun(endpoint, _minute_from_now())

    async def carry(work: Flow[T]) -> T:
        async with gate:
            return await wire.arun(endpoint, work)

    async def write(found: files.File | BaseException, name: str | None) -> Downloaded:
        if isinstance(found, BaseException):
            raise found
        return await carry(_write(found, destination, name, open_storage, until, log))

    looks = [carry(settled(files.get(file_id), until)) for file_id in file_ids]
    found = await asyncio.gather(*looks, return_exceptions=True)
    folder = await asyncio.to_thread(is_folder, destination)
    names = _names(found) if folder else [None for _ in found]
    return await asyncio.gather(*map(write, found, names), return_exceptions=True)


def _names(found: Sequence[files.File | BaseException]) -> list[str | None]:
    """The names of several files in one folder: of equal ones the first keeps it, the others bear their id."""
    taken: set[str] = set()
    names: list[str | None] = []
    for file in found:
        name = None
        if isinstance(file, files.File):
            name = safe_name(file.filename, file.id)
            if same_to_a_file_system(name) in taken:
                name = with_id(name, file.id)
            taken.add(same_to_a_file_system(name))
        names.append(name)
    return names


def _minute_from_now() -> Flow[float]:
    now: float = yield Now()
    return now + SETTLING
