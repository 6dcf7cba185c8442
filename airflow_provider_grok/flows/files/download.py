"""Bringing stored files to a path or an object storage: streamed to a temporary file, whole before it is put there."""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from airflow_provider_grok.api import errors, files, wire
from airflow_provider_grok.api.call import BlockingCall, Flow
from airflow_provider_grok.api.endpoint import Endpoint

_UNSAFE = re.compile(r"[^A-Za-z0-9._ -]+")


def download_to(file_id: str, target: str) -> Flow[str]:
    """Write a stored file to a path or object-storage URL, and return that.

    :param file_id: the file.
    :param target: where to; one that ends in `/` is a folder, and the file keeps its name.
    :raises InvalidRequest: for a target that cannot be written.
    :raises NotAnApiResponse: when other bytes came than are stored, such as a proxy's page.
    """
    if target.endswith("/"):
        (target,) = yield from names_of([file_id], target)
    file = yield from files.get(file_id)
    with tempfile.TemporaryDirectory(prefix="grok-") as folder:
        copy = Path(folder) / "file"
        got = yield from files.content(file_id, copy)
        if file.bytes not in (0, got.length):
            raise errors.NotAnApiResponse(
                f"{file_id} has {file.bytes} bytes, and {got.length} came ({got.content_type or 'no content type'}). "
                "Something between may have answered in the API's place; a retry asks again."
            )
        yield BlockingCall(lambda: put(copy, target))
    return target


async def download_all(
    endpoint: Endpoint, file_ids: Sequence[str], destination: str, max_concurrency: int
) -> list[str | BaseException]:
    """Write several files, many at a time; what went wrong with one stands in its place.

    :param endpoint: where and as whom.
    :param file_ids: the files.
    :param destination: path or URL; one that ends in `/` is a folder.
    :param max_concurrency: how many files at a time.
    :raises GrokError: when a file's name cannot be had; nothing is written then.
    """
    gate = asyncio.Semaphore(max_concurrency)

    async def one(file_id: str, target: str) -> str:
        async with gate:
            return await wire.arun(endpoint, download_to(file_id, target))

    targets = await wire.arun(endpoint, names_of(file_ids, destination))
    return await asyncio.gather(*map(one, file_ids, targets), return_exceptions=True)


def names_of(file_ids: Sequence[str], destination: str) -> Flow[list[str]]:
    """Where each of several files goes: no two to the same place.

    :param file_ids: the files.
    :param destination: path or URL; one that ends in `/` is a folder.
    """
    if not destination.endswith("/"):
        return [destination for _ in file_ids]
    targets: list[str] = []
    for file_id in file_ids:
        file = yield from files.get(file_id)
        name = safe_name(file.filename, file_id)
        if destination + name in targets:
            stem, dot, ending = name.rpartition(".")
            name = f"{stem or ending}.{safe_name(file_id, 'file')}{dot if stem else ''}{ending if stem else ''}"
        targets.append(destination + name)
    return targets


def safe_name(name: str, otherwise: str) -> str:
    """A server's file name as the name of a local file: never a path, never hidden.

    :param name: the name as the server gave it.
    :param otherwise: what to take where nothing of it is left.
    """
    flat = _UNSAFE.sub("_", name.replace("\\", "/").rpartition("/")[2]).lstrip(". ")
    return flat[-200:] or _UNSAFE.sub("_", otherwise)


def put(copy: Path, target: str) -> None:
    """Move a whole local file to a path or an object-storage URL.

    :param copy: the local file.
    :param target: where to; folders are made.
    :raises InvalidRequest: when it cannot be written there.
    """
    try:
        there = _at(target)
        there.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(there, Path):
            shutil.move(copy, there)
            return
        with copy.open("rb") as local, there.open("wb") as out:
            shutil.copyfileobj(local, out, 2**20)
    except (OSError, ImportError, ValueError) as error:
        raise errors.InvalidRequest(
            f"{target} cannot be written ({type(error).__name__}: {errors.clean(str(error))}). "
            "Check the destination, its rights and the provider of its storage."
        ) from error


def exists(target: str) -> bool:
    """Whether there is something at a path or object-storage URL already.

    :param target: path or URL.
    :raises GrokError: when the storage does not say.
    """
    try:
        return bool(_at(target).exists())
    except Exception as error:  # every storage has exceptions of its own
        raise errors.GrokError(
            f"{target} could not be looked for: {errors.clean(f'{type(error).__name__}: {error}')}"
        ) from error


def check_destination(folder: str) -> None:
    """See that a folder can be written to, before anything is fetched that is meant for it.

    :param folder: path or object-storage URL.
    :raises InvalidRequest: when it cannot.
    """
    target = f"{folder.rstrip('/')}/.grok-{uuid.uuid4().hex[:12]}"
    with tempfile.TemporaryDirectory(prefix="grok-") as here:
        probe = Path(here) / "probe"
        probe.write_bytes(b"probe")
        put(probe, target)
    # Who may write may not always delete; then a file of five bytes stays.
    with suppress(Exception):
        _at(target).unlink()


def _at(target: str) -> Any:
    """A path, or an object in a storage that Airflow knows.

    :param target: path or object-storage URL.
    """
    if "://" not in target:
        return Path(target).expanduser()
    from airflow.sdk import ObjectStoragePath

    return ObjectStoragePath(target)
