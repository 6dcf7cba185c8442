"""`airflow-grok orphans`: what was paid for and belongs to no finished task; shown, cancelled or deleted.

A tool of whoever runs Airflow, on a machine with its metadata database: it reads there what tasks have.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from airflow_provider_grok.cli import records
from airflow_provider_grok.cli.action import act, agreed
from airflow_provider_grok.cli.command import Add, Command, add_connection, add_json, add_yes, seconds
from airflow_provider_grok.cli.connection import Refused, in_words, open_hook
from airflow_provider_grok.cli.output import busy, dollars, moment, print_json, print_table

if TYPE_CHECKING:
    from airflow_provider_grok.flows.purchases.orphans import Orphan, Survey
    from airflow_provider_grok.hooks.grok import GrokHook

_WARNING = (
    "No record of a finished task names these. Results of runs that were deleted from Airflow, of scripts outside it "
    "and of other Airflows of the same team look just the same: be sure before you delete."
)
#: What became of it.
_DONE = {"batch": "cancelled", "file": "deleted"}


def _add(add: Add) -> None:
    add_connection(add)
    add("--older-than", type=seconds, default="1d", metavar="AGE", help="such as 36h or 7d (default: %(default)s)")
    add("--match", metavar="GLOB", help="only names like this, such as 'shop.*'; needed for a change")
    add("--cancel", action="store_true", help="cancel the orphaned batches that still run; asks first")
    add("--delete", action="store_true", help="delete the orphaned files; asks first")
    add_yes(add)
    add_json(add)


@in_words
def run(options: argparse.Namespace) -> int:
    """Show the orphans, and do what was asked with them.

    :param options: of the command line.
    """
    if (options.cancel or options.delete) and options.match is None:
        raise Refused("--cancel and --delete want --match, such as 'shop.*' ('*' for all names). Nothing was done.")
    hook = open_hook(options)
    survey = look(hook, options)
    show(survey, as_json=options.json)
    if survey.young:
        age = f"{options.older_than:.0f} s"
        sys.stderr.write(f"{len(survey.young)} more are younger than --older-than ({age}) and not shown.\n")
    return tidy(hook, survey.found, options)


def look(hook: GrokHook, options: argparse.Namespace) -> Survey:
    """Look at everything, and leave what the options ask for.

    :param hook: the connection.
    :param options: of the command line.
    """
    from airflow_provider_grok.api.errors import InvalidRequest
    from airflow_provider_grok.flows.purchases import orphans

    with busy("Reading records, listing batches and files ..."):
        # Files first: what a task takes in between is in its record by then.
        everything = hook.run(orphans.everything())
        claims = records.read_claims()
        if (options.cancel or options.delete) and not (claims.ids or claims.ticks):
            raise InvalidRequest(
                "This Airflow's database knows no purchase at all, so everything would look like an orphan: nothing "
                "was done. Is it the right one (AIRFLOW_HOME, AIRFLOW__DATABASE__SQL_ALCHEMY_CONN)?"
            )
        found = orphans.survey(everything, claims, options.older_than)
        alone = [one.id for one in (*found.found, *found.young) if not one.task]
        handed_on = records.handed_on(alone)

    def asked(several: list[Orphan]) -> list[Orphan]:
        named = [one for one in several if options.match is None or fnmatchcase(one.name, options.match)]
        return [one for one in named if one.task or one.id not in handed_on]

    return replace(found, found=asked(found.found), young=asked(found.young), without_file=asked(found.without_file))


def show(survey: Survey, *, as_json: bool) -> None:
    """Print what was found.

    :param survey: orphans, what unfinished tasks would take, and purchases under way.
    :param as_json: whether for programs.
    """
    if as_json:
        print_json(map(asdict, (*survey.found, *survey.without_file)))
        return
    orphans = [one for one in survey.found if not one.task]
    unfinished = [one for one in survey.found if one.task]
    if unfinished:
        print("Unfinished: a task that runs takes what it bought when it ends; clear any other to adopt it.")
        _table(unfinished)
    if survey.without_file:
        print("Under way, with no file yet: bought, or about to be; nothing of it can be seen in xAI's lists.")
        _table(survey.without_file)
    _print_clear([*unfinished, *survey.without_file])
    if orphans:
        print(f"Orphans. {_WARNING}")
        _table(orphans)
    total = sum(one.ticks for one in orphans)
    under_way = f"; {len(survey.without_file)} under way" if survey.without_file else ""
    print(f"{len(orphans)} orphans, about {dollars(total)}; {len(unfinished)} unfinished{under_way}.")


def _table(rows: Sequence[Orphan]) -> None:
    columns = dict.fromkeys(("KIND", "ID", "MADE", "STATE"), "left") | {"COST": "right", "NAME": "left"}
    tasks = any(one.task or one.note for one in rows)
    cells = [
        (one.kind, one.id or "-", moment(one.created_at), one.state, f"~{dollars(one.ticks)}", one.name)
        + ((f"clear task {one.task}" if one.task else one.note,) if tasks else ())
        for one in rows
    ]
    print_table(columns | ({"TASK": "left"} if tasks else {}), cells)


def _print_clear(unfinished: Sequence[Orphan]) -> None:
    commands = dict.fromkeys(one.clear for one in unfinished if one.clear)
    if commands:
        print("To clear them (Airflow asks first, and shows every task whose id contains the given one):")
    for command in commands:
        # Never as a table's cell: people copy it.
        print(f"  {command}")
    if any(not one.clear for one in unfinished):
        print("Runs without a logical date are cleared in Airflow's UI: the run's page, the task, Clear.")


def tidy(hook: GrokHook, found: Sequence[Orphan], options: argparse.Namespace) -> int:
    """Cancel and delete what was asked for; what an unfinished task would take is left alone.

    :param hook: the connection.
    :param found: what was found.
    :param options: of the command line.
    """
    from airflow_provider_grok.flows.purchases import orphans

    ids = _to_tidy(found, options)
    if not ids:
        return 0
    words = " and ".join(word for word, asked in (("cancel", options.cancel), ("delete", options.delete)) if asked)
    if not agreed(f"{words.capitalize()} {len(ids)} orphans?", options):
        return 2
    if not options.yes:
        # A person took a while to answer: a task may have taken some of them.
        ids = {id: one for id, one in _to_tidy(look(hook, options).found, options).items() if id in ids}
    return act(hook, list(ids), lambda id: orphans.tidy(ids[id]), lambda id, _: _DONE[ids[id].kind])


def _to_tidy(found: Sequence[Orphan], options: argparse.Namespace) -> dict[str, Orphan]:
    return {
        one.id: one
        for one in found
        if not one.task and ((options.cancel and one.running) or (options.delete and one.kind == "file"))
    }


COMMAND = Command(
    "orphans",
    "list what was paid for and belongs to no finished task",
    "List batches and stored files that bear the key of a purchase of ours and that no finished task has, by the "
    "records in Airflow's metadata database, and purchases under way. Nothing is changed without --cancel or --delete, "
    "and these ask.",
    (
        "orphans --older-than 7d",
        "orphans --match 'shop.*' --json",
        "orphans --match 'shop.*' --older-than 7d --delete",
        "orphans --match '*' --cancel --yes",
    ),
    _add,
    run,
)
