"""The command `airflow-grok`: the demo, and the sandbox. It loads what a subcommand needs, and no more."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

#: What the extra `sandbox` brings: module, and the name under which it is installed.
SANDBOX_NEEDS = {
    "starlette": "starlette",
    "uvicorn": "uvicorn",
    "python_multipart": "python-multipart",
    "PIL": "pillow",
    "av": "av",
}


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    from airflow_provider_grok import __version__, orphans

    parser = argparse.ArgumentParser(prog="airflow-grok", description="Apache Airflow provider for xAI's Grok Imagine.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    _add_demo(commands.add_parser("demo", help="run the main example in real Airflow, against the sandbox"))
    orphans.add_arguments(commands.add_parser("orphans", help="list what was paid for and belongs to no finished task"))
    commands.add_parser("sandbox", add_help=False, help="serve a local stand-in for the xAI API (see its --help)")
    return parser


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Run the example DAG product_shots in real Airflow: one photo, uploaded once, edited fifteen times by file id, "
        "shared by links. Without --real it talks to the sandbox, needs no key and costs nothing."
    )
    add = parser.add_argument
    add("--output", type=Path, default=Path("grok-demo"), help="folder of gallery and log (default: ./%(default)s)")
    add("--photo", type=Path, help="your own photo instead of a cup of coffee: PNG, JPEG or WebP")
    add("--keep", action="store_true", help="serve the gallery on until Ctrl-C")
    add("--ui", action="store_true", help="leave a whole Airflow running beside it, with its UI, until Ctrl-C")
    add("--real", action="store_true", help="use the real API with the key in XAI_API_KEY; asks before it pays")
    add("--yes", action="store_true", help="with --real: pay without being asked")
    add("--base-url", metavar="URL", help="with --real: another address of the API, such as a proxy's")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand and return the exit code.

    :param argv: the command line without the program; that of the process by default.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["sandbox"]:
        return _sandbox(words[1:])
    parser = arguments()
    options = parser.parse_args(words)
    if options.command == "orphans":
        from airflow_provider_grok import orphans

        return orphans.run(options)
    if not options.real and (options.yes or options.base_url):
        parser.error("--yes and --base-url go with --real only; without it nothing is paid.")
    if options.real and options.keep:
        parser.error("--keep serves the sandbox's gallery, and --real has no sandbox. Leave one of them out.")
    if options.photo and not options.photo.is_file():
        parser.error(f"--photo {options.photo}: there is no such file.")
    if not options.real and _lacks_sandbox():
        return 2
    from airflow_provider_grok.demo.show import show

    return show(options)


def _sandbox(words: Sequence[str]) -> int:
    if _lacks_sandbox():
        return 2
    from airflow_provider_grok.sandbox.__main__ import main as serve

    return serve(words)


def _lacks_sandbox() -> bool:
    """Whether the extra is missing, in which case the way to get it is told."""
    missing = [package for module, package in SANDBOX_NEEDS.items() if find_spec(module) is None]
    if missing:
        sys.stderr.write(
            f"The sandbox needs {', '.join(missing)}: install them with pip install 'airflow-provider-grok[sandbox]'.\n"
        )
    return bool(missing)


if __name__ == "__main__":
    sys.exit(main())
