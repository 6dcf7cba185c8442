"""The world of one run: its time, its chances, its history, and what goes on in it at the same time."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Generator
from random import Random
from typing import Any, TypeAlias

from tests.model.options import Options

#: Something that goes on in the world: yields the seconds for which it rests.
Process: TypeAlias = Generator[float, None, Any]

#: Unix seconds at which every run begins.
BEGINNING = 1_795_000_000.0


class Hung(Exception):
    """Something took more steps or more time than anything may."""


class World:
    """Time, chance and history of one run.

    :param options: its options.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.now = BEGINNING
        self.history: list[tuple[float, str, str]] = []
        self._queue: list[tuple[float, int, Process]] = []
        self._numbers = itertools.count()
        self._randoms: dict[str, Random] = {}

    @property
    def age(self) -> float:
        """Seconds since the beginning."""
        return self.now - BEGINNING

    @property
    def calm(self) -> bool:
        """Whether all misbehaviour is over."""
        return self.age >= self.options.faults_end

    def random(self, what: str) -> Random:
        """Chances of one kind: each kind has its own, so that a change in one disturbs no other.

        :param what: the kind.
        """
        if what not in self._randoms:
            self._randoms[what] = Random(f"{self.options.seed} {what}")
        return self._randoms[what]

    def chance(self, what: str, share: float) -> bool:
        """Whether something misbehaves this time; never in calm times.

        :param what: what.
        :param share: how often it does.
        """
        return share > 0 and not self.calm and self.random(what).random() < share

    def within(self, windows: tuple[tuple[float, float], ...]) -> bool:
        """Whether it is now within one of several spans of time.

        :param windows: spans of seconds since the beginning.
        """
        return any(start <= self.age < end for start, end in windows)

    def note(self, who: str, what: str) -> None:
        """Write a line of the history."""
        self.history.append((self.age, who, what))

    def start(self, process: Process, delay: float = 0.0) -> None:
        """Let something go on.

        :param process: what.
        :param delay: seconds until it begins.
        """
        heapq.heappush(self._queue, (self.now + delay, next(self._numbers), process))

    def run(self, longest: float) -> None:
        """Let time pass until nothing goes on any more.

        :param longest: seconds after which something is said to hang.
        :raises Hung: when it does.
        """
        while self._queue:
            due, _, process = heapq.heappop(self._queue)
            self.now = max(self.now, due)
            if self.age > longest:
                raise Hung(f"something still goes on after {longest:.0f} s")
            try:
                pause = next(process)
            except StopIteration:
                continue
            heapq.heappush(self._queue, (self.now + pause, next(self._numbers), process))

    def told(self) -> str:
        """The history, one event a line."""
        return "\n".join(f"{at:9.1f}  {who:<12} {what}" for at, who, what in self.history)
