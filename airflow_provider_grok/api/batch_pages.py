"""Pages of batches as polls: how a hundred batches are, for one request (docs.x.ai, Batch API: list)."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_grok.api import batches, errors
from airflow_provider_grok.api.call import Call
from airflow_provider_grok.api.jobs import Progress

if TYPE_CHECKING:
    from airflow_provider_grok.api.answer import Answer


@dataclass(frozen=True)
class BatchStatusPage:
    """How each batch of a page is.

    :param progress: by batch id.
    :param token: leads to the next page; None on the last.
    """

    progress: Mapping[str, Progress]
    token: str | None


def status_page(
    *, limit: int = batches.PAGE, token: str | None = None, wanted: Container[str] | None = None
) -> Call[BatchStatusPage]:
    """Ask for a page of the team's batches, newest first; one that cannot be read is left out.

    :param limit: batches per page.
    :param token: the last page's token.
    :param wanted: ids of the batches that are asked about: others are not read; None: all.
    """

    def read(answer: Answer) -> BatchStatusPage:
        document = answer.json()
        listed = document.get("batches")
        now = batches.server_time(answer)
        found: dict[str, Progress] = {}
        entries = listed if isinstance(listed, list) else []
        for entry in entries:
            named = entry.get("batch_id") if isinstance(entry, dict) else None
            if not isinstance(named, str) or (wanted is not None and named not in wanted):
                continue
            try:
                batch = batches.Batch.parse(entry, f"{answer.method} {answer.path}")
            except errors.NotAnApiResponse:
                continue
            found[batch.batch_id] = batches.progress(batch, now)
        following = document.get("pagination_token")
        return BatchStatusPage(found, following if entries and isinstance(following, str) else None)

    return Call("GET", "/batches", read, query=batches.query(limit, token))
