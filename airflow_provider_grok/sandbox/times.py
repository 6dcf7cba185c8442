"""Times as the gallery shows them."""

from __future__ import annotations

from datetime import datetime, timezone


def spell(moment: float | None) -> str | None:
    """Return a time to read, in UTC.

    :param moment: unix seconds.
    """
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
