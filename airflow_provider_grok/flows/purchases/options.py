"""The terms of a purchase or a file as people write them: lives, ends, links and limits, turned into what is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_grok.api import errors
from airflow_provider_grok.api.prices import TICKS_PER_USD
from airflow_provider_grok.api.storage import LONGEST_LIFE, SHORTEST_LIFE

if TYPE_CHECKING:
    from airflow_provider_grok.api.call import Call
    from airflow_provider_grok.api.jobs import Accepted
    from airflow_provider_grok.flows.purchases.key import Reuse
    from airflow_provider_grok.flows.purchases.result import PurchaseRequest

#: Life of a link where `share=True` names none, in seconds: a week, or the file's.
LINK_LIFE = 7 * 24 * 3600
#: Seconds beyond which a life need not be told exactly.
_CENTURY = 100 * 365 * 24 * 3600
REUSES = ("run", "attempt", "always")


def seconds(name: str, value: Any) -> int | None:
    """Read a duration: timedelta, number of seconds or text of one; None and empty text stay None.

    :param name: the argument's name, for the error.
    :param value: the duration.
    :raises InvalidRequest: for anything else.
    """
    if value is None or value in ("", "None"):
        return None
    if isinstance(value, timedelta):
        return round(value.total_seconds())
    try:
        if isinstance(value, bool):
            raise ValueError
        return round(float(value))
    except (TypeError, ValueError, OverflowError):
        raise errors.InvalidRequest(
            f"{name}={value!r} is no duration. Give a timedelta, a number of seconds, or text of one such as '3600'."
        ) from None


def moment(name: str, value: Any) -> float | None:
    """Read a point in time: aware datetime or ISO text with an offset; None and empty text stay None.

    :param name: the argument's name, for the error.
    :param value: the point in time.
    :raises InvalidRequest: for a naive datetime or text that is no time.
    """
    if value is None or value in ("", "None"):
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
        except ValueError:
            raise errors.InvalidRequest(
                f"{name}={value!r} is no ISO 8601 time. Give one such as '2026-12-24T18:00:00+01:00'."
            ) from None
    if not isinstance(value, datetime):
        raise errors.InvalidRequest(f"{name}={value!r} is no point in time. Give an aware datetime or ISO text.")
    if value.tzinfo is None:
        raise errors.InvalidRequest(
            f"{name}={value.isoformat()} has no time zone, so it could mean many moments. Give an aware datetime, "
            "e.g. pendulum.datetime(2026, 12, 24, tz='UTC')."
        )
    return value.timestamp()


def life(
    expires_after: Any, expires_at: Any, *, usual: int | None = None, what: str = "file", begun: bool = False
) -> int | None:
    """Turn `expires_after` or `expires_at` into seconds from now, checked against the API's bounds.

    :param expires_after: a duration.
    :param expires_at: a point in time instead.
    :param usual: seconds where neither is given; None: no end.
    :param what: file or link, for the error.
    :param begun: the purchase was made by an earlier try: an end that has come near since is no reason to lose it.
    :raises InvalidRequest: for both at once, or a life under 1 hour or over 30 days.
    """
    after, at = seconds("expires_after", expires_after), moment("expires_at", expires_at)
    if after is not None and at is not None:
        raise errors.InvalidRequest(
            f"expires_after={expires_after!r} and expires_at={expires_at!r} were both given. Give one of them."
        )
    if at is not None:
        after = round(at - pendulum.now("UTC").timestamp())
    if after is None:
        return usual
    if begun:
        return min(max(after, SHORTEST_LIFE), LONGEST_LIFE)
    if not SHORTEST_LIFE <= after <= LONGEST_LIFE:
        name = f"expires_at={expires_at!s} ({_words(after)} from now)" if at is not None else f"{_words(after)}"
        raise errors.InvalidRequest(
            f"The {what} would live {name}; the API takes 1 hour to 30 days (3600 to 2592000 s). "
            f"Give a life within that, or none for no end."
        )
    return after


def _words(total: int) -> str:
    if total == 0:
        return "0 seconds (expires_after=0)"
    if abs(total) > _CENTURY:
        return f"more than a century (expires_after={total})"
    words = pendulum.duration(seconds=abs(total)).in_words(locale="en")
    return f"{'-' if total < 0 else ''}{words} (expires_after={total})"


def link_life(share: Any, file_life: int | None, *, begun: bool = False) -> bool | int | None:
    """Turn `share` into what is asked for: None, True (as long as the file) or seconds.

    :param share: False, True, a duration, or text of one of these.
    :param file_life: the file's life in seconds; None: no end.
    :param begun: as for `life`.
    :raises InvalidRequest: for a link under 1 hour, over 30 days, or one that outlives its file.
    """
    if isinstance(share, str) and share.strip().lower() in ("true", "false"):
        share = share.strip().lower() == "true"
    if share is None or share is False or share in ("", "None"):
        return None
    if share is True:
        return True if file_life is not None and file_life <= LINK_LIFE else LINK_LIFE
    asked = life(seconds("share", share), None, what="public link", begun=begun)
    if asked is not None and file_life is not None and asked > file_life:
        if begun:
            return True
        raise errors.InvalidRequest(
            f"share={share!r}: the public link would live {asked} s and its file only {file_life} s. "
            "Shorten the link's life, or lengthen the file's (expires_after)."
        )
    return asked


@dataclass(frozen=True)
class Settings:
    """The connection's extras that are no part of the endpoint.

    :param expires_after: the team's default life of stored files, in seconds; None: no end.
    :param max_cost_usd: default of the operators' `max_cost_usd`.
    :param recovery_wait: seconds to look for the result of a lost answer; None: a minute for pictures, ten for videos.
    """

    expires_after: int | None = None
    max_cost_usd: float | None = None
    recovery_wait: float | None = None


@dataclass(frozen=True)
class PurchaseOptions:
    """How a purchase is to be stored, shared, reused, limited and waited for.

    :param filename: name of the stored file; None: `<dag>.<task>`.
    :param expires_after: its life in seconds; None: no end.
    :param link: its public link: None, True (as long as the file) or seconds.
    :param max_cost: most ticks that the task may spend over all its tries; None: no limit.
    :param reuse: how far an equal request counts as the same purchase.
    :param timeout: seconds from the submission to wait; None: 15 minutes for pictures, 1 hour for videos.
    :param poll_interval: seconds between two polls; None: by the job's age.
    :param recovery_wait: seconds to look for the result of a lost response; None: by the kind of job.
    :param defer_after: seconds that a deferrable task waits on its worker first; None: by the kind of job.
    """

    filename: str | None = None
    expires_after: int | None = None
    link: bool | int | None = None
    max_cost: int | None = None
    reuse: Reuse = "run"
    timeout: int | None = None
    poll_interval: float | None = None
    recovery_wait: float | None = None
    defer_after: float | None = None

    @classmethod
    def of(cls, settings: Settings, *, begun: bool = False, **options: Any) -> PurchaseOptions:
        """Read terms as the operators and `buy` take them; the connection gives the defaults.

        :param settings: the connection's defaults.
        :param begun: whether an earlier try has sent the request, so that it is too late to refuse an end.
        :param options: `filename`, `expires_after`, `expires_at`, `share`, `max_cost_usd`, `reuse`, `timeout`,
            `poll_interval`.
        :raises InvalidRequest: for an option that does not exist, or a value that cannot be.
        """
        known = {"filename", "expires_after", "expires_at", "share", "max_cost_usd", "reuse", "timeout"}
        if unknown := options.keys() - known - {"poll_interval", "defer_after"}:
            raise errors.InvalidRequest(f"{sorted(unknown)} are no options of a purchase: {sorted(known)} are.")
        after, at = options.get("expires_after"), options.get("expires_at")
        file_life = life(after, at, usual=settings.expires_after, begun=begun)
        return cls(
            filename=_name(options.get("filename")),
            expires_after=file_life,
            link=link_life(options.get("share"), file_life, begun=begun),
            max_cost=_ticks(options.get("max_cost_usd"), settings.max_cost_usd),
            reuse=reuse_of(options.get("reuse") or "run"),
            timeout=_timeout(options.get("timeout")),
            poll_interval=_interval(options),
            recovery_wait=settings.recovery_wait,
            defer_after=_defer_after(options.get("defer_after")),
        )

    def request(self, call: Call[Accepted]) -> PurchaseRequest:
        """What is to be bought by a paid call.

        :param call: the paid call.
        """
        from airflow_provider_grok.flows.purchases.result import PurchaseRequest

        return PurchaseRequest(call, self.filename, self.expires_after, self.link, self.max_cost)

    def timeout_of(self, call: Call[Accepted]) -> int:
        """Seconds to wait for a call's job.

        :param call: the paid call.
        """
        from airflow_provider_grok.api.kinds import kind_of

        return self.timeout if self.timeout is not None else kind_of(call.path).timeout

    def recovery_wait_of(self, call: Call[Accepted]) -> float:
        """Seconds to look for the result of a lost response.

        :param call: the paid call.
        :raises InvalidRequest: for a wait, set in the connection, that is longer than the job itself is waited for.
        """
        from airflow_provider_grok.api.kinds import kind_of

        timeout = self.timeout_of(call)
        if self.recovery_wait is None:
            return min(kind_of(call.path).recovery_wait, timeout)
        if self.recovery_wait > timeout:
            raise errors.InvalidRequest(
                f"The connection's extra recovery_wait={self.recovery_wait:g} s is longer than timeout={timeout} s: a "
                "lost picture would be looked for longer than it is waited for. Shorten recovery_wait, or give a "
                "longer timeout. Nothing was sent."
            )
        return self.recovery_wait


def _name(value: Any) -> str | None:
    return None if value in (None, "", "None") else str(value)


def _timeout(value: Any) -> int | None:
    asked = seconds("timeout", value)
    if asked is not None and asked <= 0:
        raise errors.InvalidRequest(
            f"timeout={value!r} leaves no time to wait for what would be paid for. Give a time above 0 s."
        )
    return asked


def _defer_after(value: Any) -> int | None:
    asked = seconds("defer_after", value)
    if asked is not None and asked < 0:
        raise errors.InvalidRequest(f"defer_after={value!r} is no time. Give 0 s or more.")
    return asked


def _interval(options: Mapping[str, Any]) -> float | None:
    value = options.get("poll_interval")
    if value in (None, "", "None"):
        return None
    try:
        interval = float(value)
    except (TypeError, ValueError, OverflowError):
        interval = 0.0
    if interval <= 0:
        raise errors.InvalidRequest(f"poll_interval={value!r} is no number of seconds above 0.")
    return interval


def _ticks(asked: Any, usual: float | None) -> int | None:
    value = usual if asked in (None, "", "None") else asked
    if value is None:
        return None
    try:
        limit = round(float(value) * TICKS_PER_USD)
    except (TypeError, ValueError, OverflowError):
        limit = -1
    if limit <= 0:
        raise errors.InvalidRequest(
            f"max_cost_usd={value!r} is no amount of US dollars above 0, such as 2.50. Leave it out for no limit."
        )
    return limit


def reuse_of(value: Any) -> Reuse:
    """Read `reuse`.

    :param value: run, attempt or always.
    :raises InvalidRequest: for anything else.
    """
    if value not in REUSES:
        raise errors.InvalidRequest(f"reuse={value!r} is none of 'run', 'attempt' and 'always'.")
    chosen: Reuse = value
    return chosen
