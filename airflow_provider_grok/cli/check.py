"""`airflow-grok check`: whether a connection works, in words."""

from __future__ import annotations

import argparse
import sys

from airflow_provider_grok.cli.command import Add, Command, add_json
from airflow_provider_grok.cli.connection import in_words
from airflow_provider_grok.cli.output import print_json


def _add(add: Add) -> None:
    add("conn_id", nargs="?", default="grok_default", metavar="CONN_ID", help="the connection (default: %(default)s)")
    add_json(add)


@in_words
def run(options: argparse.Namespace) -> int:
    """Ask the API who the key belongs to; costs nothing.

    :param options: of the command line.
    """
    from airflow_provider_grok.hooks.grok import GrokHook

    hook = GrokHook(options.conn_id)
    works, words = hook.test_connection()
    if options.json:
        print_json([{"conn_id": options.conn_id, "works": works, "message": words}])
    elif works:
        sys.stdout.write(f"{options.conn_id}: {words} {hook.endpoint.base_url}\n")
    else:
        sys.stderr.write(f"{options.conn_id}: {words}\n")
    return int(not works)


COMMAND = Command(
    "check",
    "test a connection: key, rights, base URL and every extra",
    "Test a connection of type grok as the button in Airflow's form does: the key, its rights, the base URL and every "
    "extra. Costs nothing. Exit code 0: it works.",
    ("check", "check grok_marketing", "check grok_marketing --json"),
    _add,
    run,
)
