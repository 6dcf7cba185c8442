"""The gallery's cards: results with their sources, costs and states; what is filtered out, and what is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from airflow_provider_grok.ui.catalog import Catalog, Picture
from airflow_provider_grok.ui.receipts import FileRow, Money, Place, Receipt

#: Cards that come with the page; the rest follows as it is scrolled to.
PAGE = 60
STATES = {
    "kept": "kept",
    "shown": "can be shown",
    "link": "public link",
    "unlinked": "no living link",
    "missing": "not kept",
    "moderated": "moderated",
    "bought": "bought",
    "reused": "reused",
    "unreadable": "receipt unreadable",
}


@dataclass(frozen=True)
class Card:
    """One result.

    :param sources: what it was made from.
    :param chain: its ancestors, oldest first, without itself.
    :param cost: its share of what its task's delivery cost; None where the receipt does not say.
    :param states: keys of STATES.
    :param link_ends: end of the public link in unix seconds.
    """

    receipt: Receipt
    row: FileRow
    picture: Picture
    sources: tuple[Picture, ...]
    chain: tuple[Picture, ...]
    cost: Money | None
    states: frozenset[str]
    expires_at: int | None
    link_ends: int | None

    @property
    def prompt(self) -> str:
        """The prompt; of a batch, the request's id."""
        return self.receipt.prompt or self.row.request_id

    @property
    def source(self) -> Picture | None:
        """What it can be compared with: the first source, where both can be shown as pictures."""
        first = self.sources[0] if self.sources else None
        if first and first.src and self.picture.src and first.kind == self.picture.kind == "image":
            return first
        return None

    def words(self) -> str:
        """What a search looks through."""
        own = (self.receipt.prompt, self.receipt.label, self.receipt.model)
        return " ".join((*own, self.picture.name, self.picture.file_id, self.row.request_id)).casefold()


@dataclass(frozen=True)
class Filter:
    """What a reader wants to see.

    :param state: a key of STATES; empty: all.
    :param words: text to look for in prompts, names and ids.
    :param task: a task id; empty: all.
    """

    state: str = ""
    words: str = ""
    task: str = ""

    def takes(self, card: Card) -> bool:
        """Whether a card is to be shown."""
        return (
            (not self.state or self.state in card.states)
            and (not self.task or self.task == card.receipt.place.task_id)
            and all(word in card.words() for word in self.words.casefold().split())
        )


@dataclass(frozen=True)
class Batch:
    """What a receipt tells of a batch.

    :param listed: results of it that the page has rows for.
    """

    receipt: Receipt
    listed: int


def cards(
    receipts: Sequence[Receipt],
    batches: Mapping[Place, Sequence[FileRow]],
    catalog: Catalog,
    only: Place | None = None,
) -> list[Card]:
    """Every result once, in the order of the tasks that made them.

    :param receipts: of one run.
    :param batches: the rows of tasks that keep a batch.
    :param catalog: takes in what the receipts tell of files.
    :param only: the files of this task instance, also where it only acts on them.
    """
    catalog.add(receipts, batches)
    used = {source for receipt in receipts for source in receipt.sources if receipt.makes and not only}
    found: list[Card] = []
    told: set[str] = set()
    for receipt in _ordered(one for one in receipts if only in (None, one.place)):
        if receipt.problem:
            found.append(_unreadable(receipt))
            continue
        rows = batches.get(receipt.place, receipt.files)
        if receipt.makes and not rows:
            rows = (FileRow(reason="No result: the task failed, or its receipt was written before it ended."),)
        for row in rows:
            # What a task only acts on, or what was uploaded as a source, is seen beside its results.
            if row.file_id and (row.file_id in told or (row.file_id in used and row.file_id not in catalog.makers)):
                continue
            told.add(row.file_id or "")
            found.append(_card(receipt, row, len(rows), catalog))
    return found


def _ordered(found: Iterable[Receipt]) -> list[Receipt]:
    """Those that make something first, tasks in the order of their first receipt, mapped ones by index."""
    receipts = list(found)
    first: dict[str, float] = {}
    for receipt in receipts:
        first[receipt.place.task_id] = min(receipt.at, first.get(receipt.place.task_id, receipt.at))

    def rank(receipt: Receipt) -> tuple[bool, float, str, int]:
        acts = not (receipt.makes or receipt.counts)
        return acts, first[receipt.place.task_id], receipt.place.task_id, receipt.place.map_index

    return sorted(receipts, key=rank)


def _card(receipt: Receipt, row: FileRow, count: int, catalog: Catalog) -> Card:
    maker = catalog.makers.get(row.file_id or "", receipt)
    known = catalog.rows.get(row.file_id or "", row)
    picture = catalog.picture(row, maker)
    sources = tuple(catalog.source(name, maker) for name in maker.sources) if maker.makes else ()
    return Card(
        maker,
        row,
        picture,
        sources,
        catalog.chain(row.file_id),
        _cost(maker, row, count),
        frozenset(_states(maker, row, picture)),
        known.expires_at,
        known.public_url_expires_at if known.public_url else None,
    )


def _cost(receipt: Receipt, row: FileRow, count: int) -> Money | None:
    if row.ticks is not None:
        return Money(row.ticks)
    if receipt.usage is None or receipt.counts:
        return None
    return Money(receipt.usage.ticks // max(count, 1), receipt.usage.estimated)


def _states(receipt: Receipt, row: FileRow, picture: Picture) -> Iterable[str]:
    if row.file_id or row.place:
        yield "kept"
        yield "link" if picture.link else "unlinked"
    else:
        yield "missing"
        if row.reason.startswith("moderated"):
            yield "moderated"
    if picture.src:
        yield "shown"
    if receipt.makes or receipt.counts:
        yield "reused" if receipt.reused else "bought"


def _unreadable(receipt: Receipt) -> Card:
    why = f"Task {receipt.place.task_id}: {receipt.problem}. It cannot be shown here."
    states = frozenset({"unreadable"})
    return Card(receipt, FileRow(reason=why), Picture("receipt", "file", missing=why), (), (), None, states, None, None)


def batches_of(receipts: Iterable[Receipt], rows: Mapping[Place, Sequence[FileRow]]) -> list[Batch]:
    """What receipts tell of batches: sent, waited for, kept; one of each, the one that knows most.

    :param receipts: of a run.
    :param rows: the rows of tasks that keep a batch.
    """
    found: dict[str, list[Receipt]] = defaultdict(list)
    for receipt in receipts:
        if receipt.counts:
            found[receipt.request_id].append(receipt)
    best = (max(several, key=lambda one: ("kept" in one.counts, one.at)) for several in found.values())
    return [Batch(receipt, len(rows.get(receipt.place, ()))) for receipt in best]
