"""The demo as people see it: sandbox up, DAG through Airflow, progress, table, proof, gallery; nothing left running."""

from __future__ import annotations

import secrets
import signal
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_grok.demo import photo
from airflow_provider_grok.demo.airflow_home import USER, AirflowHome
from airflow_provider_grok.demo.airflow_run import AirflowRun, Failed
from airflow_provider_grok.demo.examples import descriptions
from airflow_provider_grok.demo.table import rows_of, table

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from airflow_provider_grok.demo.table import Row
    from airflow_provider_grok.demo.verification import Check
    from airflow_provider_grok.sandbox.server import Sandbox

#: The same seed every time: a second demo overwrites the pictures of the first instead of adding to them.
SEED = 20261122
#: What the sandbox takes for a picture: less than the time in which the first look at it comes.
IMAGE_SECONDS = 0.02


def show(options: Namespace) -> int:
    """Run the demo and return the exit code: 0, 1 when it failed, 2 when it could not begin, 130 after Ctrl-C.

    :param options: of the command line.
    """
    try:
        with _ended_by_signals():
            if options.photo and (reason := photo.refusal(options.photo)):
                sys.stderr.write(f"{reason}\n")
                return 2
            return _real(options) if options.real else _sandboxed(options)
    except KeyboardInterrupt:
        bill = " What was submitted is still made, stored and billed." if options.real else ""
        print_line(f"Stopped; nothing is left running.{bill}")
        return 130
    except (Failed, OSError) as error:
        sys.stderr.write(f"\nThe demo failed. {error}\n")
        return 1


def _sandboxed(options: Namespace) -> int:
    from airflow_provider_grok.demo import verification
    from airflow_provider_grok.sandbox.gallery import write_copy
    from airflow_provider_grok.sandbox.server import Sandbox

    print_line("One photo, fifteen edits, in real Airflow, against the sandbox: needs no key, costs nothing.\n")
    with ExitStack() as stack:
        # A key of its own: the gallery is for everybody on this machine, the API is for this Airflow.
        key = f"xai-demo-{secrets.token_urlsafe(24)}"
        sandbox = stack.enter_context(Sandbox(seed=SEED, image_seconds=IMAGE_SECONDS, api_key=key))
        home = stack.enter_context(AirflowHome(sandbox.url, sandbox.api_key, ui=options.ui))
        print_line(f"Sandbox of the xAI API at {sandbox.url}")
        # Whatever comes of it, the gallery shows what there is.
        base = sandbox.url.removesuffix("/v1")
        try:
            rows = _play(home, options)
        finally:
            page = write_copy(sandbox.backend, options.output, base)
        checks = verification.check(rows, sandbox.journal, sandbox.ledger.charges)
        _report(rows, page, "The sandbox bills nobody; the real API would have. Its links work while it runs (--keep).")
        good = _print_checks(checks)
        _serve_until_interrupted(stack, home, options, sandbox)
    return 0 if good else 1


def _real(options: Namespace) -> int:
    from airflow_provider_grok.demo import real

    account = real.account(options)
    if account is None or not real.agreed(options, account):
        return 2
    with ExitStack() as stack:
        home = stack.enter_context(AirflowHome(account.base_url, account.key, ui=options.ui, paused=True))
        rows = _play(home, options)
        page = real.write_gallery(account, rows, options.output)
        _report(rows, page, "Links end after a week; the files stay in your team's xAI Files until you delete them.")
        _serve_until_interrupted(stack, home, options, None)
    return 0


def _play(home: AirflowHome, options: Namespace) -> list[Row]:
    """Run the DAG and tell of every step."""
    began = time.monotonic()
    conf = {"photo": str(options.photo.resolve())} if options.photo else {}
    seconds: dict[str, float] = {}
    with AirflowRun(home, conf, log=options.output / "airflow.log") as run:
        for event in run.events():
            if "task" in event:
                seconds[event["task"]] = event["seconds"]
            if line := _line(event):
                print_line(f"{time.monotonic() - began:5.1f} s  {line}")
        return rows_of(run.receipts(), seconds)


def _line(event: dict[str, Any]) -> str:
    if "step" in event:
        return str(event["step"])
    if "task" not in event:
        return ""
    if event["state"] == "success":
        return f"{event['task']:<9} {event['label']}".rstrip()
    return f"{event['task']:<9} {event['state'].upper()}: {event['message']}"


def _report(rows: list[Row], page: Path, remark: str) -> None:
    print_line(f"\n{table(rows)}\n\n{remark}\nGallery: {page.resolve()}")


def _print_checks(checks: list[Check]) -> bool:
    print_line("\nChecked against the sandbox's journal and ledger:")
    for one in checks:
        print_line(f"  {'yes' if one.holds else 'NO '}  {one.text}")
    return all(one.holds for one in checks)


def _serve_until_interrupted(stack: ExitStack, home: AirflowHome, options: Namespace, sandbox: Sandbox | None) -> None:
    """Leave things running until Ctrl-C, if that was asked for."""
    if options.ui:
        from airflow_provider_grok.demo.components import Components

        print_line("\nStarting api-server, scheduler, dag-processor and triggerer ...")
        url = stack.enter_context(Components(home, options.output)).url
        print_line(f"\nAirflow:  {url}  user {USER}, password {home.password}")
    if sandbox and (options.keep or options.ui):
        print_line(f"Gallery:  {sandbox.url.removesuffix('/v1')}/")
    if options.ui:
        print_line(_guide(real=sandbox is None))
    if options.keep or options.ui:
        print_line("Ctrl-C ends all of it: servers, files, gallery." if sandbox else "Ctrl-C ends all of it.")
        try:
            signal.pause()
        except KeyboardInterrupt:
            print_line("\nStopping ...")


def _guide(*, real: bool) -> str:
    """What there is to try."""
    lines = [f"  {name:<25} {text}" for name, text in descriptions().items()]
    state = "paused, for they buy with your key" if real else "unpaused and free"
    return (
        f"\nThe examples ({state}; the connection grok_default is in Admin -> Connections):\n"
        + "\n".join(lines)
        + "\nTry review first: trigger it, approve its pictures under Required Actions, find them in the gallery."
    )


def print_line(line: str) -> None:
    """Write a line at once, also where stdout is a file or a pipe.

    :param line: the line.
    """
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM end the demo as Ctrl-C does, so that it takes its processes with it.

    SIGINT too: whoever starts the demo in the background of a script leaves it ignored.
    """

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
