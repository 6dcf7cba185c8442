"""`airflow-grok sandbox`: serve a local stand-in for the xAI API, whose own parser reads the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from airflow_provider_grok.cli import sandbox_extra
from airflow_provider_grok.cli.command import Command


def serve(words: Sequence[str]) -> int:
    """Serve until it is told to stop.

    :param words: the command line behind `sandbox`.
    """
    if sandbox_extra.is_missing():
        return 2
    from airflow_provider_grok.sandbox.__main__ import main

    return main(words)


def run(options: argparse.Namespace) -> int:
    """Serve with the sandbox's own defaults.

    :param options: none.
    """
    return serve([])


COMMAND = Command("sandbox", "serve a local stand-in for the xAI API (see its --help)", run=run)
