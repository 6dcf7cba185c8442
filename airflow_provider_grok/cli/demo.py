"""`airflow-grok demo`: run the main example in real Airflow, against the sandbox."""

from __future__ import annotations

import argparse
from pathlib import Path

from airflow_provider_grok.cli import sandbox_extra
from airflow_provider_grok.cli.command import Add, Command


def _add(add: Add) -> None:
    add("--output", type=Path, default=Path("grok-demo"), help="folder of gallery and log (default: ./%(default)s)")
    add("--photo", type=Path, help="your own photo instead of a cup of coffee: PNG, JPEG or WebP")
    add("--keep", action="store_true", help="serve the gallery on until Ctrl-C")
    add("--ui", action="store_true", help="leave a whole Airflow running beside it, with its UI, until Ctrl-C")
    add("--real", action="store_true", help="use the real API with the key in XAI_API_KEY; asks before it pays")
    add("--yes", action="store_true", help="with --real: pay without being asked")
    add("--base-url", metavar="URL", help="with --real: another address of the API, such as a proxy's")


def run(options: argparse.Namespace) -> int:
    """Run the demo.

    :param options: of the command line.
    """
    if not options.real and (options.yes or options.base_url):
        options.parser.error("--yes and --base-url go with --real only; without it nothing is paid.")
    if options.real and options.keep:
        options.parser.error("--keep serves the sandbox's gallery, and --real has no sandbox. Leave one of them out.")
    if options.photo and not options.photo.is_file():
        options.parser.error(f"--photo {options.photo}: there is no such file.")
    if not options.real and sandbox_extra.is_missing():
        return 2
    from airflow_provider_grok.demo.show import show

    return show(options)


COMMAND = Command(
    "demo",
    "run the main example in real Airflow, against the sandbox",
    "Run the example DAG product_shots in real Airflow: one photo, uploaded once, edited fifteen times by file id, "
    "shared by links. Without --real it talks to the sandbox, needs no key and costs nothing.",
    ("demo", "demo --ui", "demo --photo bottle.png --output shots --keep", "demo --real"),
    _add,
    run,
)
