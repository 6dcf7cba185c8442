"""Which addresses a page may show pictures and films from: the API's own CDN, and hosts that `airflow.cfg` names."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

log = logging.getLogger(__name__)

CDN = "https://files-cdn.x.ai"
Kind = Literal["image", "video", "file"]
_ORIGIN = re.compile(r"(?:(https?)://)?([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(:\d{1,5})?/?", re.IGNORECASE)
# The part before the path has nothing in it that one parser reads in one way and a browser in another; what follows
# holds no blank, quote, angle bracket or backslash.
_ADDRESS = re.compile(r"(https?://[A-Za-z0-9.:\[\]-]+)(?:[/?#][^\s\"'<>\\`]*)?")
_KINDS: dict[str, Kind] = {
    "png": "image", "jpg": "image", "jpeg": "image", "webp": "image", "mp4": "video",
}  # fmt: skip


@dataclass(frozen=True)
class MediaHosts:
    """The origins that media may come from.

    :param origins: scheme, host and port of each.
    """

    origins: tuple[str, ...] = (CDN,)

    @classmethod
    def of(cls, listed: str) -> MediaHosts:
        """Read the option; what is no host is left out, with a line in the log.

        :param listed: hosts, separated by commas or blanks; `http://` in front only where it is meant.
        """
        return cls(tuple(dict.fromkeys((CDN, *_origins(listed)))))

    @classmethod
    def of_airflow(cls) -> MediaHosts:
        """Read Airflow's settings."""
        from airflow.configuration import conf

        return cls.of(conf.get("grok", "gallery_media_hosts", fallback=""))

    def allow(self, url: str | None) -> bool:
        """Whether a page may load a URL.

        :param url: anything that a receipt holds.
        """
        found = _ADDRESS.fullmatch(url or "")
        return found is not None and found[1].lower() in self.origins

    def policy(self) -> str:
        """The page's Content-Security-Policy: own scripts and styles, media from these hosts, nothing else."""
        media = " ".join(("'self'", *self.origins))
        return (
            f"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src {media}; "
            f"media-src {media}; form-action 'self'; frame-ancestors 'self'; base-uri 'none'"
        )


# The settings are read at every request; what is wrong with them is said once.
@cache
def _origins(listed: str) -> tuple[str, ...]:
    origins: list[str] = []
    for word in re.split(r"[\s,]+", listed.strip()):
        if found := _ORIGIN.fullmatch(word):
            origins.append(f"{found[1] or 'https'}://{found[2]}{found[3] or ''}".lower())
        elif word:
            log.warning("[grok] gallery_media_hosts: %r is no host, such as cdn.example.com. It is left out.", word)
    return tuple(origins)


def kind_of(name: str) -> Kind:
    """What a name or an address is of, by its ending.

    :param name: file name or URL.
    """
    path = re.split(r"[?#]", name, maxsplit=1)[0]
    return _KINDS.get(path.rpartition(".")[2].lower(), "file")


def host_of(url: str) -> str:
    """The host of a URL, to be shown as text.

    :param url: anything that a receipt holds.
    """
    found = _ADDRESS.fullmatch(url)
    return found[1].partition("//")[2] if found else "no web address"
