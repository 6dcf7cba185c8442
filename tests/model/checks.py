"""What must hold after every run, as code of its own: it compares what was billed with what the tasks know."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.model import task as seam
from tests.model.excuses import Pair
from tests.model.instance import KEYS, Ended, TaskInstance
from tests.model.network import TIMEOUT, Attempt
from tests.model.server import Job

if TYPE_CHECKING:
    from tests.model.run import Run


#: A file that ends within so many seconds is as good as gone.
SHORT_LIFE = 3700.0


#: Seconds that a worker may look for a lost answer, with some for the requests themselves.
LONGEST_SEARCH = 60.0 + 15.0


@dataclass(frozen=True)
class Finding:
    """Something that must not be.

    :param what: which rule is broken.
    :param words: by what.
    """

    what: str
    words: str


def check(run: Run) -> None:
    """Check everything; findings and limits are noted in the run.

    :param run: a run that has ended.
    """
    excused = _paid_once(run)
    _paid_on_purpose(run)
    _reachable(run)
    for instance in run.instances:
        _delivered(run, instance)
        _under_cap(run, instance, excused)
        _short_searches(run, instance)
        for ended in instance.ended:
            _not_for_good(run, instance, ended)
            _billed(run, instance, ended)


def _find(run: Run, what: str, words: str) -> None:
    run.findings.append(Finding(what, words))


def _of(run: Run, instance: TaskInstance) -> list[Attempt]:
    return [attempt for attempt in run.network.attempts if attempt.sender == instance.plan.name]


def _made(attempts: list[Attempt]) -> list[Attempt]:
    """Those that made something that was wanted, in the order in which they were charged."""
    made = [attempt for attempt in attempts if attempt.job is not None and attempt.job.has_result]
    return sorted(made, key=lambda attempt: attempt.job.accepted if attempt.job else 0.0)


def _paid_once(run: Run) -> set[int]:
    """At most one charge for each wanted result; returns the numbers of attempts that a limit excuses."""
    groups: dict[tuple[str, ...], list[Attempt]] = defaultdict(list)
    for attempt in _made(run.network.attempts):
        buyer = _instance(run, attempt.sender)
        always = buyer.plan.reuse == "always"
        groups[(attempt.team, attempt.content) if always else (attempt.sender, attempt.content)].append(attempt)
    excused: set[int] = set()
    for group in groups.values():
        for place, again in enumerate(group):
            for first in group[:place]:
                verdict = Pair(run.server, _instance(run, again.sender), first, again).verdict()
                if verdict.limit:
                    run.limits[verdict.limit] += 1
                    excused.add(first.number)
                else:
                    _find(run, "paid twice", f"{_named(first.job)} and {_named(again.job)}: {verdict.wrong}")
    return excused


def _instance(run: Run, name: str) -> TaskInstance:
    return next(one for one in run.instances if one.plan.name == name)


def _named(job: Job | None) -> str:
    return job.id if job else "nothing"


def _paid_on_purpose(run: Run) -> None:
    """A refusal by the content rules that was billed and told is not paid for again by a mere retry."""
    for instance in run.instances:
        moderated = [
            attempt
            for attempt in _of(run, instance)
            if attempt.job and attempt.job.outcome == "moderated" and not attempt.frozen
        ]
        acts = [*(at for at, _ in instance.clears), *instance.state.lost]
        for place, again in enumerate(moderated):
            for first in moderated[:place]:
                told = first.job.end_told if first.job else None
                if told is None or told > again.sent or first.content != again.content or first.key != again.key:
                    continue
                if not any(first.sent <= at <= again.sent for at in acts):
                    _find(run, "moderation paid twice", f"{_named(first.job)} and {_named(again.job)}")


def _reachable(run: Run) -> None:
    """Nothing that was paid for is out of reach: its files are there, or a record leads to its job."""
    for attempt in _made(run.network.attempts):
        job = attempt.job
        assert job is not None
        missing = set(job.not_stored) - job.rescued
        if not missing:
            continue
        if job.id in _instance(run, attempt.sender).state.text:
            continue
        state = _instance(run, attempt.sender).state
        if not attempt.recorded or attempt.frozen or any(at >= attempt.sent for at in state.lost):
            run.limits["not stored, and the answer lost"] += 1
        else:
            _find(run, "lost", f"{job.id}: results {sorted(missing)} are stored nowhere, and no record leads to it")


def _delivered(run: Run, instance: TaskInstance) -> None:
    """Once the server is honest every task ends with what it asked for."""
    files = run.server.files.stored
    for at, content, ids in instance.delivered:
        if len(ids) != instance.plan.count:
            _find(run, "short result", f"{len(ids)} of {instance.plan.count} results were returned")
        for one in ids:
            job = run.server.jobs.get(files[one].job_id) if one in files else None
            if job is None or job.content != content:
                _find(run, "wrong result", f"{one}, which is not {content}, was returned at {at:.0f}")
    final = instance.final
    if final is None or final.delivery is None:
        if run.server.options.keys == "foreign" and any(one.team == "team-2" for one in _of(run, instance)):
            run.limits["its record is another account's"] += 1
            return
        error = final.error if final else None
        if _of_a_lost_key(run, instance, error):
            run.limits["sent with a key that is gone, and left no trace"] += 1
            return
        _find(run, "never ends well", f"{instance.plan.name}: {type(error).__name__}: {error}")
    elif instance.delivered[-1][1] != instance.plan.prompts[-1]:
        _find(run, "wrong result", f"{instance.plan.name} ended with {instance.delivered[-1][1]}")


def _of_a_lost_key(run: Run, instance: TaskInstance, error: Exception | None) -> bool:
    """Whether nothing can tell any more what became of a request that another key was to send."""
    if error is None or not seam.is_foreign_account(error):
        return False
    mine = [job for job in run.server.jobs.values() if job.sender == instance.plan.name and job.key != KEYS["one"][0]]
    mine = [job for job in mine if job.content == instance.plan.prompts[-1] and job.team == "team-1"]
    return not any(file.alive(run.world.now) for job in mine for file in run.server.stored_files(job))


def _under_cap(run: Run, instance: TaskInstance, excused: set[int]) -> None:
    """What a task instance was charged is never over its cap."""
    if instance.plan.cap is None or instance.state.lost:
        return
    cap, spent = instance.plan.cap * seam.price(instance.plan), 0
    for attempt in _of(run, instance):
        if attempt.job is None or attempt.number in excused or attempt.frozen:
            continue
        if instance.cap_off_at is not None and attempt.sent >= instance.cap_off_at:
            return
        if _left_no_trace(run, attempt):
            run.limits["killed, and what was billed left no trace"] += 1
            continue
        spent += attempt.job.ticks
        if spent > cap:
            _find(run, "over the cap", f"{instance.plan.name} was charged {spent} ticks, and its cap is {cap:.0f}")
            return


def _left_no_trace(run: Run, attempt: Attempt) -> bool:
    """Whether the worker was killed over a request of which nothing can ever be found: no id, and no file."""
    job = attempt.job
    return job is not None and not (attempt.fault or attempt.told or attempt.recorded or run.server.stored_files(job))


def _short_searches(run: Run, instance: TaskInstance) -> None:
    """A worker looks for a lost answer for a minute at the most, then leaves it to the next try or to a trigger."""
    options = run.server.options
    slow = options.free_fault or options.rate_limit or options.store_delays or options.outages or options.store_refuses
    for attempt, seconds in instance.searches if not slow else ():
        # Each request that it sends may be lost, and is looked for anew.
        sent = [one for one in run.network.attempts if one.try_id == attempt.number]
        lost = (TIMEOUT + LONGEST_SEARCH) * len(sent)
        # A recorded file that is a 404 is asked for again for a minute before.
        settling = 60.0 if instance.delivered else 0.0
        if seconds > LONGEST_SEARCH + settling + lost:
            _find(run, "holds a worker", f"{instance.plan.name} looked for a lost answer for {seconds:.0f} s")


def _not_for_good(run: Run, instance: TaskInstance, ended: Ended) -> None:
    """No task ends for good while something that it paid for has not come to it."""
    if not ended.for_good:
        return
    if instance.plan.source and "/edits answered 404" in str(ended.end.error):
        if run.server.team_of(ended.attempt.key) == "team-1":
            _find(run, "ended for good", f"for a source that was stored just now: {ended.end.error}")
        return
    for attempt in _made(_of(run, instance)):
        job = attempt.job
        if job is None or attempt.sent >= ended.at or attempt.content != ended.attempt.prompt or attempt.frozen:
            continue
        if not attempt.recorded and job.not_stored:
            # Nothing leads to it any more: a known limit, which `_paid_once` and `_reachable` see.
            continue
        if _excused(run, instance, attempt, ended.at):
            continue
        mine = {file.id for file in run.server.stored_files(job) if file.alive(ended.at + SHORT_LIFE)}
        if not mine and run.server.stored_files(job):
            continue
        if any(at < ended.at and mine & set(ids) for at, _, ids in instance.delivered):
            continue
        if attempt.team != run.server.team_of(ended.attempt.key):
            run.limits["the key is of another account"] += 1
            continue
        options = run.server.options
        if seam.is_cost_limit(ended.end.error or Exception()) and (options.list_drops or options.list_empty):
            run.limits["the last look was answered untruly"] += 1
            continue
        _find(run, "ended for good", f"beside {job.id}: {type(ended.end.error).__name__}: {ended.end.error}")
        return


def _excused(run: Run, instance: TaskInstance, first: Attempt, before: float) -> bool:
    """Whether a purchase was given up, and bought again, by a known limit."""
    later = [one for one in _of(run, instance) if first.sent < one.sent < before and one.content == first.content]
    return any(Pair(run.server, instance, first, again).verdict().limit for again in later)


def _billed(run: Run, instance: TaskInstance, ended: Ended) -> None:
    """What the receipt says was billed is never less than the bill, and equal to it where it says so."""
    if ended.billed is None or any(at <= ended.at for at in instance.state.lost):
        return
    told, estimated = int(ended.billed["cost_in_usd_ticks"]), bool(ended.billed["estimated"])
    jobs = [one.job for one in _of(run, instance) if one.job and one.job.accepted <= ended.at and not one.frozen]
    charged = sum(job.ticks for job in jobs)
    if told < charged or (not estimated and told != charged):
        exact = "an estimate" if estimated else "exact"
        _find(run, "wrong bill", f"billed says {told} ({exact}) at {ended.at:.0f}, and {charged} were charged")
