"""A sandbox in a process of its own, so that what is measured here is not its work."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

KEY = "xai-sandbox"


@contextmanager
def sandbox_process(*options: str) -> Iterator[str]:
    """Run a sandbox, and give its base URL.

    :param options: of its command line.
    """
    command = [sys.executable, "-m", "airflow_provider_grok.sandbox", "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.wait()
