"""Task instances and people: each is tried, dies, is deferred, retried and cleared as in Airflow."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from airflow_provider_grok.api import errors
from tests.model import task as seam
from tests.model.network import Network
from tests.model.options import TaskPlan
from tests.model.store import Killed, StoredState, WorkerStore
from tests.model.task import Deferral, Delivery, Task
from tests.model.worker import End, Process, Try
from tests.model.world import Hung, World

#: Seconds before a person clears a task that has failed in calm times: a job may still run.
CALM_PAUSE = 900.0
#: The keys that a connection may have, by `Options.keys`; the first one is the right one.
KEYS = {
    "one": ("xai-key-of-team-one",),
    "rotated": ("xai-key-of-team-one", "xai-new-key-of-team-one"),
    "foreign": ("xai-key-of-team-one", "xai-key-of-team-two"),
    "blocked": ("xai-key-of-team-one", "xai-wrong-key"),
}


@dataclass(frozen=True)
class Ended:
    """A try as checkers see it."""

    at: float
    attempt: Try
    end: End
    for_good: bool
    billed: dict[str, Any] | None


class TaskInstance:
    """One task instance over all its tries.

    :param world: time and chances.
    :param network: the way to the server.
    :param plan: what it is to do.
    """

    _processes = 0

    def __init__(self, world: World, network: Network, plan: TaskPlan) -> None:
        self.world, self.network, self.plan = world, network, plan
        self.state = StoredState(world, plan.name)
        self.random = world.random(f"worker {plan.name}")
        self.tries: list[Try] = []
        self.ended: list[Ended] = []
        self.clears: list[tuple[float, bool]] = []
        self.delivered: list[tuple[float, str, tuple[str, ...]]] = []
        self.deleted: list[tuple[float, str]] = []
        self.try_number, self.max_tries = 0, plan.retries
        self.cap_off_at: float | None = None
        self.final: End | None = None
        #: Tries that left the search for a lost answer to the next one or to a trigger, and how long they stayed.
        self.searches: list[tuple[Try, float]] = []

    # -- the life of a task instance ----------------------------------------------------------------------------------

    def life(self) -> Generator[float, None, None]:
        """All that happens to it: its tries, what people do, and a last chance when all is calm."""
        yield from self._until_end()
        for gap in self.plan.clears:
            yield gap
            self._clear()
            yield from self._until_end()
        if not self.world.calm:
            yield self.world.options.faults_end - self.world.age + 1.0
        for _ in range(4):
            if self.final and self.final.delivery and self.delivered[-1][1] == self.plan.prompts[-1]:
                return
            if self.final and self.final.error and seam.is_cost_limit(self.final.error):
                self.cap_off_at = self.world.now
            yield CALM_PAUSE
            self._clear()
            yield from self._until_end()

    def _clear(self) -> None:
        """What a person does with a task that has ended."""
        succeeded = bool(self.final and self.final.delivery)
        if self.world.chance("delete", self.world.options.deletes):
            self._delete()
        if self.world.chance("empty", self.world.options.emptied):
            # A run that is deleted and made again is another first try.
            self.state.empty("the run was deleted and made again")
            self.try_number, self.max_tries = 0, self.plan.retries
        else:
            self.max_tries = self.try_number + self.plan.retries
        self.clears.append((self.world.now, succeeded))
        self.world.note(self.plan.name, f"is cleared; max_tries={self.max_tries}")

    def _delete(self) -> None:
        for file_id in self.delivered[-1][2] if self.delivered else ():
            file = self.network.server.files.stored[file_id]
            if file.deleted is None:
                file.deleted = self.world.now
                self.deleted.append((self.world.now, file_id))
                self.world.note("a person", f"deletes {file_id}")

    def _until_end(self) -> Generator[float, None, None]:
        while True:
            self.try_number += 1
            end = yield from self._try()
            self.final = end
            if end.delivery:
                if self.world.options.clear_on_success and not self.world.calm:
                    self.state.empty("clear_on_success")
                return
            for_good = end.error is not None and seam.ends_for_good(end.error)
            if for_good or self.try_number > self.max_tries:
                self.world.note(self.plan.name, f"has failed{' for good' if for_good else ''}")
                return
            yield self.plan.retry_delay

    # -- one try ------------------------------------------------------------------------------------------------------

    def _try(self) -> Generator[float, None, End]:
        attempt = self._new_try()
        self.world.note(self.plan.name, f"try {self.try_number} of {self.max_tries + 1} asks for {attempt.prompt}")
        end: End | Deferral = yield from self._process(attempt, None, None)
        while isinstance(end, Deferral):
            error = yield from self._trigger(end, attempt)
            attempt = self._new_try(attempt)
            end = yield from self._process(attempt, end, error)
        return end

    def _new_try(self, before: Try | None = None) -> Try:
        options, random = self.world.options, self.random
        TaskInstance._processes += 1
        count = len([one for one in self.tries if one.store is not None])
        prompts = self.plan.prompts
        dies = self.world.chance("death", options.death)
        how = random.choice(("step", "write", "write", "post-before", "post-after", "post-after")) if dies else ""
        keys = KEYS["one"] if self.world.calm else KEYS[options.keys]
        if before is None:
            prompt = prompts[-1] if self.world.calm else prompts[min(count, len(prompts) - 1)]
            key = keys[0] if count == 0 or options.keys == "one" else random.choice(keys)
        else:
            prompt, key = before.prompt, before.key
        skew = random.choice((0.0, options.skew, -options.skew)) if options.skews_differ else options.skew
        store = WorkerStore(self.state, random.randint(1, 5) if how == "write" else 0, random.random() < 0.5)
        attempt = Try(TaskInstance._processes, prompt, key, 0.0 if self.world.calm else skew, store)
        attempt.dies_at_step = int(random.expovariate(1 / 15)) + 1 if how == "step" else 0
        attempt.dies_at_post = how[5:] if how.startswith("post") else ""
        attempt.freezes = self.world.chance("freeze", options.freeze)
        attempt.started = self.world.now if before is None else before.started
        attempt.began = self.world.now
        self.tries.append(attempt)
        return attempt

    def _process(
        self, attempt: Try, deferral: Deferral | None, error: errors.GrokError | None
    ) -> Generator[float, None, End | Deferral]:
        """One process of a worker, from its start to its end, whatever that is."""
        process = self._process_of(attempt)
        try:
            flow = self._flow(attempt, deferral, error)
            yield from process.rest()
            result = yield from process.drive(flow)
        except Killed:
            self.world.note(self.plan.name, "worker is dead")
            return self._note_end(attempt, End(died=True))
        except Hung:
            raise
        except Exception as failure:
            self.world.note(self.plan.name, f"fails: {type(failure).__name__}: {failure}")
            if seam.is_recovery_pending(failure):
                self.searches.append((attempt, self.world.now - process.started))
            return self._note_end(attempt, End(error=failure))
        if isinstance(result, Deferral):
            if not result.job_id:
                self.searches.append((attempt, self.world.now - process.started))
            self.world.note(self.plan.name, f"defers, waiting for {result.job_id or 'its result'}")
            return result
        self.world.note(self.plan.name, f"returns {', '.join(result.file_ids)}")
        self.delivered.append((self.world.now, attempt.prompt, result.file_ids))
        return self._note_end(attempt, End(delivery=result))

    def _process_of(self, attempt: Try) -> Process:
        return Process(self.world, self.network, self.plan.name, self.state, self.random, attempt)

    def _flow(
        self, attempt: Try, deferral: Deferral | None, error: errors.GrokError | None
    ) -> Generator[Any, Any, Deferral | Delivery]:
        cap = None if self.cap_off_at is not None else self.plan.cap
        attempt.task = task = Task(
            self.plan,
            attempt.prompt,
            None if cap is None else cap * seam.price(self.plan) / 1e10,
            attempt.store,
            key=attempt.key,
            try_number=self.try_number,
            max_tries=self.max_tries,
            recovery_wait=self.world.options.recovery_wait,
            cleared_on_success=self.world.options.clear_on_success,
        )
        work = task.execute() if deferral is None else task.resume(deferral, error)
        return seam.steps(task.endpoint, work)

    def _note_end(self, attempt: Try, end: End) -> End:
        for_good = end.error is not None and seam.ends_for_good(end.error)
        billed = attempt.task.billed() if attempt.task and not end.died else None
        self.ended.append(Ended(self.world.now, attempt, end, for_good, billed))
        return end

    # -- the triggerer ------------------------------------------------------------------------------------------------

    def _trigger(self, deferral: Deferral, attempt: Try) -> Generator[float, None, errors.GrokError | None]:
        """Wait without a worker; the trigger's process does not die, for another triggerer takes it up."""
        assert attempt.task is not None
        yield 6.0
        watcher = Try(attempt.number, attempt.prompt, attempt.key, attempt.skew, attempt.store)
        try:
            yield from self._process_of(watcher).drive(seam.steps(attempt.task.endpoint, deferral.wait))
        except errors.GrokError as error:
            self.world.note(self.plan.name, f"trigger: {type(error).__name__}: {error}")
            return error
        return None
