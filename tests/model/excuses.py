"""The known limits (design, section 5): why something was bought twice although no rule was broken.

Each limit is granted only where its cause is in the history of the run: what the server did, when its file could be
found, and what the task was shown. Nothing here knows what the client keeps in its records.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.model import task as seam
from tests.model.instance import TaskInstance
from tests.model.listings import Listings, Look, StoredFile
from tests.model.network import Attempt
from tests.model.server import Server

#: Seconds by which a wait may be short: a request takes a moment to get there.
SLACK = 5.0


@dataclass(frozen=True)
class Verdict:
    """Why a second purchase is none too many, or what is wrong with it.

    :param limit: the limit, or the wish of a person, that allows it; empty where nothing does.
    :param wrong: what is wrong.
    """

    limit: str = ""
    wrong: str = ""


@dataclass(frozen=True)
class Pair:
    """An earlier and a later purchase of the same thing.

    :param buyer: the task instance of the later one.
    :param first: the earlier purchase.
    :param again: the later one.
    """

    server: Server
    buyer: TaskInstance
    first: Attempt
    again: Attempt

    def verdict(self) -> Verdict:
        """Whether the later purchase is allowed."""
        for rule in (self._wanted_anew, self._ended, self._frozen, self._cut, self._not_stored):
            if limit := rule():
                return Verdict(limit)
        if self.first.sender != self.again.sender:
            return self._race()
        if self.first.team != self.again.team:
            return self._other_team()
        return self._evidence()

    # -- wishes of people ---------------------------------------------------------------------------------------------

    def _wanted_anew(self) -> str:
        """With `attempt` a person who clears the finished task wants it anew."""
        job = self.first.job
        if self.buyer.plan.reuse != "attempt" or job is None:
            return ""
        known = self.first.recorded or self.first.told or self._was_shown(0.0)
        for at, succeeded in self.buyer.clears:
            if self.first.sent < at <= self.again.sent and (succeeded or (known and job.ends <= at)):
                return "wanted anew"
        return ""

    def _ended(self) -> str:
        """Its files were deleted, or end too soon to be taken."""
        life, now = self.buyer.plan.life, self.again.sent
        taken = self.buyer.plan.reuse == "always" or self._delivered
        for file in self._files:
            if file.deleted is not None and file.deleted <= now:
                return "files were deleted"
            if file.expires_at is not None and file.expires_at <= now:
                return "files ended"
            if (
                taken
                and file.expires_at is not None
                and (life is None or file.expires_at - now < max(life / 2, 3600) + SLACK)
            ):
                return "files ended"
        return ""

    # -- limits -------------------------------------------------------------------------------------------------------

    def _frozen(self) -> str:
        return "a frozen worker thawed" if self.first.frozen or self.again.frozen else ""

    def _cut(self) -> str:
        return "the server cuts names before the key" if self.server.options.cut_key else ""

    def _not_stored(self) -> str:
        job = self.first.job
        if job is None or not job.not_stored:
            return ""
        lost = not self.first.recorded or self._stands_not or self.first.key != self.again.key
        return "not stored, and the answer lost" if lost else ""

    def _race(self) -> Verdict:
        look = self._last_look()
        if look is None:
            return Verdict(wrong="bought without a look by key")
        if self._shown_in(look):
            return Verdict(wrong="another task's result was shown, and bought again")
        if not self._visible(look):
            return Verdict("two tasks race under always")
        return self._untrue(look)

    def _other_team(self) -> Verdict:
        if self._stands_not:
            return Verdict("the store was emptied and the account changed")
        return Verdict(wrong=f"bought on {self.again.team}, though {self.first.team} has it")

    def _evidence(self) -> Verdict:
        look = self._last_look()
        if look is None:
            return Verdict(wrong="bought without a look by key")
        if self._was_shown(self._process_started):
            return Verdict(wrong="its result was shown in this try, and bought again")
        if not self._stands_not and self.again.sent < self.first.sent + self._needed - SLACK:
            waited = self.again.sent - self.first.sent
            return Verdict(wrong=f"bought again {waited:.0f} s after the first, before {self._needed:.0f} s were over")
        if self._visible(look):
            return self._untrue(look)
        if self._stands_not:
            return Verdict("the store was emptied while its job still ran")
        if self.first.recorded and self.first.key == self.again.key:
            return Verdict("it appeared later than timeout after a 404")
        return Verdict("it appeared later than recovery_wait after a lost answer")

    def _untrue(self, look: Look) -> Verdict:
        options = self.server.options
        if options.list_drops or options.list_empty or options.list_repeats:
            return Verdict("the last look was answered untruly")
        return Verdict(wrong=f"its result could be found at {look.at - self.first.sent:.0f} s, and was bought again")

    # -- what the history says ----------------------------------------------------------------------------------------

    @property
    def _files(self) -> list[StoredFile]:
        return self.server.stored_files(self.first.job) if self.first.job else []

    @property
    def _delivered(self) -> bool:
        ids = {file.id for file in self._files}
        return any(ids & set(given) and at < self.again.sent for at, _, given in self.buyer.delivered)

    @property
    def _stands_not(self) -> bool:
        """Whether the store lost something since the earlier purchase was begun."""
        return any(self.first.sent - SLACK <= at <= self.again.sent for at in self.buyer.state.lost)

    @property
    def _needed(self) -> float:
        """Seconds after the earlier purchase before which it must not be bought again."""
        task = self.buyer.tries[-1].task
        timeout = task.timeout if task else 0.0
        if self.first.recorded and self.first.key == self.again.key:
            return timeout
        wait = seam.recovery_wait_of(self.buyer.plan.kind, self.server.options.recovery_wait, timeout)
        return min(wait, seam.usual_time_of(self.buyer.plan.kind)) if "429" in self.first.fault else wait

    @property
    def _try_started(self) -> float:
        return next(one.started for one in self.buyer.tries if one.number == self.again.try_id)

    @property
    def _process_started(self) -> float:
        return next(one.began for one in self.buyer.tries if one.number == self.again.try_id)

    def _matches(self, look: Look) -> bool:
        if look.sender != self.again.sender:
            return False
        name = self.first.job.name if self.first.job else ""
        names = [file.name for file in self._files] or [name]
        return all(self._listings.matches(one, look.filter) for one in names)

    @property
    def _listings(self) -> Listings:
        return self.server.files

    def _last_look(self) -> Look | None:
        since, until = self._try_started, self.again.sent
        looks = [look for look in self._listings.looks if since <= look.at <= until and self._matches(look)]
        return looks[-1] if looks else None

    def _shown_in(self, look: Look) -> bool:
        files = self._files
        return bool(files) and all(file.id in look.shown for file in files)

    def _was_shown(self, since: float) -> bool:
        return any(
            self._shown_in(look)
            for look in self._listings.looks
            if look.sender == self.again.sender and since <= look.at <= self.again.sent
        )

    def _visible(self, look: Look) -> bool:
        files = self._files
        return bool(files) and all(file.listed_from <= look.at and file.created <= look.at for file in files)
