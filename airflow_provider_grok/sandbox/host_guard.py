"""Who may talk to the sandbox: host names, web page origins and client addresses of this machine.

The sandbox listens on loopback and its control interface needs no key. A web page can point a name of its own at
127.0.0.1 (DNS rebinding), so a request is judged by the name it was sent to, not only by where it arrived.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

#: Sent with every answer: bytes of users are shown as what they are, and run nothing.
SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "content-security-policy": (
        "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}


def is_local(netloc: str) -> bool:
    """Tell whether a host is this machine by name or by loopback address.

    :param netloc: host, with or without port, as in a `Host` header.
    """
    try:
        name = (urlsplit(f"//{netloc}").hostname or "").rstrip(".")
        return name == "localhost" or name.endswith(".localhost") or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def foreign_host(scope: Scope) -> str | None:
    """Return why a request to a sandbox on loopback is refused, or None.

    :param scope: the ASGI scope of the request.
    """
    host = Headers(scope=scope).get("host", "")
    return None if is_local(host) else f"This sandbox answers to localhost only, not to the host {host!r}."


def foreign_control(scope: Scope) -> str | None:
    """Return why a request to the control interface is refused, or None: it needs no key, so it is for this machine.

    :param scope: the ASGI scope of the request.
    """
    headers = Headers(scope=scope)
    host, origin = headers.get("host", ""), headers.get("origin")
    address = (scope.get("client") or ("",))[0]
    if not is_local(host) or (origin is not None and not is_local(urlsplit(origin).netloc)):
        return f"The control interface answers to localhost only, not to {host!r} or pages of {origin!r}."
    if not is_local(f"[{address}]" if ":" in address else address):
        return f"The control interface answers to this machine only, not to {address!r}."
    return None


def with_security_headers(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return response headers with `SECURITY_HEADERS`, except those that are there already.

    :param headers: names and values as ASGI has them.
    """
    there = {name.lower() for name, _ in headers}
    added = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
    return [*headers, *(one for one in added if one[0] not in there)]
