"""Which deaths there are: what is bought, whether the wait is deferred, where the process dies; and what is due."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

_PURCHASE = ("before-intent", "intended", "answer-unread", "answer-read", "id-recorded")
_MAKE = (*_PURCHASE, "worker-too", "before-done", "done", "twice")
_DEFERRED = ("event-seen", "triggerer")
_BATCH = (*_PURCHASE, "requests-unread", "half-added", "before-done", "done", "twice")
_PERSIST = ("before-copying", "copy-unread", "copy-read", "copies-recorded", "manifest-unread", "done", "twice")

#: In the order in which they come in a task's life; see `dags/crash_points.py` for where exactly.
POINTS: dict[str, tuple[str, ...]] = {
    "edit": _MAKE,
    "generate": _MAKE,
    "video": _MAKE,
    "hook": _MAKE[:-1],
    "batch": _BATCH,
    "parts": _BATCH,
    "persist": _PERSIST,
    "upload": ("before-sending", "answer-unread", "answer-read", "done", "twice"),
}
DEFERRABLE = ("edit", "generate", "video", "persist")
#: Assets that one case makes: files of a result, of a batch, of an upload.
ASSETS = {"edit": 1, "generate": 2, "video": 1, "hook": 2, "batch": 5, "parts": 5, "persist": 5, "upload": 1}
#: Charges that they cost; for an upload, which is free, the files that are stored.
CHARGES = {"edit": 1, "generate": 1, "video": 1, "hook": 2, "batch": 5, "parts": 5, "persist": 5, "upload": 1}
#: About as many steps as a whole try takes; a try that is shorter dies at its end.
MOST_STEPS = {"edit": 16, "generate": 16, "video": 16, "hook": 1, "batch": 24, "parts": 30, "persist": 40, "upload": 8}


@dataclass(frozen=True)
class Case:
    """One run of one DAG, whose task dies once.

    :param kind: what is bought or kept; `hook`: two pictures side by side in an async `@task`; `parts`: a list of five
        rows, three of which an earlier batch of the run holds
    :param deferrable: whether it waits in the triggerer
    :param point: where it dies; `triggerer`: the triggerer dies instead, while the task waits in it; `twice`: its first
        two tries die, anywhere
    :param cycle: which repetition it is
    :param steps: for `twice`, the number of the step at which each of the tries dies
    """

    kind: str
    deferrable: bool
    point: str
    cycle: int
    steps: tuple[int, int] = (1, 1)

    @property
    def marks(self) -> tuple[str, ...]:
        """The marks that its deaths leave, one each."""
        return (self.name, f"{self.name}-again") if self.point == "twice" else (self.name,)

    @property
    def name(self) -> str:
        """Names its run, its mark and all that it makes."""
        return f"{self.kind}-{'deferrable-' if self.deferrable else ''}{self.point}-{self.cycle}"

    @property
    def dag_id(self) -> str:
        """The DAG in `dags/crash_points.py`."""
        return f"crash_{self.kind}{'_deferrable' if self.deferrable else ''}"

    @property
    def row(self) -> tuple[str, bool, str]:
        """Where it counts in the table."""
        return self.kind, self.deferrable, self.point


def all_cases(cycle: int, only: Iterable[str] = (), seed: int = 0) -> list[Case]:
    """The cases of one cycle, in random order.

    :param only: `kind`, `kind/point` or `/point`; none = all
    :param seed: the same seed gives the same order, and the same steps at which tasks die twice
    """
    chance = random.Random(f"{seed} {cycle}")
    cases = [_case(kind, False, point, cycle, chance) for kind, points in POINTS.items() for point in points]
    cases += [_case(kind, True, point, cycle, chance) for kind in DEFERRABLE for point in (*POINTS[kind], *_DEFERRED)]
    wanted = [one.partition("/")[::2] for one in only]
    chosen = [case for case in cases if not wanted or any(_fits(case, *one) for one in wanted)]
    chance.shuffle(chosen)
    return chosen


def _case(kind: str, deferrable: bool, point: str, cycle: int, chance: random.Random) -> Case:
    most = MOST_STEPS[kind]
    return Case(kind, deferrable, point, cycle, (chance.randint(1, most), chance.randint(1, most)))


def _fits(case: Case, kind: str, point: str) -> bool:
    return kind in ("", case.kind) and point in ("", case.point)
