"""`airflow-grok spend`: what tasks have been billed, by the receipts in Airflow's metadata database."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from airflow_provider_grok.cli.command import Add, Command, add_json, seconds
from airflow_provider_grok.cli.connection import in_words
from airflow_provider_grok.cli.output import busy, dollars, print_json, print_table

if TYPE_CHECKING:
    from airflow_provider_grok.ui.spend import Total

#: What sums can be made by; a test holds it against the page Spend.
DIMENSIONS = ("day", "dag", "task", "model", "connection")
_MISSING = "Cleared tasks, deleted runs and purchases by GrokHook have no receipt: the bill is at https://console.x.ai."


def _add(add: Add) -> None:
    add("--by", choices=DIMENSIONS, default="day", help="what to sum up by (default: %(default)s)")
    add("--within", type=seconds, default="30d", metavar="AGE", help="how far to look back (default: %(default)s)")
    add("--dag", metavar="GLOB", default="*", help="only DAGs like this, such as 'shop*' (default: all)")
    add_json(add)
    add("--csv", action="store_true", help="print the table for a spreadsheet")


@in_words
def run(options: argparse.Namespace) -> int:
    """Sum up receipts.

    :param options: of the command line.
    """
    from airflow_provider_grok.ui import receipts, spend, xcoms

    since = datetime.now(timezone.utc) - timedelta(seconds=options.within)
    with busy("Reading receipts ..."):
        dags = [dag for dag in xcoms.dags_with_receipts() if fnmatchcase(dag, options.dag)]
        # Nothing is left out: a person waits for the sum, and no page.
        read = receipts.read(xcoms.receipts_since(dags, since, limit=sys.maxsize))
    charges = spend.charges(read)
    sums = spend.totals(charges, options.by)
    if options.csv:
        sys.stdout.write(spend.as_csv(sums, options.by))
    elif options.json:
        print_json(_fields(one, options.by) for one in sums)
    else:
        _show(sums, spend.total(charges), spend.DIMENSIONS[options.by])
    if unreadable := sum(1 for one in read if one.problem):
        sys.stderr.write(f"{unreadable} receipts cannot be read and are not in these sums.\n")
    return 0


def _fields(one: Total, by: str) -> dict[str, Any]:
    names = ("ticks", "estimated", "under_way", "moderation")
    ticks = {f"{'billed' if name == 'ticks' else name}_in_usd_ticks": getattr(one, name) for name in names}
    return {by: one.label, **ticks, "tasks": one.tasks, "results": one.results, "reused": one.reused}


def _show(sums: Sequence[Total], all_of_it: Total, heading: str) -> None:
    money = ("BILLED", "ESTIMATED", "UNDER WAY", "MODERATED")
    sides = {heading.upper(): "left"} | dict.fromkeys((*money, "TASKS", "RESULTS", "REUSED"), "right")
    rows = [
        (one.label, *map(dollars, (one.ticks, one.estimated, one.under_way, one.moderation)), *_counts(one))
        for one in sums
    ]
    print_table(sides, rows)
    print(f"{dollars(all_of_it.ticks)} by {all_of_it.tasks} tasks, {dollars(all_of_it.estimated)} of it estimated.")
    print(_MISSING)


def _counts(one: Total) -> tuple[int, int, int]:
    return one.tasks, one.results, one.reused


COMMAND = Command(
    "spend",
    "sum up what tasks have been billed",
    "Sum up what tasks have been billed, by the receipts in Airflow's metadata database: what the page Spend of "
    "Airflow's UI shows.",
    ("spend", "spend --by model --within 7d", "spend --by task --dag 'shop*' --csv", "spend --by dag --json"),
    _add,
    run,
)
