"""The command `airflow-grok`, one file for each subcommand. Importing it loads nothing: what is needed comes later."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand and return the exit code.

    :param argv: the command line without the program; that of the process by default.
    """
    from airflow_provider_grok.cli.parser import main as run

    return run(argv)


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    from airflow_provider_grok.cli.parser import arguments as parser

    return parser()
