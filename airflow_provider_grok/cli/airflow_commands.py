"""The commands as `airflow grok ...`: the function that the provider info names."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.cli.cli_config import Arg, CLICommand

    from airflow_provider_grok.cli.command import Command

PROGRAM = "airflow grok"


def grok_commands() -> list[CLICommand]:
    """The group `grok`. The demo and the sandbox are no part of it: they do not work with this Airflow."""
    from airflow.cli.cli_config import GroupCommand

    from airflow_provider_grok.cli.parser import AT_WORK

    return [GroupCommand("grok", "Work with files, batches and purchases of xAI's Grok", [*map(_translated, AT_WORK)])]


def _translated(command: Command) -> CLICommand:
    from airflow.cli.cli_config import ActionCommand, GroupCommand

    text, epilog = command.text, command.epilog(PROGRAM)
    if command.run is None:
        return GroupCommand(command.name, command.help, [*map(_translated, command.actions)], text, epilog)
    run, arguments = _ended_by_code(command.run), _arguments(command)
    return ActionCommand(command.name, command.help, run, arguments, text, epilog)


def _arguments(command: Command) -> list[Arg]:
    from airflow.cli.cli_config import Arg

    found: list[Arg] = []
    make: Callable[..., Arg] = Arg
    command.add(lambda *flags, **more: found.append(make(flags, **more)))
    return found


def _ended_by_code(run: Callable[[argparse.Namespace], int]) -> Callable[[Any], None]:
    """Airflow takes no notice of what a command returns."""

    def ended(options: Any) -> None:
        if code := run(options):
            sys.exit(code)

    return ended
