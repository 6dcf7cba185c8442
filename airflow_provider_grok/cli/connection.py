"""Opening an Airflow connection outside a task, and failing in words."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_grok.hooks.grok import GrokHook

_DATABASE = "Run this where `airflow` itself runs, with the same AIRFLOW_HOME and settings."


class Refused(Exception):
    """What was typed makes no sense: nothing was begun."""


def in_words(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Let a command end in a sentence and an exit code instead of a traceback.

    :param run: carries the command out.
    """

    @wraps(run)
    def told(options: argparse.Namespace) -> int:
        # As Airflow's own commands do it: connections may be in the metadata database.
        os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
        from airflow.sdk.exceptions import AirflowException
        from sqlalchemy.exc import SQLAlchemyError

        from airflow_provider_grok.api.errors import GrokError

        try:
            return run(options)
        except Refused as error:
            sys.stderr.write(f"{error}\n")
            return 2
        except SQLAlchemyError as error:
            reason = getattr(error, "orig", None) or error
            sys.stderr.write(f"Airflow's metadata database cannot be read: {reason}. {_DATABASE}\n")
        except (AirflowException, GrokError) as error:
            sys.stderr.write(f"{error}\n")
        return 1

    return told


def open_hook(options: argparse.Namespace) -> GrokHook:
    """The hook of the connection that was named.

    :param options: of the command line.
    """
    from airflow_provider_grok.hooks.grok import GrokHook

    return GrokHook(options.conn_id)
