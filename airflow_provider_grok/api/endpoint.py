"""An endpoint: where the API is, who asks, and which hosts its results may be fetched from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

# What may stand before the path: anything else, such as a user, a backslash or a letter that only looks like one of
# ours, is read in one way by one parser and in another by the next.
_PLAIN_HOST = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(?=[/?#]|\Z)", re.IGNORECASE)

#: Keys of fewer characters are a test server's: to take `key` out of every text would garble it.
SHORTEST_SECRET = 8
DEFAULT_BASE_URL = "https://api.x.ai/v1"


@dataclass(frozen=True)
class Endpoint:
    """Where to ask, as whom, and how hard to try.

    :param base_url: root of the API, with `/v1`.
    :param key: the API key; never shown.
    :param timeout: seconds without a byte after which an answer counts as lost.
    :param max_attempts: how often one call is tried at the most.
    :param max_in_flight: how many requests one event loop has under way at a time.
    :param download_hosts: hosts besides `*.x.ai` and the base URL's own from which results may be fetched.
    """

    base_url: str = DEFAULT_BASE_URL
    key: str = field(default="", repr=False)
    timeout: float = 60.0
    max_attempts: int = 5
    max_in_flight: int = 16
    download_hosts: tuple[str, ...] = ()

    def url(self, path: str) -> str:
        """Make a path absolute; a full URL stays what it is."""
        return path if "://" in path else self.base_url.rstrip("/") + path

    def owns(self, url: str) -> bool:
        """Whether a URL has the base URL's own scheme, host and port."""
        ours, theirs = urlsplit(self.base_url), urlsplit(url)
        return (ours.scheme, ours.netloc) == (theirs.scheme, theirs.netloc)

    def trusts(self, url: str) -> bool:
        """Whether results may be fetched from a URL: the base URL's own host, `*.x.ai`, or one that was allowed."""
        if not _PLAIN_HOST.match(url):
            return False
        try:
            parts, owned = urlsplit(url), self.owns(url)
        except ValueError:
            return False
        if owned:
            return True
        host = (parts.hostname or "").lower().rstrip(".")
        allowed = {name.lower() for name in self.download_hosts}
        return parts.scheme == "https" and (
            host == "x.ai" or host.endswith(".x.ai") or not allowed.isdisjoint({host, parts.netloc.lower()})
        )

    def redact(self, text: str) -> str:
        """Take the key out of a text, wherever it came from; not one so short that it is a word like any other."""
        return text.replace(self.key, "***") if len(self.key) >= SHORTEST_SECRET else text
