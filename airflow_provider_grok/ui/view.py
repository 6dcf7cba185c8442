"""What a page of the gallery shows: receipts from the database, batches by manifest or by list, cards, and notes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_provider_grok.ui import gallery, receipts, spend, xcoms
from airflow_provider_grok.ui.batch_results import BatchLists, lists_of, manifest_rows
from airflow_provider_grok.ui.catalog import Catalog
from airflow_provider_grok.ui.media import MediaHosts
from airflow_provider_grok.ui.previews import NoPreview, Policy, Previews

if TYPE_CHECKING:
    from airflow_provider_grok.ui.paths import Paths
    from airflow_provider_grok.ui.receipts import FileRow, Place, Receipt


#: A page goes on fetching manifests for so many seconds; the results of the rest come from lists.
MANIFEST_SECONDS = 5.0


@dataclass(frozen=True)
class View:
    """What a page shows.

    :param cards: those that the filter takes.
    :param every: how many there are without the filter.
    :param tasks: task ids, to filter by.
    :param notes: what is missing, in words.
    """

    cards: Sequence[gallery.Card]
    every: int
    tasks: Sequence[str]
    batches: Sequence[gallery.Batch]
    total: spend.Total
    notes: Sequence[str]


class Reader:
    """Reads what pages show, with the settings as they are now.

    :param paths: makes addresses.
    :param previews: files that were fetched.
    """

    def __init__(self, paths: Paths, previews: Previews) -> None:
        self._paths = paths
        self._previews = previews
        self.policy = Policy.of_airflow()
        self.hosts = MediaHosts.of_airflow()

    def view(
        self, rows: Sequence[xcoms.Row], wanted: gallery.Filter, *, labels: bool = True, only: Place | None = None
    ) -> View:
        """The cards of some receipts.

        :param rows: their XComs, of one DAG.
        :param wanted: the filter.
        :param labels: whether the reader may see map index labels.
        :param only: show this task instance; the others tell of its sources and links.
        """
        found = receipts.read(rows)
        if not labels:
            found = [replace(one, label="") for one in found]
        batches, notes = self.batches(found)
        cards = self.cards(found, batches, only)
        if only:
            found = [one for one in found if one.place == only]
        if len(rows) >= xcoms.RECEIPT_LIMIT:
            notes = [f"Only the newest {xcoms.RECEIPT_LIMIT:,} receipts are shown.", *notes]
        return View(
            [card for card in cards if wanted.takes(card)],
            len(cards),
            sorted({card.receipt.place.task_id for card in cards}),
            gallery.batches_of(found, batches),
            spend.total(spend.charges(found)),
            notes,
        )

    def cards(
        self, found: Sequence[Receipt], batches: dict[Place, Sequence[FileRow]], only: Place | None = None
    ) -> list[gallery.Card]:
        """The cards of receipts, run by run: what one run says of a file counts in that run alone.

        :param found: the receipts, newest first.
        :param batches: the rows of tasks that keep a batch.
        :param only: only what this task instance tells of.
        """
        runs: dict[tuple[str, str], list[Receipt]] = {}
        for receipt in found:
            runs.setdefault((receipt.place.dag_id, receipt.place.run_id), []).append(receipt)
        cards: list[gallery.Card] = []
        for several in runs.values():
            catalog = Catalog(time.time(), self.hosts, self._preview())
            cards += gallery.cards(several, batches, catalog, only)
        return cards

    def batches(
        self, found: Sequence[Receipt], *, manifests: bool = True
    ) -> tuple[dict[Place, Sequence[FileRow]], list[str]]:
        """The rows of tasks that keep a batch, and what is missing, in words.

        :param found: the receipts.
        :param manifests: read manifests where previews are on; those that are not at hand are fetched.
        """
        until = time.monotonic() + MANIFEST_SECONDS
        keeping = {receipt.place: receipt for receipt in found if "kept" in receipt.counts}
        lists = lists_of(xcoms.batch_values(keeping.keys()))
        rows: dict[Place, Sequence[FileRow]] = {}
        notes: list[str] = []
        for place, receipt in keeping.items():
            there = lists.get(place)
            rows[place] = there.rows() if there else ()
            if manifests and there and time.monotonic() < until:
                rows[place] = self._manifest(receipt, there, notes) or rows[place]
            if not rows[place] and receipt.counts["kept"]:
                notes.append(f"Task {place.task_id}: no list of results is left in XCom.")
        return rows, notes

    def _manifest(self, receipt: Receipt, there: BatchLists, notes: list[str]) -> Sequence[FileRow]:
        conn_id = self.policy.connection(receipt)
        if conn_id is None or not there.manifest or "/" in there.manifest:
            return ()
        try:
            kept = self._previews.get(conn_id, there.manifest, manifest=True)
            with kept.path.open(encoding="utf-8", errors="replace") as lines:
                return manifest_rows(lines)
        except (NoPreview, OSError) as error:
            why = str(error) if isinstance(error, NoPreview) else "it could not be read"
            notes.append(f"Task {receipt.place.task_id}: the manifest {there.manifest} is not there ({why})")
            return ()

    def _preview(self) -> Callable[[Receipt, str], str]:
        def path(receipt: Receipt, file_id: str) -> str:
            there = self.policy.connection(receipt) is not None
            return self._paths.preview(receipt.place, file_id) if there else ""

        return path

    def preview_connection(self, place: Place, file_id: str) -> str:
        """The connection that a file of a task instance may be asked for with.

        :param place: the task instance; the reader may read its XComs.
        :param file_id: the file.
        :raises NoPreview: where no connection is named for it, or no XCom of the task instance names the file.
        """
        rows = xcoms.receipts(place.dag_id, place.run_id, place.task_id, place.map_index, limit=1)
        for receipt in receipts.read(rows):
            conn_id = self.policy.connection(receipt)
            if conn_id is None:
                raise NoPreview("No connection is named for it in [grok] gallery_preview_conn_ids.")
            named = {row.file_id for row in receipt.files} | set(receipt.sources)
            if file_id not in named:
                batches, _ = self.batches([receipt])
                named |= {row.file_id for several in batches.values() for row in several}
            if file_id in named:
                return conn_id
        raise NoPreview("No XCom of this task instance names the file.")
