"""HTTP clients: certificates, proxies that this machine's own servers are never asked through, quiet logs."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from airflow_provider_grok.api import errors
from airflow_provider_grok.api.endpoint import Endpoint, is_loopback

if TYPE_CHECKING:
    import ssl

    import httpx

C = TypeVar("C")

#: The loggers of httpx and httpcore that write down URLs and headers.
_LOGGERS = ("httpx", *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")))
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_ours: ContextVar[bool] = ContextVar("exchange_with_xai", default=False)


def client(endpoint: Endpoint) -> httpx.Client:
    """Make a client for threads.

    :param endpoint: where it is to ask.
    :raises InvalidRequest: when the environment names a proxy or certificates that cannot be used.
    """
    import httpx

    return _made(httpx.Client, endpoint)


def async_client(endpoint: Endpoint) -> httpx.AsyncClient:
    """Make a client for event loops.

    :param endpoint: where it is to ask.
    :raises InvalidRequest: when the environment names a proxy or certificates that cannot be used.
    """
    import httpx

    return _made(httpx.AsyncClient, endpoint)


def _made(kind: Callable[..., C], endpoint: Endpoint) -> C:
    import httpx

    _quiet()
    host = urlsplit(endpoint.url("")).hostname or ""
    own = (f"[{host}]" if ":" in host else host,) if is_loopback(host) else ()
    options: dict[str, Any] = {
        "timeout": endpoint.timeout,
        "verify": tls(),
        "follow_redirects": False,
        # No transport of their own is the direct one.
        "mounts": {f"all://{name}": None for name in (*_LOOPBACK, *own)},
    }
    try:
        return kind(**options)
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        named = type(error).__name__
    from urllib.request import getproxies

    # Raised here, so that no password of a proxy hangs on it as its context.
    given = ", ".join(f"{name.upper()}_PROXY={_place(url)}" for name, url in sorted(getproxies().items()))
    raise errors.InvalidRequest(
        f"The environment's proxies cannot be used ({named}): {given}. Give http://host:port or https://host:port (for "
        "socks5:// install httpx[socks]), or name the API's host in NO_PROXY."
    )


def tls() -> ssl.SSLContext:
    """The certificates that servers are checked against: SSL_CERT_FILE or SSL_CERT_DIR, else those of certifi.

    :raises InvalidRequest: when those cannot be read.
    """
    return _tls(os.environ.get("SSL_CERT_FILE", ""), os.environ.get("SSL_CERT_DIR", ""))


@cache
def _tls(file: str, folder: str) -> ssl.SSLContext:
    # Loading the certificates is most of what a client costs to make.
    import httpx

    try:
        return httpx.create_ssl_context()
    except OSError as error:
        raise errors.InvalidRequest(
            f"The certificates of SSL_CERT_FILE={file!r}, SSL_CERT_DIR={folder!r} cannot be read "
            f"({type(error).__name__}: {error.strerror}). Name a file of PEM certificates that the worker may read."
        ) from None


def proxy_of(url: str) -> str:
    """The proxy that a URL is asked through, without user and password; empty for none.

    :param url: the URL.
    """
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host) or proxy_bypass(host):
        return ""
    found = getproxies()
    return _place(found.get(parts.scheme) or found.get("all") or "")


def _place(url: str) -> str:
    scheme, mark, rest = url.rpartition("://")
    return f"{scheme}{mark}{rest.partition('/')[0].rpartition('@')[2]}"


class _NotOurs(logging.Filter):
    """Drops what httpx and httpcore log of exchanges with xAI: queries of signed links, headers of every answer."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not _ours.get()


@cache
def _quiet() -> None:
    dropping = _NotOurs()
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(dropping)


@contextmanager
def quiet_logs() -> Iterator[None]:
    """Keep an exchange out of the logs of httpx and httpcore; those of others are written as ever."""
    token = _ours.set(True)
    try:
        yield
    finally:
        _ours.reset(token)
