"""The placement file of a list whose rows lie in several batches or stored files: a small JSONL in xAI Files.

Its first line is a head; every other line names, in the user's order, the user's id, the id on the wire, and the batch
or the files that hold the row. It is found by the batch's name. A batch that holds its whole list in order needs none:
the digest in its name proves it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_grok.api import errors, files
from airflow_provider_grok.api.call import BlockingCall, Flow
from airflow_provider_grok.flows.batches.rows import RowBatchName, list_digest

#: Version of the file's form.
VERSION = 1
#: Life of the file in seconds: the batch itself answers about a day.
LIFETIME = 7 * 24 * 3600


@dataclass(frozen=True)
class PlacedRow:
    """Where one row of a list lies.

    :param id: the user's id.
    :param wire_id: its id on the wire.
    :param batch_id: the batch that holds it; None where only its files are left.
    :param file_ids: its stored files, where no batch holds it.
    """

    id: str
    wire_id: str
    batch_id: str | None = None
    file_ids: tuple[str, ...] = ()


def write_placement(name: RowBatchName, rows: Sequence[PlacedRow]) -> Flow[None]:
    """Store where a list's rows lie, unless the newest file says the same already.

    :param name: the batch's name.
    :param rows: all rows, in the user's order.
    """
    found = yield from _newest(name)
    if found and found[1] == list(rows):
        return
    head = {"version": VERSION, "batch": str(name), "revision": found[0] + 1 if found else 1}
    with tempfile.TemporaryDirectory(prefix="grok-") as folder:
        path = Path(folder) / "placement.jsonl"
        lines = [head, *(_line(row) for row in rows)]
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
        yield BlockingCall(lambda: path.write_text(text, encoding="utf-8"))
        # A second copy of the same revision says the same: a lost answer is simply sent again by the next try.
        yield from files.upload(path, filename=f"{name}.placement.jsonl", expires_after=LIFETIME)


def read_placement(name: RowBatchName) -> Flow[list[PlacedRow] | None]:
    """Read where a list's rows lie; None where there is no such file.

    :param name: the batch's name.
    :raises GrokError: permanent, for a file of a newer version, or one that is damaged.
    """
    found = yield from _newest(name)
    return found[1] if found else None


def _newest(name: RowBatchName) -> Flow[tuple[int, list[PlacedRow]] | None]:
    found: list[tuple[int, list[PlacedRow]]] = []
    for file in (yield from _stored(name)):
        try:
            text = yield from _text(file.id)
        except errors.NotFound:
            continue
        found.append(_parse(text, file.filename, name))
    return max(found, key=lambda one: one[0], default=None)


def _stored(name: RowBatchName) -> Flow[list[files.File]]:
    try:
        found: list[files.File] = yield from files.listing(filter=f'name = "{name.mark}"')
    except errors.InvalidArgument:
        # A server that does not take the filter is asked for everything.
        found = yield from files.listing()
    return [file for file in found if file.filename.lower().endswith(f".{name.mark}.placement.jsonl")]


def _text(file_id: str) -> Flow[str]:
    with tempfile.TemporaryDirectory(prefix="grok-") as folder:
        path = Path(folder) / "placement.jsonl"
        yield from files.content(file_id, path)
        text: str = yield BlockingCall(lambda: path.read_text(encoding="utf-8", errors="replace"))
        return text


def _parse(text: str, filename: str, name: RowBatchName) -> tuple[int, list[PlacedRow]]:
    try:
        head, *lines = [json.loads(line) for line in text.splitlines()]
        version = head["version"]
        if version != VERSION:
            raise _unreadable(
                filename, f"has version {errors.clean(repr(version), 40)}, and this release reads {VERSION}"
            )
        rows = [_row(line) for line in lines]
        revision = int(head["revision"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, errors.GrokError):
            raise
        raise _unreadable(filename, f"is damaged ({errors.clean(str(error), 100)})") from error
    if list_digest([row.wire_id for row in rows]) != name.list_digest:
        raise _unreadable(filename, "does not name the rows of its list")
    return revision, rows


def _unreadable(filename: str, how: str) -> errors.GrokError:
    error = errors.GrokError(
        f"The placement file {filename} in xAI Files {how}. It says which batches hold the rows of a list. Delete it "
        "and clear the task that submitted the batch: it writes the file anew, and pays for nothing twice."
    )
    error.permanent = True
    return error


def _line(row: PlacedRow) -> dict[str, Any]:
    where: dict[str, Any] = {"batch_id": row.batch_id} if row.batch_id else {"file_ids": list(row.file_ids)}
    return {"id": row.id, "wire_id": row.wire_id, **where}


def _row(line: Mapping[str, Any]) -> PlacedRow:
    return PlacedRow(line["id"], line["wire_id"], line.get("batch_id"), tuple(line.get("file_ids") or ()))
