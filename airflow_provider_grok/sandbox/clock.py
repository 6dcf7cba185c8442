"""The sandbox's time: real time, shifted and sped up at will, so that a day can pass in a test."""

from __future__ import annotations

import threading
import time

LAST_DAY = 253_402_214_400  # unix seconds
FASTEST = 1_000_000  # sandbox seconds per real second: a year in half a minute


class Clock:
    """A clock that runs `rate` times as fast as the real one and can be moved forward."""

    def __init__(self, rate: float = 1.0) -> None:
        """Start at the real time.

        :param rate: sandbox seconds per real second; 0 stops the clock.
        """
        self._lock = threading.Lock()
        self._real = self._virtual = time.time()
        self._rate = 1.0
        self.rate = rate

    def now(self) -> float:
        """Return the sandbox's time in unix seconds."""
        with self._lock:
            return self._now()

    def _now(self) -> float:
        return self._virtual + (time.time() - self._real) * self._rate

    def advance(self, seconds: float) -> float:
        """Move the clock forward and return the new time.

        :param seconds: 0 or more; time does not run backwards.
        :raises ValueError: if negative, or beyond any calendar.
        """
        if not seconds >= 0:
            raise ValueError(f"cannot advance the clock by {seconds} s: give 0 or more (reset returns to real time)")
        with self._lock:
            if self._now() + seconds > LAST_DAY:
                raise ValueError(f"cannot advance the clock by {seconds:g} s: the calendar ends with the year 9999")
            self._virtual += seconds
            return self._now()

    @property
    def rate(self) -> float:
        """Sandbox seconds per real second."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        if not 0 <= rate <= FASTEST:
            raise ValueError(f"cannot run the clock at a rate of {rate:g}: give 0 (stopped) to {FASTEST:,}")
        with self._lock:
            self._virtual, self._real = self._now(), time.time()
            self._rate = float(rate)

    def reset(self) -> None:
        """Return to real time at rate 1."""
        with self._lock:
            self._real = self._virtual = time.time()
            self._rate = 1.0

    def snapshot(self) -> dict[str, float]:
        """Return what `restore` needs to go on after a restart."""
        with self._lock:
            return {"real": self._real, "virtual": self._virtual, "rate": self._rate}

    def restore(self, state: dict[str, float]) -> None:
        """Go on from an earlier clock, as if this one had run all the while."""
        with self._lock:
            self._real, self._virtual, self._rate = state["real"], state["virtual"], state["rate"]
