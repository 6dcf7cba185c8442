"""Downloads: following the links of results, to trusted hosts only and without the key."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from airflow_provider_grok.api import errors
from airflow_provider_grok.api.call import Call, Flow

if TYPE_CHECKING:
    from airflow_provider_grok.api.answer import Answer
    from airflow_provider_grok.api.endpoint import Endpoint

#: The largest file that is fetched, in bytes: what the API stores at the most.
FETCH_LIMIT = 512 * 2**20
#: How many redirects of a result's link are followed.
REDIRECTS = 5
_MOVED = frozenset({301, 302, 303, 307, 308})
_DEAD = frozenset({401, 403, 410})


@dataclass(frozen=True)
class Fetched:
    """What was streamed to disk.

    :param length: bytes.
    :param sha256: their digest, in hex.
    :param content_type: media type that the server named.
    """

    length: int
    sha256: str
    content_type: str


def fetched(answer: Answer) -> Fetched:
    """Say what an answer brought that was streamed to disk.

    :param answer: the answer.
    """
    return Fetched(answer.length, answer.sha256, answer.content_type)


def fetch(endpoint: Endpoint, url: str, into: Path, *, limit: int = FETCH_LIMIT) -> Flow[Fetched]:
    """Stream what a result's link leads to, without the key, following redirects between trusted hosts by hand.

    :param endpoint: says which hosts are trusted.
    :param url: the link.
    :param into: path to write to.
    :param limit: largest size that is taken, in bytes.
    :raises InvalidRequest: for a link, or a redirect, to a host that is not trusted, or to no end.
    :raises NotFound: for a link that has died.
    """
    for _ in range(REDIRECTS + 1):
        _check_host(endpoint, url)
        read = partial(_fetched_or_moved, url)
        got = yield from Call("GET", url, read, into=into, limit=limit, anonymous=True, accept=_MOVED | _DEAD)
        if isinstance(got, Fetched):
            return got
        url = got
    raise errors.InvalidRequest(f"A result's link was redirected more than {REDIRECTS} times, last to {_host(url)!r}.")


def _fetched_or_moved(url: str, answer: Answer) -> Fetched | str:
    if answer.status in _DEAD:
        # Storage services answer 403, not 404, for a signed link that has run out.
        said = f"the link is dead, answered with {answer.status}"
        raise errors.NotFound(answer.method, answer.path, answer.status, message=said, request_id=answer.request_id)
    if answer.status in _MOVED:
        return _joined(url, answer.headers.get("location", ""))
    return fetched(answer)


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        return location


def _check_host(endpoint: Endpoint, url: str) -> None:
    if not endpoint.trusts(url):
        raise errors.InvalidRequest(
            f"Results are not fetched from {_host(url)!r}: only over https from *.x.ai and the connection's own host. "
            "If that host is yours, add it to `download_hosts` in the connection's extras."
        )


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname or ''}"
    except ValueError:
        # Whatever else it holds, user, password and signature stay out of logs.
        return "a malformed URL"
