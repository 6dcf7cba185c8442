"""`airflow-grok batches`: the team's batches, listed, shown and cancelled."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from airflow_provider_grok.cli.action import act, agreed
from airflow_provider_grok.cli.command import Add, Command, add_connection, add_json, add_yes, count, seconds
from airflow_provider_grok.cli.connection import Refused, in_words, open_hook
from airflow_provider_grok.cli.output import busy, dollars, moment, print_fields, print_json, print_table

if TYPE_CHECKING:
    from airflow_provider_grok.api.batches import Batch
    from airflow_provider_grok.hooks.grok import GrokHook

STATES = ("running", "loading", "empty", "finished", "cancelled", "expired", "failed")
#: What a cancel still changes.
GOING = STATES[:3]


def _find(hook: GrokHook, options: argparse.Namespace) -> list[Batch]:
    """The batches that the filters leave, newest first."""
    from airflow_provider_grok.api import batches

    with busy("Listing batches ..."):
        found = hook.run(batches.listing())
    now = time.time()
    if options.match is not None:
        found = [one for one in found if fnmatchcase(one.name, options.match)]
    if options.state is not None:
        found = [one for one in found if one.status(now) == options.state]
    if options.older_than is not None:
        found = [one for one in found if _made(one) <= now - options.older_than]
    return sorted(found, key=_made, reverse=True)


def _made(batch: Batch) -> float:
    from airflow_provider_grok.api.batches import moment as read

    return read(batch.create_time) or 0.0


def _fields(batch: Batch) -> dict[str, Any]:
    return {
        "batch_id": batch.batch_id,
        "name": batch.name,
        "state": batch.status(time.time()),
        **batch.state.counts(),
        "cost_in_usd_ticks": batch.ticks,
        "created_at": _made(batch) or None,
        "expires_at": batch.expires_at,
        "message": batch.cancel_by_xai_message,
    }


def _show_table(found: Sequence[Batch]) -> None:
    sides = {"ID": "left", "NAME": "left", "STATE": "left", "DONE": "right", "FAILED": "right", "COST": "right"}
    now = time.time()
    rows = [
        (
            one.batch_id,
            one.name,
            one.status(now),
            f"{one.state.ended}/{one.state.num_requests}",
            one.state.num_error,
            "" if one.ticks is None else dollars(one.ticks),
            moment(_made(one)),
        )
        for one in found
    ]
    print_table(sides | {"MADE": "left"}, rows)


@in_words
def list_batches(options: argparse.Namespace) -> int:
    """List batches.

    :param options: of the command line.
    """
    found = _find(open_hook(options), options)[: options.limit]
    if options.json:
        print_json(map(_fields, found))
    else:
        _show_table(found)
        print(f"{len(found)} batches, {dollars(sum(one.ticks or 0 for one in found))} so far.")
    return 0


@in_words
def show(options: argparse.Namespace) -> int:
    """Show batches, all fields of each.

    :param options: of the command line.
    """
    from airflow_provider_grok.api import batches

    hook = open_hook(options)
    for number, batch_id in enumerate(options.ids):
        batch = hook.run(batches.get(batch_id))
        fields = _fields(batch)
        if options.json:
            print_json([fields])
            continue
        if number:
            print()
        ends = {name: moment(fields[name]) for name in ("created_at", "expires_at")}
        cost = {"cost": "" if batch.ticks is None else dollars(batch.ticks)}
        del fields["cost_in_usd_ticks"]
        print_fields(fields | ends | cost)
    return 0


@in_words
def cancel(options: argparse.Namespace) -> int:
    """Cancel batches that still run: what they have finished is billed and stays readable.

    :param options: of the command line.
    """
    from airflow_provider_grok.api import batches

    filters = [one for one in (options.match, options.older_than) if one is not None]
    if bool(filters) == bool(options.ids):
        raise Refused("Name either batch ids or filters (--match, --older-than). Nothing was done.")
    hook = open_hook(options)
    ids = list(dict.fromkeys(options.ids))
    if not ids:
        options.state = None
        going = [one for one in _find(hook, options) if one.status(time.time()) in GOING]
        _show_table(going)
        ids = [one.batch_id for one in going]
    if not ids:
        print("No batch to cancel.")
        return 0
    if not agreed(f"Cancel {len(ids)} batches? Requests that are not done yet are never made.", options):
        return 2
    return act(hook, ids, batches.cancel, lambda *_: "cancelled")


def _add_filters(add: Add) -> None:
    add("--match", metavar="GLOB", help="only names like this, such as 'shop.*'; case counts")
    add("--older-than", type=seconds, metavar="AGE", help="only what was made so long ago, such as 36h or 7d")


def _add_list(add: Add) -> None:
    add_connection(add)
    _add_filters(add)
    add("--state", choices=STATES, help="only batches in this state")
    add("--limit", type=count, metavar="N", help="the newest N at the most")
    add_json(add)


def _add_show(add: Add) -> None:
    add("ids", nargs="+", metavar="BATCH_ID", help="the batches")
    add_connection(add)
    add_json(add)


def _add_cancel(add: Add) -> None:
    add("ids", nargs="*", metavar="BATCH_ID", help="the batches, instead of filters")
    add_connection(add)
    _add_filters(add)
    add_yes(add)


COMMAND = Command(
    "batches",
    "list, show and cancel batches",
    actions=(
        Command(
            "list",
            "list batches, newest first",
            examples=("batches list --state running", "batches list --match 'shop.*' --json"),
            add=_add_list,
            run=list_batches,
        ),
        Command("show", "show all of some batches", examples=("batches show batch_1234",), add=_add_show, run=show),
        Command(
            "cancel",
            "cancel batches that still run; asks first",
            examples=("batches cancel batch_1234", "batches cancel --match 'shop.*' --yes"),
            add=_add_cancel,
            run=cancel,
        ),
    ),
)
