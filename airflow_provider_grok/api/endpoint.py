"""An endpoint: where the API is, who asks, and which hosts its results may be fetched from."""

from __future__ import annotations

import ipaddress
import json
import logging
import re
from dataclasses import dataclass, field
from functools import cached_property
from html.entities import html5
from urllib.parse import SplitResult, urlsplit

log = logging.getLogger(__name__)

# What may stand before the path: anything else, such as a user, a backslash or a letter that only looks like one of
# ours, is read in one way by one parser and in another by the next.
_PLAIN_HOST = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(?=[/?#]|\Z)", re.IGNORECASE)

#: How a text may hide a character of the key: JSON, URL and HTML escapes.
_ESCAPES = re.compile(r"[\\%&]")
_ESCAPES_IN_BYTES = re.compile(_ESCAPES.pattern.encode())
_ENTITIES = {text: name.rstrip(";") for name, text in html5.items() if len(text) == 1}
#: Base URLs that were warned about.
_warned: set[str] = set()

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

    def __post_init__(self) -> None:
        parts = _split(self.base_url)
        clear = parts is not None and parts.scheme == "http" and not is_loopback(parts.hostname or "")
        if parts and clear and self.key and self.base_url not in _warned:
            _warned.add(self.base_url)
            log.warning(
                "The API key goes to %s over plain http: whoever stands on the way can read it. Give the connection's "
                "host as https://...",
                parts.hostname,
            )

    def url(self, path: str) -> str:
        """Make a path absolute; a full URL stays what it is."""
        return path if "://" in path else self.base_url.rstrip("/") + path

    def owns(self, url: str) -> bool:
        """Whether a URL has the base URL's own scheme, host and port."""
        ours, theirs = _split(self.base_url), _split(url)
        if ours is None or theirs is None:
            return False
        return (ours.scheme, ours.netloc) == (theirs.scheme, theirs.netloc)

    def trusts(self, url: str) -> bool:
        """Whether results may be fetched from a URL: the base URL's own host, `*.x.ai`, or one that was allowed."""
        if not _PLAIN_HOST.match(url):
            return False
        parts = _split(url)
        if parts is None:
            return False
        if self.owns(url):
            return True
        host = (parts.hostname or "").lower().removesuffix(".")
        if not all(0 < len(label) < 64 for label in host.split(".")):
            return False
        allowed = {name.lower() for name in self.download_hosts}
        return parts.scheme == "https" and (
            host == "x.ai" or host.endswith(".x.ai") or not allowed.isdisjoint({host, parts.netloc.lower()})
        )

    def key_in(self, text: str) -> bool:
        """Whether a text that is to be sent or written down holds the key; not one that is a word like any other.

        :param text: the text, or JSON.
        """
        return len(self.key) >= SHORTEST_SECRET and (self.key in text or json.dumps(self.key)[1:-1] in text)

    def redact(self, text: str) -> str:
        """Take the key out of a text, however it is escaped; not one so short that it is a word like any other.

        :param text: a text, wherever it came from.
        """
        if len(self.key) < SHORTEST_SECRET:
            return text
        text = text.replace(self.key, "***")
        return self._spellings.sub("***", text) if _ESCAPES.search(text) else text

    def redact_bytes(self, data: bytes) -> bytes:
        """Take the key out of the bytes of an answer, like `redact`.

        :param data: text in UTF-8, or in any encoding that writes ASCII as it is.
        """
        if len(self.key) < SHORTEST_SECRET:
            return data
        data = data.replace(self.key.encode(), b"***")
        return self._spellings_in_bytes.sub(b"***", data) if _ESCAPES_IN_BYTES.search(data) else data

    @cached_property
    def _spellings(self) -> re.Pattern[str]:
        return re.compile("".join(map(_spellings, self.key)))

    @cached_property
    def _spellings_in_bytes(self) -> re.Pattern[bytes]:
        return re.compile(self._spellings.pattern.encode())


def _spellings(char: str) -> str:
    """A pattern for a character as JSON, URLs and HTML may write it, each also once more inside another."""
    code = ord(char)
    escapes = [rf"\\+u{code:04x}", rf"%(?:25)*{code:02x}", rf"&(?:amp;)*#(?:0*{code}|x0*{code:x});"]
    if not char.isalnum():
        escapes.append(rf"\\+{re.escape(char)}")
    if char in _ENTITIES:
        escapes.append(f"&(?:amp;)*{_ENTITIES[char]};")
    return f"(?:{re.escape(char)}|(?i:{'|'.join(escapes)}))"


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, so that what is sent there never leaves it.

    :param host: a name or an address, without a port.
    """
    name = host.lower().strip("[]").rstrip(".")
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
