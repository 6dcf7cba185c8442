"""The pages' templates: Jinja2 with autoescape, and how moments, amounts and durations are written."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from airflow_provider_grok.ui.receipts import TICKS_PER_USD


@cache
def environment() -> Environment:
    """The templates."""
    loader = PackageLoader("airflow_provider_grok.ui")
    found = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    found.filters.update(usd=usd, day=day, duration=duration)
    return found


def render(template: str, **values: Any) -> str:
    """A page, every value in it escaped.

    :param template: file name in `templates/`.
    :param values: what it shows.
    """
    return environment().get_template(template).render(**values)


def usd(ticks: int) -> str:
    """An amount in US dollars, with as many places as a picture's price needs; nothing is a plain 0.

    :param ticks: 1 USD = 1e10.
    """
    return "0" if not ticks else f"{ticks / TICKS_PER_USD:,.4f} USD"


def day(seconds: float | None) -> str:
    """A moment in UTC, to the minute; a dash for none.

    :param seconds: unix seconds.
    """
    if not seconds:
        return "-"
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def duration(seconds: float | None) -> str:
    """A duration in words; a dash for none.

    :param seconds: how long.
    """
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
