"""`airflow-grok files`: the team's stored files, listed, shown and deleted."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from airflow_provider_grok.cli.action import act, agreed
from airflow_provider_grok.cli.command import Add, Command, add_connection, add_json, add_yes, count, seconds
from airflow_provider_grok.cli.connection import Refused, in_words, open_hook
from airflow_provider_grok.cli.output import busy, moment, print_fields, print_json, print_table, size

if TYPE_CHECKING:
    from airflow_provider_grok.api.files import File
    from airflow_provider_grok.hooks.grok import GrokHook


def add_filters(add: Add) -> None:
    """Add what narrows a listing of files.

    :param add: adds an argument.
    """
    add("--match", metavar="GLOB", help="only names like this, such as 'shop.*'; case counts")
    add("--filter", metavar="EXPR", help="""only what the API's filter finds, such as 'name = "hero"'""")
    add("--older-than", type=seconds, metavar="AGE", help="only what was stored so long ago, such as 36h or 7d")


def find(hook: GrokHook, options: argparse.Namespace, *, shared: bool | None = None) -> list[File]:
    """List the files that the filters leave, newest first.

    :param hook: the connection.
    :param options: of the command line.
    :param shared: only files with (True) or without (False) a public link.
    """
    age = None if options.older_than is None else timedelta(seconds=options.older_than)
    limit = getattr(options, "limit", None)
    with busy("Listing files ..."):
        # A limit counts what is left of all filters; ours comes after the server's.
        asked = limit if options.match is None else None
        found = hook.list_files(filter=options.filter, older_than=age, shared=shared, limit=asked)
    kept = [file for file in found if options.match is None or fnmatchcase(file.filename, options.match)]
    return kept[:limit]


def fields_of(file: File) -> dict[str, Any]:
    """A file as an object for programs.

    :param file: the file.
    """
    names = ("id", "filename", "bytes", "created_at", "expires_at", "purpose", "public_url", "public_url_expires_at")
    return {name: getattr(file, name) for name in names}


def chosen(hook: GrokHook, options: argparse.Namespace, *, shared: bool | None = None) -> list[str]:
    """The files that an action is for: those named, or those that the filters leave, which are shown.

    :param hook: the connection.
    :param options: of the command line.
    :param shared: as for `find`.
    :raises Refused: for neither, or for both.
    """
    filters = [one for one in (options.match, options.filter, options.older_than) if one is not None]
    if bool(filters) == bool(options.ids):
        raise Refused("Name either file ids or filters (--match, --filter, --older-than). Nothing was done.")
    if options.ids:
        return list(dict.fromkeys(options.ids))
    found = find(hook, options, shared=shared)
    show_table(found)
    return [file.id for file in found]


def show_table(found: Sequence[File]) -> None:
    """Print files for people.

    :param found: the files.
    """
    rows = [
        (file.id, file.filename, size(file.bytes), moment(file.created_at), moment(file.expires_at), _link(file))
        for file in found
    ]
    columns = dict.fromkeys(("ID", "NAME"), "left") | {"SIZE": "right"} | dict.fromkeys(("STORED", "ENDS"), "left")
    print_table({**columns, "LINK": "left"}, rows)


def _link(file: File) -> str:
    if not file.public_url:
        return ""
    return f"until {moment(file.public_url_expires_at)}" if file.public_url_expires_at else "yes"


@in_words
def list_files(options: argparse.Namespace) -> int:
    """List files.

    :param options: of the command line.
    """
    shared = True if options.shared else False if options.not_shared else None
    found = find(open_hook(options), options, shared=shared)
    if options.json:
        print_json(map(fields_of, found))
    else:
        show_table(found)
        print(f"{len(found)} files, {size(sum(file.bytes for file in found))}.")
    return 0


@in_words
def show(options: argparse.Namespace) -> int:
    """Show files, all fields of each.

    :param options: of the command line.
    """
    from airflow_provider_grok.api import files

    hook = open_hook(options)
    for number, file_id in enumerate(options.ids):
        fields = fields_of(hook.run(files.get(file_id)))
        if options.json:
            print_json([fields])
            continue
        if number:
            print()
        ends = {name: moment(fields[name]) for name in ("created_at", "expires_at", "public_url_expires_at")}
        print_fields(fields | ends)
    return 0


@in_words
def delete(options: argparse.Namespace) -> int:
    """Delete files, and with them their links.

    :param options: of the command line.
    """
    from airflow_provider_grok.api import files

    hook = open_hook(options)
    ids = chosen(hook, options)
    if not ids:
        print("No file to delete.")
        return 0
    question = f"Delete {len(ids)} files with their links? Other DAGs may use them, uploads above all."
    if not agreed(question, options):
        return 2
    return act(hook, ids, files.delete, lambda *_: "deleted")


def _add_list(add: Add) -> None:
    add_connection(add)
    add_filters(add)
    add("--shared", action="store_true", help="only files with a public link")
    add("--not-shared", action="store_true", help="only files without one")
    add("--limit", type=count, metavar="N", help="the newest N at the most")
    add_json(add)


def _add_show(add: Add) -> None:
    add("ids", nargs="+", metavar="FILE_ID", help="the files")
    add_connection(add)
    add_json(add)


def add_change(add: Add) -> None:
    """Add what a change of files takes.

    :param add: adds an argument.
    """
    add("ids", nargs="*", metavar="FILE_ID", help="the files, instead of filters")
    add_connection(add)
    add_filters(add)
    add_yes(add)


COMMAND = Command(
    "files",
    "list, show and delete stored files",
    actions=(
        Command(
            "list",
            "list files, newest first",
            examples=(
                "files list --match 'shop.*' --older-than 7d",
                "files list --shared --json",
                """files list --filter 'name = "hero"' --limit 20""",
            ),
            add=_add_list,
            run=list_files,
        ),
        Command("show", "show all of some files", examples=("files show file_1234",), add=_add_show, run=show),
        Command(
            "delete",
            "delete files and their links; asks first",
            examples=("files delete file_1234 file_5678", "files delete --match 'shop.*' --older-than 30d --yes"),
            add=add_change,
            run=delete,
        ),
    ),
)
