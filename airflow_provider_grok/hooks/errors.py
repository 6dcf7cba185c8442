"""Our errors in Airflow's terms: what a retry can mend is retried, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def translate_errors() -> Iterator[None]:
    """Fail a task at once where a retry would only fail, or pay, again; let Airflow retry where it may help."""
    from airflow.sdk.exceptions import AirflowException, AirflowFailException

    from airflow_provider_grok.api.errors import GrokError

    try:
        yield
    except GrokError as error:
        raise (AirflowFailException if error.permanent else AirflowException)(str(error)) from error
