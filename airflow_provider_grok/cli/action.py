"""Changing many things at once: the question first, then one line each, and an exit code that counts failures."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_grok.hooks.grok import GrokHook


def agreed(question: str, options: argparse.Namespace) -> bool:
    """Ask; without a terminal only `--yes` is an answer.

    :param question: what is about to be done.
    :param options: of the command line.
    """
    if options.yes:
        return True
    if not sys.stdin.isatty():
        sys.stderr.write(f"{question} Nobody is there to ask, so nothing was done. Add --yes to do it.\n")
        return False
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    sys.stderr.write("Nothing was done.\n")
    return False


def act(hook: GrokHook, ids: Sequence[str], work: Callable[[str], Any], done: Callable[[str, Any], str]) -> int:
    """Do the same with several things; what fails is told and does not stop the rest.

    :param hook: the connection.
    :param ids: the things.
    :param work: the call for one.
    :param done: what to say of one and the answer, such as `deleted`.
    """
    from airflow_provider_grok.api.errors import GrokError, NotFound

    failed = 0
    for one in ids:
        try:
            said = done(one, hook.run(work(one)))
        except NotFound:
            said = "gone already"
        except GrokError as error:
            failed += 1
            sys.stderr.write(f"{one}: {error}\n")
            continue
        sys.stdout.write(f"{said} {one}\n")
        sys.stdout.flush()
    if failed:
        sys.stderr.write(f"{failed} of {len(ids)} failed.\n")
    return int(failed > 0)
