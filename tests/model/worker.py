"""Workers, triggers and people: each task instance is tried, dies, is retried and cleared as in Airflow."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from airflow_provider_grok.api import errors
from airflow_provider_grok.api.call import BlockingCall, Call, Now, Sleep
from tests.model import task as seam
from tests.model.network import Network
from tests.model.options import TaskPlan
from tests.model.store import Killed, StoredState, WorkerStore
from tests.model.task import Deferral, Delivery, Task
from tests.model.world import Hung, World

#: More steps, or more seconds, than one try may take.
MOST_STEPS, LONGEST_TRY = 6000, 30_000.0
KEYS = {
    "one": ("xai-key-of-team-one",),
    "rotated": ("xai-key-of-team-one", "xai-new-key-of-team-one"),
    "foreign": ("xai-key-of-team-one", "xai-key-of-team-two"),
    "blocked": ("xai-key-of-team-one", "xai-wrong-key"),
}


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
    """One process of one try: who it is, and when it is to die."""

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

    # -- the life of a task instance ------------------------------------------------------------------------------------

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

    # -- one try --------------------------------------------------------------------------------------------------------

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
        attempt.started = self.world.now
        self.tries.append(attempt)
        return attempt

    def _process(
        self, attempt: Try, deferral: Deferral | None, error: errors.GrokError | None
    ) -> Generator[float, None, End | Deferral]:
        """One process of a worker, from its start to its end, whatever that is."""
        try:
            flow = self._flow(attempt, deferral, error)
            yield from self._rest(attempt)
            result = yield from self._drive(flow, attempt)
        except Killed:
            self.world.note(self.plan.name, "worker is dead")
            return self._note_end(attempt, End(died=True))
        except Hung:
            raise
        except Exception as failure:
            self.world.note(self.plan.name, f"fails: {type(failure).__name__}: {failure}")
            return self._note_end(attempt, End(error=failure))
        if isinstance(result, Deferral):
            self.world.note(self.plan.name, f"defers, waiting for {result.job.id or 'its result'}")
            return result
        self.world.note(self.plan.name, f"returns {', '.join(result.file_ids)}")
        self.delivered.append((self.world.now, attempt.prompt, result.file_ids))
        return self._note_end(attempt, End(delivery=result))

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
        )
        work = task.execute() if deferral is None else task.resume(deferral, error)
        return seam.steps(task.endpoint, work)

    def _note_end(self, attempt: Try, end: End) -> End:
        for_good = end.error is not None and seam.ends_for_good(end.error)
        billed = attempt.task.billed() if attempt.task and not end.died else None
        self.ended.append(Ended(self.world.now, attempt, end, for_good, billed))
        return end

    # -- steps of a flow --------------------------------------------------------------------------------------------------

    def _drive(self, flow: Generator[Any, Any, Any], attempt: Try) -> Generator[float, None, Any]:
        """Carry the real flow out, step by step, unless its worker dies before."""
        value: Any = None
        error: Exception | None = None
        started, count = self.world.now, 0
        try:
            while True:
                try:
                    step = flow.throw(error) if error is not None else flow.send(value)
                except StopIteration as end:
                    return end.value
                value, error, count = None, None, count + 1
                if count > MOST_STEPS or self.world.now - started > LONGEST_TRY:
                    raise Hung(f"{self.plan.name}: {count} steps, {self.world.now - started:.0f} s in one try")
                if count == attempt.dies_at_step:
                    self.world.note(self.plan.name, f"dies at step {count}, {step!r:.60}")
                    raise Killed
                try:
                    value = yield from self._step(step, attempt)
                except (Killed, Hung):
                    raise
                except Exception as failure:
                    error = failure
        finally:
            flow.close()

    def _step(self, step: Any, attempt: Try) -> Generator[float, None, Any]:
        if isinstance(step, Sleep):
            yield max(step.seconds, 0.001)
            return None
        if isinstance(step, Now):
            return self.world.now + attempt.skew
        if isinstance(step, BlockingCall):
            value = step.action()
            yield from self._rest(attempt)
            self._mark_recorded()
            return value
        return (yield from self._call(step, attempt))

    def _rest(self, attempt: Try) -> Generator[float, None, None]:
        took, attempt.store.took = attempt.store.took, 0.0
        if took:
            yield took

    def _call(self, call: Call[Any], attempt: Try) -> Generator[float, None, Any]:
        if call.paid:
            if attempt.dies_at_post == "before":
                self.world.note(self.plan.name, "dies before it sends")
                raise Killed
            if attempt.freezes and not attempt.frozen:
                yield from self._freeze(call, attempt)
        answer = yield from self.network.send(call, attempt.key, self.plan.name, attempt.number, attempt.frozen)
        if call.paid and attempt.dies_at_post == "after":
            self.world.note(self.plan.name, "dies before it reads the answer")
            for sent in self.network.attempts:
                if sent.try_id == attempt.number:
                    sent.told = False
            raise Killed
        return answer

    def _freeze(self, call: Call[Any], attempt: Try) -> Generator[float, None, None]:
        """The worker stands still before it sends; it is given up, and sends all the same when it thaws."""
        thaws = self.random.choice((100.0, 400.0, 1500.0))
        self.world.note(self.plan.name, f"freezes for {thaws:.0f} s before it sends, and is given up")
        self.world.start(self._thaw(call, attempt), thaws)
        yield 0.001
        raise Killed

    def _thaw(self, call: Call[Any], attempt: Try) -> Generator[float, None, None]:
        attempt.frozen, attempt.store.given_up = True, True
        self.world.note(self.plan.name, "thaws")
        try:
            yield from self.network.send(call, attempt.key, self.plan.name, attempt.number, frozen=True)
        except errors.GrokError:
            return

    def _mark_recorded(self) -> None:
        text: str | None = None
        for sent in self.network.attempts:
            if sent.job is not None and not sent.recorded and sent.sender == self.plan.name:
                text = self.state.text if text is None else text
                sent.recorded = f'"{sent.job.id}"' in text

    # -- the triggerer ----------------------------------------------------------------------------------------------------

    def _trigger(self, deferral: Deferral, attempt: Try) -> Generator[float, None, errors.GrokError | None]:
        """Wait without a worker; the trigger's process does not die, for another triggerer takes it up."""
        yield 6.0
        watcher = Try(attempt.number, attempt.prompt, attempt.key, attempt.skew, attempt.store)
        try:
            yield from self._drive(seam.steps(attempt.task.endpoint, deferral.wait), watcher)  # type: ignore[union-attr]
        except errors.GrokError as error:
            self.world.note(self.plan.name, f"trigger: {type(error).__name__}: {error}")
            return error
        return None
