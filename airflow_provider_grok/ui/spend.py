"""What was spent: sums over the `billed` of receipts, by day, DAG, task, model and connection."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from airflow_provider_grok.ui.receipts import TICKS_PER_USD, Money, Receipt

#: What sums can be made by: name and heading.
DIMENSIONS = {"day": "Day (UTC)", "dag": "DAG", "task": "Task", "model": "Model", "connection": "Connection"}
#: Days that a page can look back.
SPANS = (1, 7, 30, 90, 365)
#: The most receipts that are added up.
MOST_RECEIPTS = 20_000
#: Cells that a spreadsheet would take for a formula begin with one of these.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Charge:
    """What one receipt adds.

    :param under_way: as much of it as is estimated for a batch that nobody has kept yet.
    """

    receipt: Receipt
    money: Money
    under_way: int = 0

    def label(self, dimension: str) -> str:
        """What it is summed under.

        :param dimension: a key of DIMENSIONS.
        """
        receipt = self.receipt
        if dimension == "day":
            return datetime.fromtimestamp(receipt.submitted_at or receipt.at, timezone.utc).strftime("%Y-%m-%d")
        if dimension == "dag":
            return receipt.place.dag_id
        if dimension == "task":
            return f"{receipt.place.dag_id}.{receipt.place.task_id}"
        if dimension == "model":
            return receipt.model or ("(batch)" if receipt.counts else "(no model)")
        return receipt.conn_id or "(not recorded)"


@dataclass(frozen=True)
class Total:
    """A sum.

    :param ticks: all that may have been billed, an upper bound; 1 USD = 1e10.
    :param estimated: as much of it as the API has not told.
    :param under_way: as much of it as batches may cost that nobody has kept yet.
    :param moderation: as much of it as was billed for results that the content rules took away.
    :param tasks: task instances with a receipt.
    :param results: files that were made.
    :param reused: task instances that found what they had bought before.
    """

    label: str = ""
    ticks: int = 0
    estimated: int = 0
    under_way: int = 0
    moderation: int = 0
    tasks: int = 0
    results: int = 0
    reused: int = 0

    def plus(self, charge: Charge) -> Total:
        """The sum with one more charge."""
        money, receipt = charge.money, charge.receipt
        made = sum(1 for row in receipt.files if row.file_id) if receipt.makes else receipt.counts.get("kept", 0)
        return replace(
            self,
            ticks=self.ticks + money.ticks,
            estimated=self.estimated + (money.ticks if money.estimated else 0),
            under_way=self.under_way + charge.under_way,
            moderation=self.moderation + money.moderation,
            tasks=self.tasks + 1,
            results=self.results + made,
            reused=self.reused + receipt.reused,
        )


def charges(receipts: Iterable[Receipt]) -> list[Charge]:
    """What receipts add: of tasks that make something; others cost nothing.

    :param receipts: the receipts.
    """
    all_of_them = [receipt for receipt in receipts if not receipt.problem]
    kept = {receipt.request_id: receipt for receipt in all_of_them if "kept" in receipt.counts}
    return [_charge(one, kept) for one in all_of_them if one.makes or one.counts or one.cost.ticks]


def _charge(receipt: Receipt, kept: dict[str, Receipt]) -> Charge:
    money, settled = receipt.cost, receipt.request_id in kept
    if not receipt.counts or "kept" in receipt.counts:
        return Charge(receipt, money)
    if receipt.billed is None and settled and kept[receipt.request_id].billed is None:
        # Receipts before 0.2: the task that kept the batch tells its price, so the estimate is not added to it.
        return Charge(receipt, Money())
    return Charge(receipt, money, money.ticks if money.estimated and not settled else 0)


def total(found: Iterable[Charge], label: str = "") -> Total:
    """The sum of charges.

    :param found: the charges.
    :param label: what they are summed under.
    """
    result = Total(label)
    for charge in found:
        result = result.plus(charge)
    return result


def totals(found: Iterable[Charge], dimension: str) -> list[Total]:
    """Sums by day (newest first), or by something else (most expensive first).

    :param found: the charges.
    :param dimension: a key of DIMENSIONS.
    """
    groups: dict[str, list[Charge]] = defaultdict(list)
    for charge in found:
        groups[charge.label(dimension)].append(charge)
    sums = [total(several, label) for label, several in groups.items()]
    if dimension == "day":
        return sorted(sums, key=lambda one: one.label, reverse=True)
    return sorted(sums, key=lambda one: (-one.ticks, one.label))


@dataclass(frozen=True)
class Bar:
    """A bar of the picture, in units of its view box.

    :param estimated: height of the part that is estimated, on top.
    """

    total: Total
    x: float
    width: float
    height: float
    estimated: float


#: The view box of the picture, and the most bars in it.
WIDTH, HEIGHT, MOST_BARS = 1000.0, 160.0, 60


def bars(sums: Sequence[Total], dimension: str) -> list[Bar]:
    """The picture: one bar for each sum, days from left to right.

    :param sums: the sums, as `totals` orders them.
    :param dimension: what they are sums by.
    """
    shown = list(sums[:MOST_BARS])
    if dimension == "day":
        shown.reverse()
    most = max((one.ticks for one in shown), default=0)
    if not most:
        return []
    room = WIDTH / max(len(shown), 12)
    scale = HEIGHT / most
    return [
        Bar(
            one,
            round(index * room, 2),
            round(room * 0.8, 2),
            round(one.ticks * scale, 2),
            round(one.estimated * scale, 2),
        )
        for index, one in enumerate(shown)
    ]


def as_csv(sums: Iterable[Total], dimension: str) -> str:
    """The table as a file for spreadsheets.

    :param sums: the sums.
    :param dimension: what they are sums by.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    money = ("billed_usd", "estimated_usd", "under_way_usd", "moderation_usd")
    writer.writerow([dimension, *money, "tasks", "results", "reused"])
    for one in sums:
        amounts = (one.ticks, one.estimated, one.under_way, one.moderation)
        figures = [f"{ticks / TICKS_PER_USD:.6f}" for ticks in amounts]
        writer.writerow([_cell(one.label), *figures, one.tasks, one.results, one.reused])
    return out.getvalue()


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
