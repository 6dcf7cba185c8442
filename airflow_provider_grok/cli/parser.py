"""The command line of `airflow-grok`: reads it, and runs the subcommand. It loads what that needs, and no more."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from airflow_provider_grok import __version__
from airflow_provider_grok.cli import batches, check, demo, files, links, orphans, sandbox, spend
from airflow_provider_grok.cli.command import Command

PROGRAM = "airflow-grok"
#: Commands for work with this Airflow and its connections.
AT_WORK = (check.COMMAND, files.COMMAND, links.COMMAND, batches.COMMAND, spend.COMMAND, orphans.COMMAND)
COMMANDS = (*AT_WORK, demo.COMMAND, sandbox.COMMAND)


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description="Apache Airflow provider for xAI's Grok Imagine.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="command")
    for command in COMMANDS:
        # The sandbox's parser is its own, and says more of it.
        _add(subparsers, command, PROGRAM, add_help=command is not sandbox.COMMAND)
    return parser


def _add(subparsers: argparse._SubParsersAction, command: Command, program: str, *, add_help: bool = True) -> None:  # type: ignore[type-arg]
    parser = subparsers.add_parser(
        command.name,
        help=command.help,
        description=command.text,
        epilog=command.epilog(program),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=add_help,
    )
    command.add(parser.add_argument)
    parser.set_defaults(run=command.run, parser=parser)
    if command.actions:
        actions = parser.add_subparsers(dest="action", required=True, metavar="action")
        for action in command.actions:
            _add(actions, action, program)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand and return the exit code: 0, 1 when it failed, 2 when nothing was begun, 130 after Ctrl-C.

    :param argv: the command line without the program; that of the process by default.
    """
    words = with_list(list(sys.argv[1:] if argv is None else argv))
    if words[:1] == [sandbox.COMMAND.name]:
        return sandbox.serve(words[1:])
    options = arguments().parse_args(words)
    try:
        code = int(options.run(options))
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
        return 130
    except BrokenPipeError:
        # Who reads the output has seen enough, such as `head`. What Python writes at its end goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def with_list(words: list[str]) -> list[str]:
    """Add `list` to a command with actions of which none is named.

    :param words: the command line without the program.
    """
    grouped = {command.name for command in COMMANDS if command.actions}
    bare = words[:1] and words[0] in grouped and (len(words) == 1 or words[1].startswith("-"))
    return [words[0], "list", *words[1:]] if bare and words[1:2] not in (["-h"], ["--help"]) else words
