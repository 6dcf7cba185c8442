"""A subcommand as a value, from which `airflow-grok` and `airflow grok` are made alike; and arguments of several."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

#: What takes one argument: `add_argument` of a parser, or of something like it.
Add: TypeAlias = Callable[..., Any]

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True)
class Command:
    """A subcommand.

    :param name: what people type.
    :param help: one line for the list of commands.
    :param description: what it does; empty for its help.
    :param examples: command lines without the program, one a line.
    :param add: adds its arguments.
    :param run: carries it out and returns the exit code; None for one with actions.
    :param actions: what stands behind it on the command line, such as list and delete.
    """

    name: str
    help: str
    description: str = ""
    examples: tuple[str, ...] = ()
    add: Callable[[Add], None] = lambda add: None
    run: Callable[[argparse.Namespace], int] | None = None
    actions: tuple[Command, ...] = ()

    @property
    def text(self) -> str:
        """The description."""
        return textwrap.fill(self.description or f"{self.help[0].upper()}{self.help[1:]}.", 88)

    def epilog(self, program: str) -> str:
        """The examples as help shows them.

        :param program: what people type before them.
        """
        lines = self.examples or tuple(line for action in self.actions for line in action.examples[:1])
        return "examples:\n" + "\n".join(f"  {program} {line}" for line in lines) if lines else ""


def add_connection(add: Add) -> None:
    """Add the argument that names the connection.

    :param add: adds an argument.
    """
    add("--conn-id", default="grok_default", metavar="ID", help="the Airflow connection (default: %(default)s)")


def add_json(add: Add) -> None:
    """Add the argument for programs.

    :param add: adds an argument.
    """
    add("--json", action="store_true", help="print JSON, one object a line")


def add_yes(add: Add) -> None:
    """Add the argument that answers the question.

    :param add: adds an argument.
    """
    add("--yes", action="store_true", help="do it without asking")


def seconds(text: str) -> float:
    """Read an age.

    :param text: a number with s, m, h or d behind it; alone it means seconds.
    :raises ArgumentTypeError: for anything else.
    """
    found = re.fullmatch(r"(\d{1,9}(?:\.\d+)?)([smhd]?)", text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no age. Give a number with s, m, h or d, such as 36h or 7d.")
    return float(found[1]) * _UNITS[found[2]]


def count(text: str) -> int:
    """Read how many.

    :param text: a whole number from 1 on.
    :raises ArgumentTypeError: for anything else.
    """
    if not re.fullmatch(r"[1-9]\d{0,8}", text.strip()):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on.")
    return int(text)
