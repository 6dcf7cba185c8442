"""A worker's process: carries the real flows out step by step in virtual time, and dies or freezes where it is to."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from random import Random
from typing import Any

from airflow_provider_grok.api import errors
from airflow_provider_grok.api.call import BlockingCall, Call, Now, Sleep
from tests.model.network import Network
from tests.model.store import Killed, StoredState, WorkerStore
from tests.model.task import Delivery, Task
from tests.model.world import Hung, World

#: More steps, or more seconds, than one try may take.
MOST_STEPS, LONGEST_TRY = 6000, 30_000.0


@dataclass(frozen=True)
class End:
    """How a try ended.

    :param error: what it failed with; None where it succeeded or died.
    :param delivery: what it returned.
    :param died: whether its worker died.
    """

    error: Exception | None = None
    delivery: Delivery | None = None
    died: bool = False


@dataclass
class Try:
    """One process of one try: who it is, and when it is to die.

    :param started: unix seconds at which the try started, before any deferral.
    :param began: unix seconds at which this process began.
    """

    number: int
    prompt: str
    key: str
    skew: float
    store: WorkerStore
    task: Task | None = None
    dies_at_step: int = 0
    dies_at_post: str = ""
    freezes: bool = False
    frozen: bool = False
    calls: int = 0
    started: float = 0.0
    began: float = 0.0


class Process:
    """One process that works for a task instance.

    :param world: time and chances.
    :param network: the way to the server.
    :param name: the task instance.
    :param state: its task state store.
    :param random: chances of its worker.
    :param attempt: the try that it carries out.
    """

    def __init__(
        self, world: World, network: Network, name: str, state: StoredState, random: Random, attempt: Try
    ) -> None:
        self.world, self.network, self.name, self.state = world, network, name, state
        self.random, self.attempt = random, attempt
        self.started, self.count, self.longest = world.now, 0, LONGEST_TRY

    def drive(self, flow: Generator[Any, Any, Any]) -> Generator[float, None, Any]:
        """Carry the real flow out, step by step, unless its worker dies before."""
        value: Any = None
        error: Exception | None = None
        try:
            while True:
                try:
                    step = flow.throw(error) if error is not None else flow.send(value)
                except StopIteration as end:
                    return end.value
                value, error = None, None
                self.count += 1
                if self.count > MOST_STEPS or self.world.now - self.started > self.longest:
                    raise Hung(f"{self.name}: {self.count} steps, {self.world.now - self.started:.0f} s in one try")
                if self.count == self.attempt.dies_at_step:
                    self.world.note(self.name, f"dies at step {self.count}, {step!r:.60}")
                    raise Killed
                try:
                    value = yield from self._step(step)
                except (Killed, Hung):
                    raise
                except Exception as failure:
                    error = failure
        finally:
            flow.close()

    def _step(self, step: Any) -> Generator[float, None, Any]:
        if isinstance(step, Sleep):
            yield max(step.seconds, 0.001)
            return None
        if isinstance(step, Now):
            return self.world.now + self.attempt.skew
        if isinstance(step, BlockingCall):
            value = step.action()
            yield from self.rest()
            self._mark_recorded()
            return value
        return (yield from self._call(step))

    def rest(self) -> Generator[float, None, None]:
        took, self.attempt.store.took = self.attempt.store.took, 0.0
        if took:
            yield took

    def _call(self, call: Call[Any]) -> Generator[float, None, Any]:
        if call.paid:
            if self.attempt.dies_at_post == "before":
                self.world.note(self.name, "dies before it sends")
                raise Killed
            if self.attempt.freezes and not self.attempt.frozen:
                yield from self._freeze(call)
        answer = yield from self.network.send(
            call, self.attempt.key, self.name, self.attempt.number, self.attempt.frozen
        )
        if call.paid and self.attempt.dies_at_post == "after":
            self.world.note(self.name, "dies before it reads the answer")
            for sent in self.network.attempts:
                if sent.try_id == self.attempt.number:
                    sent.told = False
            raise Killed
        return answer

    def _freeze(self, call: Call[Any]) -> Generator[float, None, None]:
        """The worker stands still before it sends; it is given up, and sends all the same when it thaws."""
        thaws = self.random.choice((100.0, 400.0, 1500.0))
        self.world.note(self.name, f"freezes for {thaws:.0f} s before it sends, and is given up")
        self.world.start(self._thaw(call), thaws)
        yield 0.001
        raise Killed

    def _thaw(self, call: Call[Any]) -> Generator[float, None, None]:
        self.attempt.frozen, self.attempt.store.given_up = True, True
        self.world.note(self.name, "thaws")
        try:
            yield from self.network.send(call, self.attempt.key, self.name, self.attempt.number, frozen=True)
        except errors.GrokError:
            return

    def _mark_recorded(self) -> None:
        text: str | None = None
        for sent in self.network.attempts:
            if sent.job is not None and not sent.recorded and sent.sender == self.name:
                text = self.state.text if text is None else text
                sent.recorded = f'"{sent.job.id}"' in text
