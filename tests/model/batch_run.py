"""A run with batches: one task submits lists that change, another keeps their results; both die and are tried again."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_grok.api.endpoint import Endpoint
from tests.model import task as seam
from tests.model.batch_options import BatchPlan, Row, drawn, told
from tests.model.batch_task import Persist, Submit, in_virtual_time
from tests.model.checks import Finding
from tests.model.network import Network
from tests.model.server import Server
from tests.model.store import Killed, StoredState, WorkerStore
from tests.model.worker import Process, Try
from tests.model.world import Hung, World

KEY = "xai-key-of-team-one"
#: Seconds that one try may take: a batch is waited for a day.
LONGEST_TRY = 100_000.0


@dataclass
class BatchTask:
    """One of the two tasks, over all its tries.

    :param name: its task id.
    """

    world: World
    network: Network
    name: str
    retries: int
    retry_delay: float
    state: StoredState = field(init=False)
    try_number: int = 0
    max_tries: int = 0
    error: Exception | None = None
    process: Process | None = None

    def __post_init__(self) -> None:
        self.state = StoredState(self.world, self.name)
        self.max_tries = self.retries

    def clear(self) -> None:
        """A person clears it."""
        if self.world.chance("empty", self.world.options.emptied):
            self.state.empty("the run was deleted and made again")
            self.try_number, self.max_tries = 0, self.retries
        else:
            self.max_tries = self.try_number + self.retries
        self.world.note(self.name, "is cleared")

    def until_end(self, one_try: Callable[[WorkerStore], Any], after: Callable[[], None] | None = None) -> Any:
        """Try until it succeeds, ends for good, or no retry is left; returns the value, or None.

        :param one_try: one try, with the store that it sees.
        :param after: called after each try whose worker did not die.
        """
        while True:
            self.try_number += 1
            self.error, value, died = None, None, False
            self.world.note(self.name, f"try {self.try_number} of {self.max_tries + 1}")
            try:
                value = one_try(self._begin())
                self.world.note(self.name, f"returns {value}")
            except Killed:
                died = True
                self.world.note(self.name, "worker is dead")
            except Hung:
                raise
            except Exception as error:
                self.error = error
                self.world.note(self.name, f"fails: {type(error).__name__}: {error}")
            if after and not died:
                after()
            if value is not None:
                if self.world.options.clear_on_success and not self.world.calm:
                    self.state.empty("clear_on_success")
                return value
            for_good = self.error is not None and seam.ends_for_good(self.error)
            if for_good or self.try_number > self.max_tries:
                return None
            self.world.now += self.retry_delay

    def _begin(self) -> WorkerStore:
        chances = self.world.random(f"worker {self.name}")
        dies = self.world.chance("death", self.world.options.death)
        how = chances.choice(("step", "write", "post-before", "post-after")) if dies else ""
        store = WorkerStore(self.state, chances.randint(1, 5) if how == "write" else 0, chances.random() < 0.5)
        attempt = Try(self.try_number, "", KEY, 0.0, store)
        attempt.dies_at_step = int(chances.expovariate(1 / 25)) + 1 if how == "step" else 0
        attempt.dies_at_post = how[5:] if how.startswith("post") else ""
        self.process = Process(self.world, self.network, self.name, self.state, chances, attempt)
        self.process.longest = LONGEST_TRY
        return store

    def carry_out(self, endpoint: Endpoint, work: Any) -> Any:
        """Carry a call or a flow out in this process, letting time pass.

        :param endpoint: where and as whom.
        :param work: the call or flow.
        """
        assert self.process is not None
        steps = self.process.drive(seam.steps(endpoint, work))
        while True:
            try:
                self.world.now += next(steps)
            except StopIteration as end:
                return end.value


@dataclass
class BatchRun:
    """One run with batches, and what came of it."""

    world: World
    server: Server
    plan: BatchPlan
    submit: BatchTask
    persist: BatchTask
    findings: list[Finding] = field(default_factory=list)
    limits: Counter[str] = field(default_factory=Counter)
    clears: list[float] = field(default_factory=list)
    kept: list[tuple[str, str, list[str]]] | None = None
    cap_off_at: float | None = None

    def play(self) -> None:
        """Submit the lists one after another, then once more when all is calm."""
        for number, rows in enumerate(self.plan.lists):
            if number:
                self._clear()
            batch_id = self._submit(rows)
            if batch_id and self.plan.cancels[number]:
                self._cancel(batch_id)
            if batch_id and self.plan.persists[number]:
                self._keep(batch_id)
            self.world.now += self.plan.gaps[number]
        self.world.now = max(self.world.now, self.world.now - self.world.age + self.world.options.faults_end + 1)
        self._calm()

    def _calm(self) -> None:
        """What a person does at last: clear both until the last list is kept."""
        for _ in range(5):
            self.world.now += 900.0
            self.kept = None
            self._clear()
            batch_id = self._submit(self.plan.lists[-1])
            if batch_id is None and self.submit.error and seam.is_cost_limit(self.submit.error):
                self.cap_off_at = self.world.now
            if batch_id and self._keep(batch_id):
                return

    def _clear(self) -> None:
        self.clears.append(self.world.now)
        self.submit.clear()
        self.persist.clear()

    def _submit(self, rows: tuple[Row, ...]) -> str | None:
        last: list[Submit] = []

        def one_try(store: WorkerStore) -> str:
            cap = None if self.cap_off_at is not None else self.plan.cap
            numbers = {"try_number": self.submit.try_number, "max_tries": self.submit.max_tries}
            last.append(Submit(self.plan, rows, cap, store, key=KEY, **numbers))
            batch_id: str = self.submit.carry_out(last[-1].endpoint, last[-1].execute())
            return batch_id

        def after() -> None:
            from tests.model.batch_checks import billed

            if last:
                billed(self, last[-1].billed())

        found: str | None = self.submit.until_end(one_try, after)
        return found

    def _cancel(self, batch_id: str) -> None:
        self.server.work()
        batch = self.server.batches.all[batch_id]
        self.server.batches.cancel(batch)

    def _keep(self, batch_id: str) -> bool:
        def one_try(store: WorkerStore) -> list[tuple[str, str, list[str]]]:
            with in_virtual_time(self.persist.carry_out, lambda: self.world.now, self._rest):
                return Persist(batch_id, store, KEY).execute()

        self.kept = self.persist.until_end(one_try)
        return self.kept is not None

    def _rest(self, seconds: float) -> None:
        self.world.now += max(seconds, 0.001)
        if self.world.age > 2_000_000:
            raise Hung("persist rests for ever")


def play(seed: int, **fixed: Any) -> BatchRun:
    """Play one run with batches to its end, and check it.

    :param seed: its seed.
    :param fixed: options that are set by hand.
    """
    from tests.model.batch_checks import check

    options, plan = drawn(seed, **fixed)
    random.seed(seed)
    world = World(options)
    server = Server(world)
    network = Network(world, server)
    tasks = [BatchTask(world, network, name, plan.retries, plan.retry_delay) for name in ("submit", "persist")]
    run = BatchRun(world, server, plan, *tasks)
    try:
        run.play()
    except Hung as hung:
        run.findings.append(Finding("hangs", str(hung)))
        return run
    server.work()
    check(run)
    return run


__all__ = ["BatchRun", "play", "told"]
