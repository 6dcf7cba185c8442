"""The manifest of a batch: a row for every request, that says what became of it and where it is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from airflow_provider_grok.api import errors

State = Literal["kept", "moderated", "failed", "lost", "cancelled", "unfinished"]


@dataclass(frozen=True)
class StoredResultFile:
    """One stored result.

    :param file_id: in xAI Files; None where it went to an object storage.
    :param url: where it went, if not to xAI Files.
    :param filename: its name.
    :param bytes: its length; None where the server stored it itself.
    :param sha256: digest of what was copied, in hex; None where the server stored it itself, or it was found again.
    :param expires_at: its end in unix seconds; None: never.
    :param public_url: its public link.
    :param public_url_expires_at: the link's end in unix seconds.
    :param reason: why it has no public link, where one was asked for.
    """

    file_id: str | None = None
    url: str | None = None
    filename: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    expires_at: int | None = None
    public_url: str | None = None
    public_url_expires_at: int | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Row:
    """What became of one request: a row of the manifest.

    :param batch_request_id: the request.
    :param state: kept, moderated, failed, lost (made, but its link had died), cancelled, unfinished.
    :param files: what was kept of it.
    :param cost_in_usd_ticks: what it cost, where the result said so.
    :param reason: why something is missing.
    """

    batch_request_id: str
    state: State
    files: tuple[StoredResultFile, ...] = ()
    cost_in_usd_ticks: int | None = None
    reason: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The row as JSON data."""
        return {**asdict(self), "files": [asdict(one) for one in self.files]}

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Row:
        """Read a row back from JSON.

        :param kept: the row as `as_json` wrote it.
        """
        return cls(**{**kept, "files": tuple(StoredResultFile(**one) for one in kept.get("files", ()))})


def finish(
    rows: Mapping[str, Row],
    order: Iterable[str],
    troubles: Mapping[str, errors.GrokError],
    status: Callable[[str], str],
    ticks: Mapping[str, int | None],
) -> list[Row]:
    """All rows in request order, with one for every request, whatever became of it.

    :param rows: what is known, by request id.
    :param order: request ids in order.
    :param troubles: why results could not be copied.
    :param status: how the batch of a row stands, by the row's id.
    :param ticks: what requests cost, where their results said so.
    """
    ids = dict.fromkeys([*order, *rows, *troubles])
    return [rows.get(id) or _open(id, troubles.get(id), status(id), ticks.get(id)) for id in ids]


def _open(request_id: str, trouble: errors.GrokError | None, status: str, ticks: int | None) -> Row:
    if trouble:
        return Row(request_id, "failed", (), ticks, f"made, but not kept: {trouble.brief}")
    if status == "cancelled":
        return Row(request_id, "cancelled", reason="the batch was cancelled before it was made")
    how = "has no result for it yet" if status == "running" else f"ended ({status}) without a result for it"
    return Row(request_id, "unfinished", reason=f"the batch {how}")


def write_manifest(rows: Iterable[Row], path: Path) -> None:
    """Write rows as JSONL, one per request.

    :param rows: the rows, in request order.
    :param path: file to write.
    """
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row.as_json(), ensure_ascii=False) + "\n")
