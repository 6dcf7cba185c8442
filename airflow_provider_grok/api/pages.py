"""Lists of the Batch API, which come a page at a time, read to their end (docs.x.ai, Batch API)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from airflow_provider_grok.api.call import Call, Flow


class Page(Protocol):
    """A page; the last one has no token."""

    @property
    def pagination_token(self) -> str | None:
        """Leads to the next page."""


P = TypeVar("P", bound=Page)
T = TypeVar("T")


def whole(
    ask: Callable[[str | None], Call[P]], entries: Callable[[P], Iterable[T]], key: Callable[[T], str]
) -> Flow[list[T]]:
    """Read a list page by page; an entry that comes twice is kept once.

    :param ask: gives the call for a page, by the token of the page before.
    :param entries: the entries of a page.
    :param key: what tells two entries apart.
    """
    found: dict[str, T] = {}
    token: str | None = None
    while True:
        page = yield from ask(token)
        fresh = {key(one): one for one in entries(page) if key(one) not in found}
        found |= fresh
        token = page.pagination_token
        # A server that repeats itself must not keep us for ever.
        if not fresh or not token:
            return list(found.values())
