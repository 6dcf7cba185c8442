"""What was kept of a batch that is over: its values for XCom, and whether it is enough."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_grok.api import errors, prices
from airflow_provider_grok.flows.batches.manifest import Row


@dataclass(frozen=True)
class PersistResult:
    """What was kept of a batch that is over.

    :param rows: one for every request, in order.
    :param manifest: id or URL of the JSONL with these rows; None where there are none.
    :param batch_id: the batch.
    :param min_success: share of the requests that must be kept.
    :param troubles: why results that exist could not be copied now.
    :param failure: why the waiting ended before the batch did.
    :param unlinked: why kept files have no public link, where one was asked for.
    :param late: what went wrong after everything was kept: with the list of requests, or with the manifest.
    """

    rows: Sequence[Row]
    manifest: str | None
    batch_id: str
    min_success: float
    troubles: Sequence[errors.GrokError] = ()
    failure: errors.GrokError | None = None
    unlinked: Sequence[errors.GrokError] = ()
    late: Sequence[errors.GrokError] = ()

    def results(self) -> list[str]:
        """Ids or URLs of what was kept, in request order."""
        return [str(one.file_id or one.url) for row in self.rows for one in row.files]

    def public_urls(self) -> list[str | None]:
        """Links of what was kept, in the same order."""
        return [one.public_url for row in self.rows for one in row.files]

    def counts(self) -> dict[str, int]:
        """How many requests there were, and what became of them."""
        return {"requests": len(self.rows), "kept": 0, **Counter(row.state for row in self.rows)}

    def receipt(self) -> dict[str, Any]:
        """The receipt's parts."""
        costs = [row.cost_in_usd_ticks for row in self.rows if row.state != "cancelled"]
        ticks = sum(cost or 0 for cost in costs)
        usage = {
            "cost_in_usd_ticks": ticks,
            "cost_usd": prices.usd(ticks),
            "estimated": any(cost is None for cost in costs),
        }
        # The task that submitted the batch has told its estimate already: told twice, it would be added up twice.
        billed = {"cost_in_usd_ticks": 0, "cost_usd": 0.0, "estimated": False, "moderation_ticks": 0}
        return {"counts": self.counts(), "usage": usage, "billed": billed, "request_id": self.batch_id}

    def check(self) -> None:
        """Fail where too little was kept; everything that was kept is safe by now.

        :raises GrokError: permanent unless results are left that a retry could still copy.
        """
        if self.failure:
            raise self.failure
        kept, total = self.counts()["kept"], len(self.rows)
        passing = [error for error in self.troubles if not error.permanent]
        if kept and kept >= self.min_success * total and not passing:
            self._check_late()
            self._check_links()
            return
        reasons = Counter(_reason(row) for row in self.rows if row.state != "kept")
        worst = "; ".join(f"{count} x {reason}" for reason, count in reasons.most_common(3))
        words = f"Batch {self.batch_id}: {kept} of {total} requests kept"
        if passing:
            raise errors.GrokError(
                f"{words}, {len(passing)} more could not be copied now; a retry copies them. {worst}."
            )
        wanted = max(1, math.ceil(self.min_success * total))
        raise TooLittleKept(
            f"{words}, and min_success={self.min_success:g} wants {wanted}. {worst}. "
            f"What was kept is in XCom{f' and in the manifest {self.manifest}' if self.manifest else ''}."
        )

    def _check_late(self) -> None:
        """Fail where the results are kept and something about them is missing."""
        for error in self.late:
            failed = errors.GrokError(
                f"Batch {self.batch_id}: everything is kept and in XCom, but {error.brief}. Another try goes on there."
            )
            failed.permanent = error.permanent
            raise failed

    def _check_links(self) -> None:
        """Fail where links are missing: the files are kept, and a retry makes only their links."""
        for error in self.unlinked:
            if error.permanent:
                raise error
        if self.unlinked:
            raise errors.GrokError(
                f"Batch {self.batch_id}: all is kept, but {len(self.unlinked)} public links could not be made now; a "
                f"retry makes them. {self.unlinked[0]}"
            )


def _reason(row: Row) -> str:
    """Why a request was not kept, in words that are the same for all that failed alike."""
    return f"{row.state}: {(row.reason or '').replace(f' job {row.batch_request_id} ', ' ').rstrip('. ')}"


class TooLittleKept(errors.GrokError):
    """Less of a batch was kept than was asked for; no retry brings more."""

    permanent = True
    billed = True
