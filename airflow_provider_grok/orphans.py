"""The command `airflow-grok orphans`: what was paid for and belongs to no finished task; shown, cancelled or deleted.

A tool of whoever runs Airflow, on a machine with its metadata database: it reads there what tasks have. Nothing that
runs in a task imports this module.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_grok.flows.purchases.orphans import Claims, Orphan
    from airflow_provider_grok.hooks.grok import GrokHook

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_WARNING = (
    "No record of a finished task names these. Results of runs that were deleted from Airflow, of scripts outside it "
    "and of other Airflows of the same team look just the same: be sure before you delete."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command.

    :param parser: the subcommand's parser.
    """
    parser.description = (
        "List batches and stored files that bear the token of a purchase of ours and that no finished task has, by the "
        "records in Airflow's metadata database. Nothing is changed without --cancel or --delete."
    )
    add = parser.add_argument
    add("--conn-id", default="grok_default", help="the Airflow connection (default: %(default)s)")
    add("--older-than", type=seconds, default="1d", metavar="AGE", help="such as 36h or 7d (default: %(default)s)")
    add("--match", default="*", metavar="GLOB", help="only names like this, such as 'shop.*' (default: all)")
    add("--cancel", action="store_true", help="cancel the orphaned batches that still run")
    add("--delete", action="store_true", help="delete the orphaned files")
    add("--json", action="store_true", help="print JSON, one object a line")


def seconds(text: str) -> float:
    """Read an age.

    :param text: a number with s, m, h or d behind it; alone it means seconds.
    :raises ArgumentTypeError: for anything else.
    """
    found = re.fullmatch(r"(\d{1,9}(?:\.\d+)?)([smhd]?)", text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no age. Give a number with s, m, h or d, such as 36h or 7d.")
    return float(found[1]) * _UNITS[found[2]]


def run(options: argparse.Namespace) -> int:
    """Show the orphans, and do what was asked with them.

    :param options: as `add_arguments` describes them.
    """
    # As Airflow's own commands do it: connections may be in the metadata database.
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
    from airflow.sdk.exceptions import AirflowException
    from sqlalchemy.exc import SQLAlchemyError

    from airflow_provider_grok.api.errors import GrokError

    try:
        return _run(options)
    except SQLAlchemyError as error:
        words = f"Airflow's metadata database cannot be read: {getattr(error, 'orig', None) or error}. Run this where "
        sys.stderr.write(f"{words}`airflow` itself runs, with the same AIRFLOW_HOME and settings.\n")
    except (AirflowException, GrokError) as error:
        sys.stderr.write(f"{error}\n")
    return 1


def _run(options: argparse.Namespace) -> int:
    from airflow_provider_grok.api.errors import InvalidRequest
    from airflow_provider_grok.hooks.grok import GrokHook

    claims = read_claims()
    if (options.cancel or options.delete) and not (claims.ids or claims.ticks):
        raise InvalidRequest(
            "This Airflow's database knows no purchase at all, so everything would look like an orphan: nothing was "
            "done. Is it the right one (AIRFLOW_HOME, AIRFLOW__DATABASE__SQL_ALCHEMY_CONN)?"
        )
    hook = GrokHook(options.conn_id)
    found = hook.orphans(claims, older_than=options.older_than)
    found = [one for one in found if fnmatchcase(one.name, options.match)]
    show(found, as_json=options.json)
    return tidy(hook, found, cancel=options.cancel, delete=options.delete)


def read_claims() -> Claims:
    """Read out of Airflow's metadata database what its tasks have."""
    from airflow.models.task_state_store import TaskStateStoreModel
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        table = TaskStateStoreModel
        columns = (table.dag_id, table.run_id, table.task_id, table.map_index, table.value)
        records = session.execute(select(*columns).where(table.key.startswith("grok."))).all()
        told = session.scalars(select(XComModel.value).where(XComModel.key.in_(("receipt", "manifest")))).all()
    return claims_of([(_place(*row[:4]), _read(row[4])) for row in records], told)


def _place(dag_id: str, run_id: str, task_id: str, map_index: int) -> str:
    mapped = f"[{map_index}]" if map_index >= 0 else ""
    return f"{dag_id}.{task_id}{mapped} of run {run_id}"


def _read(text: str) -> Any:
    from airflow_provider_grok.api.errors import InvalidRequest

    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if isinstance(value, dict | list):
        return value
    raise InvalidRequest(
        f"A record in the task state store cannot be read: {text[:60]!r}. With another `[workers] state_store_backend` "
        "the records are not in the metadata database, and every file would look like an orphan: nothing was done."
    )


def claims_of(records: Iterable[tuple[str, Any]], told: Iterable[Any] = ()) -> Claims:
    """Put together what tasks have.

    :param records: a task in words, and a value that it keeps in its task state store.
    :param told: what tasks pushed to XCom as `receipt` and `manifest`.
    """
    from airflow_provider_grok.flows.purchases.orphans import Claims

    ids: set[str] = set()
    of_batches: set[str] = set()
    unfinished: dict[str, str] = {}
    ticks: dict[str, int] = {}
    for place, value in records:
        if not isinstance(value, dict) or "token" not in value:
            ids.update(_ids_in(value))
            continue
        token, result = value["token"], value.get("result") or {}
        ticks[token] = result.get("ticks") or value.get("estimate") or 0
        if value.get("phase") != "done":
            unfinished[token] = f"{place} ({value.get('phase')})"
            continue
        ids.update(_ids_in(result))
        if value.get("kind") == "batch":
            of_batches.add(token)
            ids.add(str(value.get("job_id")))
    for value in told:
        ids.update(_ids_in(value))
    return Claims(frozenset(ids), frozenset(of_batches), unfinished, ticks)


def _ids_in(value: Any) -> Iterator[str]:
    """Every text in a value: ids are the server's own, so any of them may be one."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _ids_in(inner)
        return
    if not isinstance(value, str):
        return
    yield value
    if value[:1] in ('"', "[", "{"):
        # XCom keeps JSON, and what it kept may be JSON in its turn.
        with suppress(ValueError, RecursionError):
            yield from _ids_in(json.loads(value))


def show(found: Sequence[Orphan], *, as_json: bool) -> None:
    """Print what was found.

    :param found: orphans, and what unfinished tasks would take.
    :param as_json: whether for programs.
    """
    from dataclasses import asdict

    if as_json:
        for one in found:
            sys.stdout.write(json.dumps(asdict(one)) + "\n")
        return
    orphans, unfinished = [one for one in found if not one.task], [one for one in found if one.task]
    if unfinished:
        sys.stdout.write(
            "Unfinished: a task that runs takes what it bought when it ends; clear any other to adopt it.\n"
        )
        _table(unfinished)
    if orphans:
        sys.stdout.write(f"Orphans. {_WARNING}\n")
        _table(orphans)
    total = sum(one.ticks for one in orphans) / 1e10
    sys.stdout.write(f"{len(orphans)} orphans, about {total:.2f} USD; {len(unfinished)} unfinished.\n")


def _table(rows: Sequence[Orphan]) -> None:
    from datetime import datetime, timezone

    from airflow_provider_grok.api.errors import clean

    for one in rows:
        made = datetime.fromtimestamp(one.created_at, timezone.utc).strftime("%Y-%m-%d")
        task = f"  clear task {clean(one.task, 300)}" if one.task else ""
        sys.stdout.write(
            f"  {one.kind:5}  {clean(one.id, 60)}  {made}  {one.state:9}  ~{one.ticks / 1e10:.2f} USD  "
            f"{clean(one.name, 260)}{task}\n"
        )


def tidy(hook: GrokHook, found: Sequence[Orphan], *, cancel: bool, delete: bool) -> int:
    """Cancel and delete what was asked for; what an unfinished task would take is left alone.

    :param hook: the connection.
    :param found: what was found.
    :param cancel: cancel batches that still run.
    :param delete: delete files.
    """
    from airflow_provider_grok.api.errors import GrokError, NotFound
    from airflow_provider_grok.flows.purchases import orphans

    failed = 0
    for one in found:
        if one.task or not ((cancel and one.running) or (delete and one.kind == "file")):
            continue
        try:
            hook.run(orphans.tidy(one))
            sys.stdout.write(f"{'cancelled' if one.kind == 'batch' else 'deleted'} {one.id}\n")
        except NotFound:
            sys.stdout.write(f"gone already {one.id}\n")
        except GrokError as error:
            failed += 1
            sys.stderr.write(f"{one.id}: {error}\n")
    return int(failed > 0)
