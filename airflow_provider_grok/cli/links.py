"""`airflow-grok links`: public links, listed, shown and withdrawn."""

from __future__ import annotations

import argparse
import sys
import time

from airflow_provider_grok.cli.action import act, agreed
from airflow_provider_grok.cli.command import Add, Command, add_connection, add_json, count, seconds
from airflow_provider_grok.cli.connection import in_words, open_hook
from airflow_provider_grok.cli.files import add_change, add_filters, chosen, fields_of, find
from airflow_provider_grok.cli.output import moment, print_json, print_table


@in_words
def list_links(options: argparse.Namespace) -> int:
    """List files that have a public link.

    :param options: of the command line.
    """
    limit, options.limit = options.limit, None
    found = [file for file in find(open_hook(options), options, shared=True) if file.public_url]
    if options.ends_within is not None:
        last = time.time() + options.ends_within
        found = [file for file in found if file.public_url_expires_at and file.public_url_expires_at <= last]
    if options.endless:
        found = [file for file in found if not file.public_url_expires_at]
    found = found[:limit]
    if options.json:
        print_json(map(fields_of, found))
        return 0
    columns = dict.fromkeys(("FILE", "NAME", "ENDS", "LINK"), "left")
    rows = [(one.id, one.filename, moment(one.public_url_expires_at) or "never", one.public_url) for one in found]
    print_table(columns, rows)
    print(f"{len(found)} links. Everybody who has one can open it.")
    return 0


@in_words
def show(options: argparse.Namespace) -> int:
    """Print the links of files, one a line.

    :param options: of the command line.
    """
    from airflow_provider_grok.api import files

    hook, without = open_hook(options), 0
    for file_id in options.ids:
        file = hook.run(files.get(file_id))
        if options.json:
            print_json([fields_of(file)])
        elif file.public_url:
            print(file.public_url)
        else:
            without += 1
            sys.stderr.write(f"{file_id} has no public link.\n")
    return int(without > 0)


@in_words
def revoke(options: argparse.Namespace) -> int:
    """Withdraw links; the files stay.

    :param options: of the command line.
    """
    from airflow_provider_grok.api import files

    hook = open_hook(options)
    ids = chosen(hook, options, shared=True)
    if not ids:
        print("No link to withdraw.")
        return 0
    if not agreed(f"Withdraw the links of {len(ids)} files? They stop working at once, and never come back.", options):
        return 2
    return act(hook, ids, files.revoke, lambda _, answer: "revoked the link of" if answer.revoked else "had no link:")


def _add_list(add: Add) -> None:
    add_connection(add)
    add_filters(add)
    add("--ends-within", type=seconds, metavar="AGE", help="only links that end so soon, such as 24h")
    add("--endless", action="store_true", help="only links that never end")
    add("--limit", type=count, metavar="N", help="N at the most")
    add_json(add)


def _add_show(add: Add) -> None:
    add("ids", nargs="+", metavar="FILE_ID", help="the files")
    add_connection(add)
    add_json(add)


COMMAND = Command(
    "links",
    "list, show and revoke public links",
    actions=(
        Command(
            "list",
            "list files that have a public link",
            examples=("links list --ends-within 24h", "links list --endless --json", "links list --match 'shop.*'"),
            add=_add_list,
            run=list_links,
        ),
        Command("show", "print the links of files", examples=("links show file_1234",), add=_add_show, run=show),
        Command(
            "revoke",
            "withdraw links; the files stay; asks first",
            examples=("links revoke file_1234", "links revoke --match 'shop.*' --older-than 7d --yes"),
            add=add_change,
            run=revoke,
        ),
    ),
)
