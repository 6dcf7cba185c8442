"""The name of a machine: here all machines are one, so each process is told the name of the one it plays."""

from __future__ import annotations

import os


def name() -> str:
    """What Airflow takes for the host's name (`[core] hostname_callable`)."""
    return os.environ["MACHINE"]
