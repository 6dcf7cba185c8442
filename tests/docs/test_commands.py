"""The chapter on commands names the subcommands that there are, and flags that they take."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from airflow_provider_grok import cli
from tests.docs.chapters import chapter, section, table

TEXT = chapter("commands")


def parsers(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """All parsers below one, with their names."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, one in action.choices.items():
                yield name, one
                yield from parsers(one)


def flags(parser: argparse.ArgumentParser) -> set[str]:
    """The long flags of a parser alone."""
    found = {flag for action in parser._actions for flag in action.option_strings if flag.startswith("--")}
    return found - {"--help"}


def said(text: str) -> set[str]:
    """The flags that a text names."""
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]", text))


def test_every_subcommand_has_a_row() -> None:
    rows = [row.split("`")[0].split() for row in table(TEXT.partition("\n## ")[0]) if row.startswith("airflow-grok ")]
    (top,) = [action for action in cli.arguments()._actions if isinstance(action, argparse._SubParsersAction)]
    assert {words[1] for words in rows} == set(top.choices)


def test_every_flag_that_is_named_is_one() -> None:
    true = {flag for _, parser in parsers(cli.arguments()) for flag in flags(parser)}
    assert said(TEXT) <= true | {"--help"}


def test_every_flag_of_the_orphans_command_is_named() -> None:
    (orphans,) = [parser for name, parser in parsers(cli.arguments()) if name == "orphans"]
    assert flags(orphans) <= said(TEXT)
    assert {"--match", "--cancel", "--delete", "--older-than"} <= said(section(TEXT, "Orphans"))
