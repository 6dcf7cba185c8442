"""The ledger of a task instance: what was tried, what it may have cost, and, from evidence, the next step.

Values and pure functions: no request, no clock, no store. A task instance has one `PurchaseRecord` for each
idempotency key; a record has one `Attempt` for each time that its request was sent:

    intended -> unknown | refused | submitted(job) -> done | failed(billed?)

`decide` is the one place that says whether money is spent. The first row that fits holds:

| the record says          | just observed                                 | next step                             |
|--------------------------|-----------------------------------------------|---------------------------------------|
| another account's        | nothing of it can be seen from here           | Stop: told in words, nothing is bought|
| finished (result)        | its files were not asked for yet              | CheckFiles                            |
| finished (result)        | all files live                                | UseResult                             |
| finished (result)        | a file was a 404 for less than a minute       | Wait, then CheckFiles                 |
| a submitted job          | it was not polled yet                         | PollJob                               |
| a submitted job          | pending, done, or failed for good             | Follow                                |
| a submitted job          | a 404, younger than its timeout               | Follow: it is polled on               |
| failed and billed        | moderated; the task was not cleared since     | Follow: a retry does not pay again    |
| any attempt or none      | not looked for by key yet                     | LookByKey                             |
| any attempt or none      | all files were found by key                   | Adopt                                 |
| an unknown outcome       | nothing found, `recovery_wait` is not over    | Wait, then LookByKey                  |
| a submitted job          | nothing found, its timeout is just over       | Wait a little, then LookByKey         |
| none, but a later try    | nothing found, `recovery_wait` is not over    | Wait, then LookByKey                  |
| moderated and billed     | nothing found, the task was not cleared since | Refused: a retry does not pay again   |
| anything else            | a last look found nothing                     | Buy                                   |

A worker does not `Wait` longer than `patience`: then the step is Leave, and the next try or a trigger goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from airflow_provider_grok.api.files import File
    from airflow_provider_grok.api.kinds import Kind

AttemptState = Literal["intended", "unknown", "refused", "submitted", "done", "failed"]

#: Seconds for which a file that was given to us, and is a 404, is asked for again.
SETTLING = 60.0


@dataclass(frozen=True)
class Attempt:
    """One time that a request was sent, or was about to be.

    :param at: unix seconds of the sending, by the worker's clock.
    :param state: how it stands.
    :param estimate: its price in ticks of 1e-10 USD, by our estimate; None where no price is known.
    :param account: fingerprint of the API key that sent it; empty in records of 0.1.0.
    :param job_id: the server's id of the job.
    :param ticks: what it was billed, by the server's own word.
    :param billed: of a failed one: whether it was billed; None where nobody knows.
    :param moderated: whether the content rules took its result.
    :param searched: of an intended or limited one: it was looked for long enough, and left no trace.
    :param limited: it ended with a 429 that was not the API's own.
    """

    at: float
    state: AttemptState = "intended"
    estimate: int | None = None
    account: str = ""
    job_id: str | None = None
    ticks: int | None = None
    billed: bool | None = None
    moderated: bool = False
    searched: bool = False
    limited: bool = False

    @property
    def open(self) -> bool:
        """Whether something may be there, or may still come, that nobody has taken."""
        return self.state in ("intended", "unknown", "submitted")

    @property
    def may_have_cost(self) -> int:
        """Ticks that it may have been billed: the server's word, else the estimate of what may have been done."""
        if self.ticks is not None:
            return self.ticks
        free = self.state == "refused" or (self.state == "failed" and self.billed is False)
        return 0 if free else self.estimate or 0

    @property
    def counts_for_cap(self) -> int:
        """Ticks that count against `max_cost_usd`: none of an attempt that left no trace."""
        return 0 if self.searched else self.may_have_cost

    @property
    def estimated(self) -> bool:
        """Whether `may_have_cost` is not the server's own word."""
        return self.ticks is None and self.state != "refused" and not (self.state == "failed" and self.billed is False)


@dataclass(frozen=True)
class PurchaseRecord:
    """All attempts at one purchase of one task instance.

    :param key: its idempotency key.
    :param kind: image or video.
    :param name: name under which the result is stored.
    :param generation: how often a person asked for it anew.
    :param max_tries: the task's `max_tries` when the record was last written.
    :param attempts: oldest first.
    :param result: what came of it, as it goes into the receipt: files, ticks, estimated.
    :param searching_since: unix seconds since which an empty ledger's purchase is looked for; None: it is not.
    :param result_account: fingerprint of the API key with which the result was seen; empty where it is not known.
    :param passed_over: ids of files that bear the key and are not to be taken: too short-lived, or an earlier result.
    :param spent: ticks that 0.1.0 had noted of earlier purchases of the task.
    """

    key: str
    kind: Kind
    name: str
    generation: int = 0
    max_tries: int = 0
    attempts: tuple[Attempt, ...] = ()
    result: dict[str, Any] | None = None
    searching_since: float | None = None
    passed_over: tuple[str, ...] = ()
    spent: int = 0
    result_account: str = ""

    @property
    def last(self) -> Attempt | None:
        """The latest attempt."""
        return self.attempts[-1] if self.attempts else None

    @property
    def open_attempts(self) -> list[Attempt]:
        """Attempts whose result may be there, or may still come."""
        return [attempt for attempt in self.attempts if attempt.open]

    @property
    def finished(self) -> bool:
        """Whether it has a result with files."""
        return any(row.get("file_id") for row in (self.result or {}).get("files", []))

    @property
    def may_have_cost(self) -> int:
        """Ticks that its attempts may have been billed."""
        return self.spent + sum(attempt.may_have_cost for attempt in self.attempts)

    @property
    def may_have_result(self) -> bool:
        """Whether its latest attempt was sent, and has not come to nothing."""
        return self.last is not None and self.last.state not in ("refused", "failed")

    def with_last(self, **changes: Any) -> PurchaseRecord:
        """The record with its latest attempt changed.

        :param changes: fields of the attempt.
        """
        return replace(self, attempts=(*self.attempts[:-1], replace(self.attempts[-1], **changes)))

    def with_attempt(self, attempt: Attempt) -> PurchaseRecord:
        """The record with one more attempt.

        :param attempt: the attempt.
        """
        return replace(self, attempts=(*self.attempts, attempt), result=None, searching_since=None)

    def after_search(self) -> PurchaseRecord:
        """The record when it has been looked for long enough: attempts that left no trace are taken for unsent."""
        return replace(self, attempts=tuple(_after_search(attempt) for attempt in self.attempts))


def _after_search(attempt: Attempt) -> Attempt:
    traceless = attempt.state == "intended" or (attempt.state == "unknown" and attempt.limited)
    return replace(attempt, searched=True) if traceless else attempt


@dataclass(frozen=True)
class Ledger:
    """All purchases of a task instance.

    :param current: the purchase that its record key holds: the latest one.
    :param others: earlier ones, of other requests or generations.
    """

    current: PurchaseRecord | None = None
    others: tuple[PurchaseRecord, ...] = ()

    @property
    def records(self) -> Sequence[PurchaseRecord]:
        """All records."""
        return [*self.others, self.current] if self.current else list(self.others)

    def find(self, key: str) -> PurchaseRecord | None:
        """The record of a key.

        :param key: the idempotency key.
        """
        return next((record for record in self.records if record.key == key), None)

    def counted_for_cap(self) -> int:
        """Ticks that count against `max_cost_usd`: what may have been billed to this task instance."""
        return sum(r.spent for r in self.records) + sum(one.counts_for_cap for one in self._attempts())

    def billed(self) -> dict[str, Any]:
        """The receipt's `billed`: what this task instance may have been billed, exact where nothing is estimated."""
        from airflow_provider_grok.api.prices import usd

        attempts = list(self._attempts())
        ticks = sum(record.may_have_cost for record in self.records)
        return {
            "cost_in_usd_ticks": ticks,
            "cost_usd": usd(ticks),
            "estimated": any(one.estimated for one in attempts),
            "moderation_ticks": sum(one.may_have_cost for one in attempts if one.moderated),
        }

    def has_begun(self) -> bool:
        """Whether the latest purchase was sent, and has not come to nothing: it is too late to refuse its options."""
        return self.current is not None and self.current.may_have_result

    def has_open(self) -> bool:
        """Whether something that may be paid for is not settled."""
        return any(attempt.open and not attempt.searched for attempt in self._attempts())

    def _attempts(self) -> Iterable[Attempt]:
        return (attempt for record in self.records for attempt in record.attempts)


@dataclass(frozen=True)
class Rules:
    """What a decision goes by; times in seconds.

    :param recovery_wait: how long the result of an unknown outcome is looked for before the request is sent again.
    :param timeout: how long a job is waited for, from its submission.
    :param patience: how long this try may wait for a look by key; infinite where no other try will go on.
    :param later_try: whether a try before this one may have sent the request, though the ledger knows nothing of it.
    :param max_tries: the task's `max_tries`; differs from a record's when a person has cleared the task since.
    :param account: fingerprint of the API key.
    :param usual: within this time such a job has usually ended: a 429 of a gateway is looked for so long.
    :param shortest_look: how long a try looks for an unknown outcome at least: workers' clocks may differ.
    """

    recovery_wait: float
    timeout: float
    patience: float
    later_try: bool = False
    max_tries: int = 0
    account: str = ""
    shortest_look: float = 0.0
    usual: float = 0.0


@dataclass(frozen=True)
class Seen:
    """What this try has observed so far.

    :param now: unix seconds.
    :param began: unix seconds of this try's first look by key; None before it.
    :param found: files found by key, complete and in order; None: not looked, or not all there.
    :param looked: whether the last look by key came back.
    :param looked_at: unix seconds at which that look began: what was stored since then it may not show.
    :param files: what became of the recorded files: unasked, alive, missing (some are a 404).
    :param missing_since: unix seconds since which recorded files are a 404.
    :param job: what the last poll of the job said: unasked, running (or done, or failed for good), again (failed in a
        way that a repeat may better), absent (a 404).
    :param same_team: whether something of this ledger was seen with this key, which proves the team.
    """

    now: float
    began: float | None = None
    found: tuple[File, ...] | None = None
    looked: bool = False
    looked_at: float | None = None
    files: Literal["unasked", "alive", "missing"] = "unasked"
    missing_since: float | None = None
    job: Literal["unasked", "running", "again", "absent"] = "unasked"
    same_team: bool = False


@dataclass(frozen=True)
class CheckFiles:
    """Ask for the recorded files."""


@dataclass(frozen=True)
class UseResult:
    """Take the recorded result."""


@dataclass(frozen=True)
class PollJob:
    """Ask how the submitted job is."""


@dataclass(frozen=True)
class Follow:
    """Go on with the submitted job as it was observed."""


@dataclass(frozen=True)
class LookByKey:
    """List the files whose names bear the key."""


@dataclass(frozen=True)
class Adopt:
    """Take the files that were found by key."""

    files: tuple[File, ...] = field(default=())


@dataclass(frozen=True)
class Wait:
    """Rest, then observe again.

    :param until: unix seconds of the moment at which waiting is over for good.
    """

    until: float


@dataclass(frozen=True)
class Leave:
    """Leave the waiting to the next try or to a trigger.

    :param until: unix seconds of the moment at which waiting is over for good.
    """

    until: float


@dataclass(frozen=True)
class Buy:
    """Send the request."""


@dataclass(frozen=True)
class Stop:
    """End the task in words, and buy nothing: the purchase is another account's.

    :param why: the words.
    """

    why: str


@dataclass(frozen=True)
class Refused:
    """End the task as an earlier try ended: the result was withheld and billed, and a retry does not pay again."""


NextStep: TypeAlias = (
    CheckFiles | UseResult | PollJob | Follow | LookByKey | Adopt | Wait | Leave | Buy | Stop | Refused
)


def decide(record: PurchaseRecord, seen: Seen, rules: Rules) -> NextStep:
    """The next step of a purchase: the table at the head of this file.

    :param record: what is recorded of the purchase.
    :param seen: what this try has observed.
    :param rules: what to go by.
    """
    foreign = _of_another_account(record, rules)
    step = _recorded_result(record, seen) or _submitted_job(record, seen, rules) or _found_by_key(seen)
    if step is None:
        step = _wait_for_unknown(record, seen, rules) or Buy()
    if isinstance(step, Buy) and foreign and not seen.same_team:
        return Stop(_foreign_words(foreign))
    return Refused() if isinstance(step, Buy) and _withheld_and_billed(record, rules) else step


def _withheld_and_billed(record: PurchaseRecord, rules: Rules) -> bool:
    """Whether the last attempt was moderated and billed, and nobody has cleared the task since."""
    last = record.last
    withheld = last is not None and last.state == "failed" and last.moderated and last.may_have_cost > 0
    return withheld and record.max_tries == rules.max_tries


def _recorded_result(record: PurchaseRecord, seen: Seen) -> NextStep | None:
    if not record.finished:
        return None
    if seen.files == "unasked":
        return CheckFiles()
    if seen.files == "alive":
        return UseResult()
    since = seen.now if seen.missing_since is None else seen.missing_since
    return Wait(since + SETTLING) if seen.now < since + SETTLING else None


def _submitted_job(record: PurchaseRecord, seen: Seen, rules: Rules) -> NextStep | None:
    last = record.last
    if record.finished or last is None or not last.job_id or last.state not in ("submitted", "failed"):
        return None
    if last.state == "failed" and record.result is not None:
        # It was done, and nothing of it could be stored.
        return None
    if seen.job == "unasked":
        return PollJob()
    if seen.job == "running":
        return Follow()
    if last.state == "submitted" and seen.job == "absent" and seen.now < last.at + rules.timeout:
        return Follow()
    return None


def _found_by_key(seen: Seen) -> NextStep | None:
    if not seen.looked:
        return LookByKey()
    return Adopt(seen.found) if seen.found else None


def _wait_for_unknown(record: PurchaseRecord, seen: Seen, rules: Rules) -> NextStep | None:
    """Whether what may have been made is to be looked for on; None where the last look was late enough."""
    began = seen.now if seen.began is None else seen.began
    unknown = [one for one in record.open_attempts if not one.searched]
    if unknown:
        # A clock that is behind the one that wrote the record must not make the wait longer than it is.
        sent = max(min(one.at, began) for one in unknown)
        lost = any(one.state != "submitted" for one in unknown)
        proven = seen.same_team or not _of_another_account(record, rules)
        recovery = rules.usual if all(one.limited for one in unknown) else rules.recovery_wait
        wait = min(recovery, rules.timeout) if lost and proven else rules.timeout
        until = max(sent + wait, began + rules.shortest_look)
    elif rules.later_try and not record.attempts:
        since = began if record.searching_since is None else min(record.searching_since, began)
        until = since + min(rules.recovery_wait, rules.timeout)
    else:
        return None
    if (seen.now if seen.looked_at is None else seen.looked_at) >= until:
        return None
    if seen.now >= until:
        # The last look began too early to tell.
        return LookByKey()
    return Wait(until) if seen.now < began + rules.patience else Leave(until)


def _of_another_account(record: PurchaseRecord, rules: Rules) -> Attempt | None:
    """The latest attempt that may hold something, if another API key sent it."""
    if not rules.account:
        return None
    holding = [one for one in record.attempts if one.open or one.state == "done"]
    if record.finished and not holding:
        # Another task's file that was taken: as good as an attempt of ours.
        holding = [Attempt(0.0, "done", account=record.result_account)]
    last = holding[-1] if holding else None
    return last if last and last.account not in ("", rules.account) else None


def _foreign_words(attempt: Attempt) -> str:
    what = f"job {attempt.job_id}" if attempt.job_id else "a request whose outcome is not known"
    return (
        f"This task's purchase ({what}) was made with another API key, and nothing of it can be seen with the "
        "connection's present key, which may belong to another team. Nothing was bought, and the record is left "
        "alone. Give the connection a key of the team that paid, or use another task or run to buy anew."
    )
