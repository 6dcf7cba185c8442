"""Waits in the order in which they are due. A wait stands in the queue once; putting it off costs nothing."""

from __future__ import annotations

import heapq
import itertools
import math

from airflow_provider_grok.triggers.waits import Wait


class DueQueue:
    """A heap in which an entry that was put off is moved only when it comes to the top."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Wait]] = []
        self._numbers = itertools.count()

    def push(self, wait: Wait, due: float) -> None:
        """Make a wait due at a moment, earlier or later than it was.

        :param wait: the wait.
        :param due: unix seconds.
        """
        wait.due = due
        if wait.entry_due > due:
            wait.entry_due = due
            heapq.heappush(self._heap, (due, next(self._numbers), wait))

    def first(self) -> Wait | None:
        """The wait that is due first; it stays in the queue."""
        heap = self._heap
        while heap:
            due, number, wait = heap[0]
            if wait.over or wait.entry_due != due:
                heapq.heappop(heap)
            elif wait.due > due:
                wait.entry_due = wait.due
                heapq.heapreplace(heap, (wait.due, number, wait))
            else:
                return wait
        return None

    def first_due(self) -> float:
        """Unix seconds when the first one is due; infinite where there is none."""
        first = self.first()
        return first.due if first else math.inf

    def pop(self) -> Wait:
        """Take the first one out: it is under way, and due no more until it is pushed again."""
        wait = heapq.heappop(self._heap)[2]
        wait.due = wait.entry_due = math.inf
        return wait
