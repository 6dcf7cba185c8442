"""The task state store of one task instance, as Airflow's API server keeps it: it may be away, slow or forgetful."""

from __future__ import annotations

import json
from typing import Any

from tests.model.world import World


class StoreAway(Exception):
    """The API server does not answer, or refuses the write."""


class Killed(BaseException):
    """The worker is dead: no code of it runs any more."""


class StoredState:
    """What is kept for one task instance; each try has a `WorkerStore` of its own in front of it.

    :param world: time and chances.
    :param owner: name of the task instance.
    """

    def __init__(self, world: World, owner: str) -> None:
        self.world, self.owner = world, owner
        self.values: dict[str, str] = {}
        #: Unix seconds at which something that was kept got lost.
        self.lost: list[float] = []

    def empty(self, why: str) -> None:
        """Lose everything."""
        if self.values:
            self.lost.append(self.world.now)
            self.world.note(self.owner, f"store is emptied: {why}")
        self.values.clear()

    @property
    def text(self) -> str:
        """All that is kept, as text to search in."""
        return "\n".join(self.values.values())


class WorkerStore:
    """The store as one process of a worker sees it.

    :param state: what is kept.
    :param dies_at: number of the write at which the process dies; 0: at none.
    :param torn: whether that write comes through.
    """

    def __init__(self, state: StoredState, dies_at: int = 0, torn: bool = False) -> None:
        self.state, self.dies_at, self.torn = state, dies_at, torn
        self.writes = 0
        self.given_up = False
        #: Seconds that the last access took, for the driver to rest.
        self.took = 0.0

    def get(self, key: str, default: Any = None) -> Any:
        """Read a value."""
        self._reach()
        text = self.state.values.get(key)
        return default if text is None else json.loads(text)

    def set(self, key: str, value: Any) -> None:
        """Keep a value."""
        self.writes += 1
        if self.writes == self.dies_at and not self.torn:
            self.state.world.note(self.state.owner, f"dies before write {self.writes} ({key})")
            raise Killed
        self._reach()
        world, options = self.state.world, self.state.world.options
        if world.chance("store refuses", options.store_refuses):
            world.note(self.state.owner, f"write of {key} is refused")
            raise StoreAway("the API server refused the write")
        if world.chance("store loses", options.store_loses):
            world.note(self.state.owner, f"write of {key} is lost")
            self.state.lost.append(world.now)
        else:
            self.state.values[key] = json.dumps(value)
            world.note(self.state.owner, f"writes {key}: {_brief(value)}")
        if self.writes == self.dies_at:
            world.note(self.state.owner, f"dies after write {self.writes} ({key})")
            raise Killed

    def delete(self, key: str) -> None:
        """Forget a value."""
        self._reach()
        self.state.values.pop(key, None)

    def _reach(self) -> None:
        world = self.state.world
        if self.given_up or (not world.calm and world.within(world.options.store_away)):
            raise StoreAway("the API server does not answer")
        if world.chance("store delays", world.options.store_delays):
            self.took += world.random("store delays").choice((1.0, 20.0, 60.0, 180.0))


def _brief(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 400 else text[:400] + "..."
