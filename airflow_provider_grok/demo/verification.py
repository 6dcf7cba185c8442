"""The demo checks itself: what the sandbox noted of requests and charges must bear out what the demo is to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_grok.demo.table import dollars

if TYPE_CHECKING:
    from airflow_provider_grok.demo.table import Row

#: Bytes that a request without a picture in it stays under: prompts are short here, pictures never are.
SMALL = 4096


@dataclass(frozen=True)
class Check:
    """One thing that was checked.

    :param holds: whether it is so.
    :param text: what was seen.
    """

    holds: bool
    text: str


def check(rows: Sequence[Row], journal: Sequence[dict[str, Any]], charges: Sequence[dict[str, Any]]) -> list[Check]:
    """Check requests and charges against the files that the tasks say they made.

    :param rows: the files.
    :param journal: all requests.
    :param charges: all charges.
    """
    uploads = [one for one in journal if (one["method"], one["path"]) == ("POST", "/v1/files")]
    edits = [one for one in journal if (one["method"], one["path"]) == ("POST", "/v1/images/edits")]
    return [_uploaded_once(uploads), _no_bytes(edits), _charged_once(rows, edits, charges)]


def _uploaded_once(uploads: Sequence[dict[str, Any]]) -> Check:
    sent = sum(one["request_bytes"] for one in uploads)
    return Check(len(uploads) == 1, f"one upload: {len(uploads)} POST /v1/files, {sent:,} bytes")


def _no_bytes(edits: Sequence[dict[str, Any]]) -> Check:
    largest = max((one["request_bytes"] for one in edits), default=0)
    by_id = sum(1 for one in edits if set((one["json"] or {}).get("image") or {}) == {"file_id"})
    return Check(
        bool(edits) and largest < SMALL and by_id == len(edits),
        f"no picture bytes in any edit request: {by_id} of {len(edits)} name their source by file id, "
        f"the largest has {largest:,} bytes",
    )


def _charged_once(rows: Sequence[Row], edits: Sequence[Any], charges: Sequence[dict[str, Any]]) -> Check:
    made = sorted(row.request_id for row in rows if row.request_id)
    paid = sorted(charge["id"] for charge in charges)
    total = dollars(sum(charge["ticks"] for charge in charges))
    return Check(
        bool(made) and made == paid and len(edits) == len(made),
        f"one charge per edit: {len(made)} pictures, {len(edits)} edit requests, {len(paid)} charges, {total}",
    )
