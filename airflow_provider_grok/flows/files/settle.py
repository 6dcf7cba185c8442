"""Files that were stored just now: a 404 for one is asked again for a minute before it is believed."""

from __future__ import annotations

from typing import TypeVar

from airflow_provider_grok.api import errors, files
from airflow_provider_grok.api.call import Call, Flow, Now, Sleep

T = TypeVar("T")

#: Seconds for which a 404 of a stored file may pass.
SETTLING = 60.0
#: The first and the longest pause between two tries, in seconds.
_FIRST, _LONGEST = 0.5, 5.0


def settled(call: Call[T], until: float | None = None) -> Flow[T]:
    """Make a call about a stored file, again and again while the file is not found.

    :param call: the call, which costs nothing.
    :param until: unix seconds after which a 404 is believed; None: a minute from now. One moment for many files
        keeps a list of files that are gone from taking a minute each.
    :raises NotFound: when the file is still not there.
    """
    pause = _FIRST
    while True:
        try:
            return (yield from call)
        except errors.NotFound:
            now: float = yield Now()
            until = now + SETTLING if until is None else until
            if now >= until:
                raise
            yield Sleep(min(pause, until - now))
            pause = min(pause * 2, _LONGEST)


def wait_for_file(file_id: str, until: float | None = None) -> Flow[files.File]:
    """Wait until a file that was just stored can be used, for instance as a source of a request that was refused.

    :param file_id: the file.
    :param until: unix seconds after which a 404 is believed; None: a minute from now.
    :raises NotFound: when the file is still not there.
    """
    return (yield from settled(files.get(file_id), until))
