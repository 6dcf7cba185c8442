"""`python -m airflow_provider_grok.sandbox`: run the sandbox until it is told to stop."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from airflow_provider_grok.sandbox.connection_line import DEFAULT_KEY, connection_line
from airflow_provider_grok.sandbox.server import Sandbox


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="airflow-grok sandbox",
        description="A local stand-in for the xAI API: files, public URLs, images, videos, batches. Costs nothing.",
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--port", type=int, default=8642, help="port; 0 for any free one (default: %(default)s)")
    add("--data", type=Path, help="folder that keeps the state; without one it is temporary")
    add("--seed", type=int, help="the same seed gives the same ids and pictures (default: others each time)")
    add("--api-key", default=DEFAULT_KEY, help="the one key it accepts (default: %(default)s)")
    add("--image-seconds", type=float, default=0.5, help="how long a deferred image takes (default: %(default)s)")
    add("--video-seconds", type=float, default=4.0, help="how long a video takes (default: %(default)s)")
    add("--batch-seconds", type=float, default=4.0, help="how long a batch takes (default: %(default)s)")
    add("--clock-rate", type=float, help="sandbox seconds per real second (default: 1, or as kept in --data)")
    add("--link-quota", type=int, default=1000, help="how many public URLs may be active (default: %(default)s)")
    add("--strict", action="store_true", help="refuse unknown fields instead of noting them in the journal")
    add("--rate-limits", action="store_true", help="refuse too many requests a second, as the API does")
    add("--custom-voice", dest="custom_voices", action="append", default=[], metavar="ID", help="a voice of your own")
    add("--no-batch-storage", dest="batch_storage", action="store_false", help="batches ignore storage_options")
    return parser


def ready_text(url: str, api_key: str) -> str:
    """Return what is printed when the sandbox is ready: first the line that programs wait for.

    :param url: base URL of the sandbox.
    :param api_key: its key.
    """
    gallery = f"{url.removesuffix('/v1')}/"
    return (
        f"grok sandbox listening on {url}\n"
        f"Gallery:    {gallery}\n"
        f"Connection: {connection_line(url, api_key)}\n"
        "Ctrl-C stops it.\n"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT and return the exit code.

    :param argv: the command line without the program; that of the process by default.
    """
    parser = arguments()
    options = vars(parser.parse_args(argv))
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    try:
        with Sandbox(**options) as sandbox:
            sys.stdout.write(ready_text(sandbox.url, sandbox.api_key))
            sys.stdout.flush()
            stopped.wait()
    except (OSError, ValueError) as error:
        parser.exit(1, f"The sandbox cannot run: {error}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
