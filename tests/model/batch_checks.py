"""What must hold after a run with batches: each row is paid for once, under the cap, in the bill, and kept or named."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from tests.model.batches import LINK_LIFE, PICTURE, Row
from tests.model.checks import Finding

if TYPE_CHECKING:
    from tests.model.batch_run import BatchRun


def check(run: BatchRun) -> None:
    """Check everything; findings and limits are noted in the run.

    :param run: a run that has ended.
    """
    _paid_once(run)
    _under_cap(run)
    _kept(run)


def billed(run: BatchRun, told: dict[str, Any]) -> None:
    """What the submitting task's receipt says was billed is never less than the bill.

    :param run: the run, at the end of a try.
    :param told: the receipt's `billed`.
    """
    if run.submit.state.lost:
        return
    run.server.work()
    charged = sum(row.ticks for row in run.server.batches.charges)
    if int(told["cost_in_usd_ticks"]) < charged:
        words = f"billed says {told['cost_in_usd_ticks']} at {run.world.age:.0f}, and {charged} were charged"
        run.findings.append(Finding("wrong bill", words))


def _user_row(run: BatchRun, row: Row) -> tuple[str, str]:
    """The user's id and the content of a row."""
    ids = {name for rows in run.plan.lists for name, _ in rows if row.id == name or row.id.startswith(f"{name}.")}
    return max(ids, key=len, default=row.id), row.content


def _paid_once(run: BatchRun) -> None:
    """At most one charge for each row of each content; what failed, or was cancelled, is bought again."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in run.server.batches.charges:
        groups[_user_row(run, row)].append(row)
    for (name, content), rows in groups.items():
        made = sorted((row for row in rows if row.outcome == "done"), key=lambda row: row.added)
        for first, again in itertools.pairwise(made):
            limit = _excuse(run, first, again)
            if limit:
                run.limits[limit] += 1
            else:
                places = f"{first.batch_id} and {again.batch_id}"
                words = f"{name} ({content}) in {places}, {again.added - first.added:.0f} s later"
                run.findings.append(Finding("paid twice", words))


def _excuse(run: BatchRun, first: Row, again: Row) -> str:
    batch = run.server.batches.all[first.batch_id]
    if run.plan.reuse == "attempt" and any(first.added <= at <= again.added for at in run.clears):
        return "wanted anew"
    file = run.server.files.stored.get(first.file_id or "")
    if batch.expires <= again.added and file is None:
        return "its results ended with the batch"
    options = run.server.options
    emptied = [at for at in run.submit.state.lost if first.added - 5 <= at <= again.added]
    lags = "batches" in options.batch_lags or options.batch_404 or options.list_drops or options.list_empty
    if emptied and lags:
        return "the store was emptied, and its batch was not listed"
    return ""


def _under_cap(run: BatchRun) -> None:
    if run.plan.cap is None or run.submit.state.lost:
        return
    until = run.cap_off_at if run.cap_off_at is not None else float("inf")
    spent = sum(row.ticks for row in run.server.batches.charges if row.added < until)
    if spent > run.plan.cap * PICTURE:
        words = f"{spent} ticks were charged, and the cap is {run.plan.cap * PICTURE}"
        run.findings.append(Finding("over the cap", words))


def _kept(run: BatchRun) -> None:
    """Every row of the last list is kept, in order, or named with its reason."""
    rows = run.plan.lists[-1]
    if run.kept is None:
        errors = [f"{type(one).__name__}: {one}" for one in (run.submit.error, run.persist.error) if one]
        if not _nothing_to_keep(run):
            run.findings.append(Finding("never ends well", "; ".join(errors)))
        return
    if [name for name, _, _ in run.kept] != [name for name, _ in rows]:
        words = f"{[name for name, _, _ in run.kept]} instead of {[name for name, _ in rows]}"
        run.findings.append(Finding("wrong rows", words))
        return
    for (name, state, files), (_, content) in zip(run.kept, rows, strict=True):
        made = [row for row in run.server.batches.charges if _user_row(run, row) == (name, content)]
        if state != "kept":
            if any(row.outcome == "moderated" for row in made):
                continue
            if state == "lost" and any(_is_gone(run, row) for row in made):
                run.limits["its link or its batch ended before it was kept"] += 1
            else:
                run.findings.append(Finding("row not kept", f"{name} ({content}) is {state}"))
            continue
        ids = {row.id for row in made}
        found = [run.server.files.stored[one] for one in files]
        if len(found) != 1 or found[0].job_id not in ids or not found[0].alive(run.world.now):
            run.findings.append(Finding("wrong result", f"{name} ({content}) has {files}"))


def _is_gone(run: BatchRun, row: Row) -> bool:
    """Whether a result that was not stored can be had no more."""
    if row.outcome != "done" or row.file_id:
        return False
    return row.ends + LINK_LIFE <= run.world.now or run.server.batches.all[row.batch_id].expires <= run.world.now


def _nothing_to_keep(run: BatchRun) -> bool:
    """Whether all rows of the last list were refused by the content rules, or ended before they were kept."""
    rows = run.server.batches.charges
    refused = {_user_row(run, row) for row in rows if row.outcome == "moderated" or _is_gone(run, row)}
    return all(row in refused for row in run.plan.lists[-1])
