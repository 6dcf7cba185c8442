"""Options of a run with batches: which lists a task submits one after another, and how the Batch API misbehaves."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.model.options import PAID_FAULTS, Options

#: A row as its author writes it: an id, and what it asks for.
Row = tuple[str, str]


@dataclass(frozen=True)
class BatchPlan:
    """A task that submits lists, and one that keeps their results.

    :param lists: the lists, one after another; before each the task is cleared.
    :param persists: for each list, whether its results are kept before the next one comes.
    :param gaps: seconds between two lists.
    :param reuse: run, attempt or always.
    :param cap: most that it may cost, as a multiple of one row's price; None: no limit.
    :param retries: Airflow's `retries`.
    :param retry_delay: seconds between two tries.
    :param cancels: for each list, whether a person cancels its batch.
    """

    lists: tuple[tuple[Row, ...], ...]
    persists: tuple[bool, ...]
    gaps: tuple[float, ...]
    cancels: tuple[bool, ...]
    reuse: str = "run"
    cap: int | None = None
    retries: int = 2
    retry_delay: float = 60.0


def drawn(seed: int, **fixed: Any) -> tuple[Options, BatchPlan]:
    """The options of a seed.

    :param seed: the seed.
    :param fixed: options that are set by hand instead.
    """
    random = Random(f"batch options {seed}")
    lists = _lists(random)
    plan = BatchPlan(
        lists,
        tuple(random.random() < 0.6 for _ in lists),
        tuple(random.choice((10.0, 300.0, 2000.0)) for _ in lists),
        tuple(random.random() < 0.1 for _ in lists),
        random.choice(("run", "run", "attempt", "always")),
        random.choice((None, None, None, 4, 8)),
        random.choice((0, 1, 2, 3)),
        random.choice((5.0, 60.0, 300.0)),
    )
    fields: dict[str, Any] = {"seed": seed, "job_seconds": random.choice(((2.0, 25.0), (30.0, 400.0)))}
    for group in (_server, _lists_lag, _network, _workers, _people):
        if random.random() < 0.4:
            fields |= group(random)
    return Options(**{**fields, "faults_end": 8000.0, **fixed}), plan


def told(options: Options, plan: BatchPlan) -> str:
    """The options that are not honest defaults.

    :param options: the options.
    :param plan: what is submitted.
    """
    lines = options.told().splitlines()
    lists = " | ".join(" ".join("/".join(row) for row in one) for one in plan.lists)
    rest = {one.name: getattr(plan, one.name) for one in dataclasses.fields(plan) if one.name != "lists"}
    return "\n".join([lines[0], f"  lists: {lists}", f"  {rest}", lines[-1]])


def _lists(random: Random) -> tuple[tuple[Row, ...], ...]:
    """A list, and what becomes of it: rows come, go, change, and come back."""
    rows = [
        (f"row-{number}", random.choice(("cat", "dog", f"pig {number}"))) for number in range(random.choice((1, 3, 5)))
    ]
    lists = [tuple(rows)]
    for number in range(random.choice((0, 1, 2, 3))):
        change = random.choice(("add", "change", "remove", "back", "same", "swap"))
        if change == "add":
            rows = [*rows, (f"new-{number}", random.choice(("cat", f"cow {number}")))]
        elif change == "change":
            rows = [*rows[:-1], (rows[-1][0], f"changed {number}")]
        elif change == "remove" and len(rows) > 1:
            rows = rows[1:]
        elif change == "back":
            rows = list(lists[0])
        elif change == "swap":
            rows = rows[::-1]
        lists.append(tuple(rows))
    return tuple(lists)


def _server(random: Random) -> dict[str, Any]:
    return {
        "batch_storage": random.random() < 0.6,
        "batch_life": random.choice((86_400.0, 86_400.0, 3000.0)),
        "moderated": random.choice((0.0, 0.2)),
        "failing": random.choice((0.0, 0.2)),
        "storage_error": random.choice((0.0, 0.3)),
        "batch_chunk": random.choice((1000, 2)),
        "partial_add": random.choice((0.0, 0.5)),
        "row_never": random.choice((0.0, 0.1)),
    }


def _lists_lag(random: Random) -> dict[str, Any]:
    lagging = ("counters", "requests", "results", "batches")
    return {
        "batch_lag": random.choice((5.0, 30.0, 150.0)),
        "batch_lags": tuple(random.sample(lagging, random.choice((1, 2)))),
        "batch_404": random.choice((0.0, 5.0, 40.0)),
        "batch_404_later": random.choice((0.0, 0.1)),
        "list_drops": random.choice((0.0, 0.0, 0.2)),
        "list_empty": random.choice((0.0, 0.0, 0.2)),
    }


def _network(random: Random) -> dict[str, Any]:
    return {
        "paid_fault": random.choice((0.2, 0.6)),
        "paid_faults": tuple(random.sample(PAID_FAULTS, random.choice((1, 3)))),
        "free_fault": random.choice((0.0, 0.05)),
        "free_faults": ("lost-before", "html-502-before", "json-503-before", "unreachable"),
        "rate_limit": random.choice((0.0, 0.2)),
    }


def _workers(random: Random) -> dict[str, Any]:
    return {"death": random.choice((0.3, 0.8)), "store_refuses": random.choice((0.0, 0.0, 0.2))}


def _people(random: Random) -> dict[str, Any]:
    return {"clear_on_success": random.random() < 0.5, "emptied": random.choice((0.0, 0.5))}
