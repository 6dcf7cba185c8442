"""Batches from a JSONL file: read and checked line by line, then stored with a name for every result."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow_provider_grok.api import batch_requests, errors
from airflow_provider_grok.api.call import BlockingCall, Flow
from airflow_provider_grok.api.endpoint import Endpoint
from airflow_provider_grok.flows.batches.purchase import BatchPurchase
from airflow_provider_grok.flows.files.upload import local_copy, upload_once

#: Life of a stored input file in seconds: a batch takes a day at the most.
LIFE = 7 * 24 * 3600


def read_lines(endpoint: Endpoint, source: str) -> Flow[list[Mapping[str, Any]]]:
    """Read a JSONL file of requests.

    :param endpoint: says from which hosts an https URL may be fetched.
    :param source: path or object-storage URL.
    :raises InvalidRequest: for a missing or empty file, or a bad line, by its number.
    """
    with tempfile.TemporaryDirectory(prefix="grok-") as folder:
        path, _ = yield from local_copy(endpoint, source, Path(folder))
        entries: list[Mapping[str, Any]] = yield BlockingCall(lambda: _read(path))
        return entries


def _read(path: Path) -> list[Mapping[str, Any]]:
    if not path.is_file():
        raise errors.InvalidRequest(
            f"There is no file {str(path)!r}. Check the path on the machine that runs the task."
        )
    batch_requests.check_jsonl(path)
    with path.open("rb") as file:
        lines = [json.loads(line) for line in file]
    return [batch_requests.request(one["custom_id"], batch_requests.KINDS[one["url"]], one["body"]) for one in lines]


def storing(
    endpoint: Endpoint, purchase: BatchPurchase, log: Any
) -> Callable[[Sequence[Mapping[str, Any]]], Flow[str]]:
    """How the entries of a batch become a stored input file; the same entries are stored once.

    :param endpoint: where and as whom.
    :param purchase: the batch's purchase.
    :param log: where to tell what happens.
    """

    def store(entries: Sequence[Mapping[str, Any]]) -> Flow[str]:
        with tempfile.TemporaryDirectory(prefix="grok-") as folder:
            path = Path(folder) / "requests.jsonl"
            yield BlockingCall(lambda: batch_requests.write_jsonl(entries, path))
            stored = yield from upload_once(endpoint, str(path), purchase.task, expires_after=LIFE, log=log)
            return stored.file.id

    return store
