"""Options of one run of the model: who buys what, and in which ways server, network, store and workers misbehave.

All of them follow from the seed. Each kind of misbehaviour is on in a part of the runs only, so that a failure has few
possible causes, and so that a rule is also tried where nothing else disturbs it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")

FOREVER = float("inf")

#: How the server changes the names that it is asked to store files under.
NAME_CHANGES = ("lower", "dots", "copy", "ending", "trim", "unicode", "short")
#: What the network can do to a paid request; `-after` means that the server did the work first.
PAID_FAULTS = (
    "unreachable",
    *("lost-before", "lost-after", "cut-after"),
    *("html-400-before", "html-400-after", "html-402-after", "html-403-before", "html-403-after", "html-413-after"),
    *("html-429-before", "html-429-after", "html-502-before", "html-502-after", "html-200-after", "html-404-after"),
    *("message-400-after", "message-403-before", "message-403-after", "message-429-after", "message-502-after"),
    *("redirect-before", "redirect-after", "json-500-before", "json-500-after", "json-503-after", "json-408-after"),
    *("empty-200-before", "empty-200-after", "nothing-after", "no-data-before", "no-data-after"),
    *("error-200-before", "error-200-after", "code-200-after", "done-without-data-after"),
)
#: What it can do to a request that costs nothing.
FREE_FAULTS = (
    *("unreachable", "lost-before", "cut-after", "html-403-before", "html-404-before", "html-502-before"),
    *("html-200-before", "message-403-before", "message-502-before", "redirect-before", "json-500-before"),
    *("json-503-before", "empty-200-before", "error-200-before"),
)


@dataclass(frozen=True)
class TaskPlan:
    """One task instance, and what people do to it.

    :param name: task id.
    :param kind: image or video.
    :param reuse: run, attempt or always.
    :param count: how many pictures.
    :param cap: most that it may spend, as a multiple of one request's price; None: no limit.
    :param retries: Airflow's `retries`.
    :param retry_delay: seconds between two tries.
    :param deferrable: whether it waits in the triggerer.
    :param timeout: seconds; None: the default.
    :param prompts: what it asks for, try by try; the last one stays.
    :param clears: seconds after each end at which a person clears it.
    :param share: life of its public link in seconds; None: no link.
    :param life: life of its files in seconds; None: no end.
    :param start: seconds after which it starts.
    :param source: whether it edits a stored picture.
    """

    name: str
    kind: str = "image"
    reuse: str = "run"
    count: int = 1
    cap: float | None = None
    retries: int = 2
    retry_delay: float = 60.0
    deferrable: bool = False
    timeout: int | None = None
    prompts: tuple[str, ...] = ("A",)
    clears: tuple[float, ...] = ()
    share: int | None = None
    life: int | None = None
    start: float = 0.0
    source: bool = False


@dataclass(frozen=True)
class Options:
    """Everything that a seed decides; each default is honest behaviour. Times are in seconds, the others are shares."""

    seed: int = 0
    tasks: tuple[TaskPlan, ...] = (TaskPlan("one"),)
    faults_end: float = 3000.0
    recovery_wait: float | None = None
    # Jobs and money
    job_seconds: tuple[float, float] = (2.0, 20.0)
    slow_job: float = 0.0
    deferred: str = "taken"
    moderated: float = 0.0
    failing: float = 0.0
    storage_error: float = 0.0
    link_error: float = 0.0
    price_list: str = "true"
    cheaper: bool = False
    # Files and lists
    strangers: int = 2
    page: int = 100
    list_lag: float = 0.0
    list_drops: float = 0.0
    list_empty: float = 0.0
    list_repeats: float = 0.0
    list_filter: str = "contains"
    file_404: float = 0.0
    file_404_later: float = 0.0
    source_404: float = 0.0
    job_404: tuple[float, float] = (0.0, 0.0)
    poll_400: float = 0.0
    names: str = ""
    cut_key: bool = False
    # Network
    paid_fault: float = 0.0
    paid_faults: tuple[str, ...] = ()
    free_fault: float = 0.0
    free_faults: tuple[str, ...] = ()
    rate_limit: float = 0.0
    retry_after: int | None = None
    outages: tuple[tuple[float, float], ...] = ()
    # Batches
    batch_storage: bool = True
    batch_life: float = 86_400.0
    batch_404: float = 0.0
    batch_404_later: float = 0.0
    batch_chunk: int = 1000
    batch_lag: float = 0.0
    batch_lags: tuple[str, ...] = ()
    partial_add: float = 0.0
    row_never: float = 0.0
    # Account, workers, store, people
    keys: str = "one"
    skew: float = 0.0
    skews_differ: bool = False
    death: float = 0.0
    freeze: float = 0.0
    store_refuses: float = 0.0
    store_loses: float = 0.0
    store_delays: float = 0.0
    store_away: tuple[tuple[float, float], ...] = ()
    clear_on_success: bool = False
    emptied: float = 0.0
    deletes: float = 0.0
    #: Named by hand only: restricts what is drawn.
    notes: str = field(default="", compare=False)

    @classmethod
    def of(cls, seed: int, **fixed: Any) -> Options:
        """The options of a seed.

        :param seed: the seed.
        :param fixed: options that are set by hand instead.
        """
        return dataclasses.replace(_drawn(seed), **fixed)

    def told(self) -> str:
        """The options that are not honest defaults, one a line."""
        lines = [f"seed={self.seed}"]
        lines += [f"  {_changed(task, TaskPlan(task.name))}" for task in self.tasks]
        changed = [
            f"{one.name}={getattr(self, one.name)!r}"
            for one in dataclasses.fields(self)
            if one.name not in ("seed", "tasks") and getattr(self, one.name) != getattr(HONEST, one.name)
        ]
        return "\n".join([*lines, f"  {', '.join(changed) or 'all else honest'}"])


HONEST = Options()


def _changed(task: TaskPlan, plain: TaskPlan) -> str:
    differs = [one.name for one in dataclasses.fields(task) if getattr(task, one.name) != getattr(plain, one.name)]
    return f"task {task.name}: " + ", ".join(f"{name}={getattr(task, name)!r}" for name in differs)


class _Draw:
    """Draws of one seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(f"options {seed}")

    def one(self, values: tuple[T, ...]) -> T:
        return self.random.choice(values)

    def sometimes(self, share: float, values: tuple[T, ...], otherwise: T) -> T:
        return self.random.choice(values) if self.random.random() < share else otherwise

    def chance(self, share: float) -> bool:
        return self.random.random() < share


def _drawn(seed: int) -> Options:
    draw = _Draw(seed)
    fields: dict[str, Any] = {"seed": seed}
    video = draw.chance(0.2)
    fields["job_seconds"] = (20.0, 240.0) if video else draw.one(((0.5, 6.0), (2.0, 25.0)))
    fields["tasks"] = _tasks(draw, "video" if video else "image")
    fields["recovery_wait"] = draw.sometimes(0.4, (40.0, 90.0), None)
    for group in (_jobs, _files, _network, _account, _workers, _store, _people):
        if draw.chance(0.35):
            fields |= group(draw)
    return Options(**fields)


def _tasks(draw: _Draw, kind: str) -> tuple[TaskPlan, ...]:
    reuse = draw.one(("run", "run", "attempt", "always"))
    prompts: tuple[str, ...] = draw.sometimes(0.3, (("A", "B"), ("A", "B", "A"), ("A", "A", "B", "A")), ("A",))
    count = draw.sometimes(0.15, (2, 3), 1) if kind == "image" else 1
    source = kind == "image" and draw.chance(0.2)
    tasks = []
    for name in ("Hero-Shots", "two", "three")[: draw.one((1, 1, 1, 2, 3))]:
        life = draw.sometimes(0.15, (3600, 90_000), None)
        tasks.append(
            TaskPlan(
                name,
                kind,
                reuse,
                count,
                cap=draw.sometimes(0.3, (1.0, 1.5, 2.0, 3.5), None),
                retries=draw.one((0, 1, 2, 3, 5)),
                retry_delay=draw.one((5.0, 30.0, 120.0, 300.0)),
                deferrable=draw.chance(0.35),
                timeout=draw.sometimes(0.25, (100, 240, 600), None),
                prompts=prompts,
                clears=draw.sometimes(0.5, ((20.0,), (400.0,), (30.0, 600.0), (2000.0,)), ()),
                share=draw.sometimes(0.2, (3600, 86_400) if life != 3600 else (3600,), None),
                life=life,
                start=draw.one((0.0, 0.0, 1.0, 30.0)),
                source=source,
            )
        )
    return tuple(tasks)


def _jobs(draw: _Draw) -> dict[str, Any]:
    return {
        "slow_job": draw.sometimes(0.3, (0.1, 0.4), 0.0),
        "deferred": draw.sometimes(0.4, ("refused", "at once"), "taken"),
        "moderated": draw.sometimes(0.3, (0.1, 0.5), 0.0),
        "failing": draw.sometimes(0.2, (0.1, 0.5), 0.0),
        "storage_error": draw.sometimes(0.3, (0.2, 1.0), 0.0),
        "link_error": draw.sometimes(0.3, (0.2, 1.0), 0.0),
        "price_list": draw.sometimes(0.4, ("zero", "none", "page"), "true"),
        "cheaper": draw.chance(0.2),
    }


def _files(draw: _Draw) -> dict[str, Any]:
    return {
        "strangers": draw.one((0, 2, 20, 60)),
        "page": draw.one((100, 50)),
        "list_lag": draw.sometimes(0.5, (5.0, 25.0, 100.0, 500.0), 0.0),
        "list_drops": draw.sometimes(0.2, (0.2, 0.6), 0.0),
        "list_empty": draw.sometimes(0.2, (0.1, 0.6), 0.0),
        "list_repeats": draw.sometimes(0.2, (0.3,), 0.0),
        "list_filter": draw.sometimes(0.2, ("refused", "words"), "contains"),
        "file_404": draw.sometimes(0.3, (5.0, 20.0, 45.0), 0.0),
        "file_404_later": draw.sometimes(0.2, (0.1, 0.5), 0.0),
        "source_404": draw.sometimes(0.3, (20.0, 45.0), 0.0),
        "job_404": draw.sometimes(0.4, ((0.0, 3.0), (0.0, 180.0), (3.0, 180.0), (2.0, FOREVER)), (0.0, 0.0)),
        "poll_400": draw.sometimes(0.2, (4.0, 25.0), 0.0),
        "names": draw.sometimes(0.4, NAME_CHANGES, ""),
        "cut_key": draw.chance(0.03),
    }


def _network(draw: _Draw) -> dict[str, Any]:
    start = draw.random.uniform(0.0, 300.0)
    return {
        "paid_fault": draw.one((0.2, 0.5, 0.9)),
        "paid_faults": tuple(draw.random.sample(PAID_FAULTS, draw.one((1, 2, 4)))),
        "free_fault": draw.sometimes(0.4, (0.03, 0.15), 0.0),
        "free_faults": tuple(draw.random.sample(FREE_FAULTS, 3)),
        "rate_limit": draw.sometimes(0.3, (0.1, 0.5), 0.0),
        "retry_after": draw.sometimes(0.5, (7, 120), None),
        "outages": draw.sometimes(0.2, (((start, start + 60.0),), ((start, start + 200.0),)), ()),
    }


def _account(draw: _Draw) -> dict[str, Any]:
    return {"keys": draw.one(("rotated", "foreign", "blocked"))}


def _workers(draw: _Draw) -> dict[str, Any]:
    return {
        "death": draw.one((0.3, 0.7, 0.9)),
        "freeze": draw.sometimes(0.1, (0.5,), 0.0),
        "skew": draw.sometimes(0.3, (3600.0, -3600.0, 120.0), 0.0),
        "skews_differ": draw.chance(0.15),
    }


def _store(draw: _Draw) -> dict[str, Any]:
    start = draw.random.uniform(0.0, 60.0)
    return {
        "store_refuses": draw.sometimes(0.4, (0.1, 0.4), 0.0),
        "store_loses": draw.sometimes(0.2, (0.1, 0.5), 0.0),
        "store_delays": draw.sometimes(0.2, (0.2,), 0.0),
        "store_away": draw.sometimes(0.4, (((start, start + 60.0),), ((start, start + 180.0),)), ()),
    }


def _people(draw: _Draw) -> dict[str, Any]:
    return {
        "clear_on_success": draw.chance(0.4),
        "emptied": draw.sometimes(0.4, (0.5, 1.0), 0.0),
        "deletes": draw.sometimes(0.3, (0.5,), 0.0),
    }
