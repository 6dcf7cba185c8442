"""The base URL that a connection names, and what is wrong with one that cannot be: told without repeating a secret."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from airflow_provider_grok.api import errors
from airflow_provider_grok.api.endpoint import DEFAULT_BASE_URL

if TYPE_CHECKING:
    from airflow.sdk import Connection

_BASE = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
#: Where paths of the API go on after its base URL (docs.x.ai, REST reference).
_ENDPOINTS = (
    "files|images|videos|batches|models|image-generation-models|video-generation-models|language-models|api-key|me|chat"
    "|responses|completions|embeddings"
)
_ENDPOINT = re.compile(rf"(https?://[^/]+(?:/.*)?/v\d+)/(?:{_ENDPOINTS})(?:/.*)?")
_BARE_ENDPOINT = re.compile(rf"(https?://[^/]+)/(?:{_ENDPOINTS})(?:/.*)?")


def base_url(connection: Connection) -> str:
    """The base URL of the API that a connection names.

    A URI is read as it looks: `grok://:KEY@host:port/v1` is https://host:port/v1 (http for a host of this machine).

    :param connection: its host, port and schema; the schema is `http`, `https`, or a path as a URI has it.
    :raises InvalidRequest: for a host that is none, with the remedy.
    """
    host = (connection.host or "").strip().rstrip("/")
    schema = (connection.schema or "").strip().strip("/")
    if not host:
        return DEFAULT_BASE_URL
    if re.match(r"(https?://)?xai-[A-Za-z0-9]{4,}[^./:]*(?![./:])$", host):
        raise _refused(connection, "it looks like an API key, which belongs into the password")
    if "://" not in host:
        usual = "http" if _is_loopback(host) else "https"
        host = f"{schema if schema in ('http', 'https') else usual}://{host}"
    if connection.port and not re.search(r"://[^/]*:\d+(/|$)", host):
        host = re.sub(r"(://[^/]+)", rf"\g<1>:{connection.port}", host, count=1)
    if host.count("/") == 2:
        # A bare host means its API: every path of it begins with /v1.
        host = f"{host}/{schema if schema not in ('', 'http', 'https') else 'v1'}"
    if not _BASE.fullmatch(host):
        raise _refused(connection, _trouble(host))
    if found := _ENDPOINT.fullmatch(host) or _BARE_ENDPOINT.fullmatch(host):
        base = found.group(1) if found.re is _ENDPOINT else f"{found.group(1)}/v1"
        raise _refused(connection, f"it goes on to the path of an endpoint; the base URL alone is {base}")
    return host


def _trouble(host: str) -> str:
    scheme, _, rest = host.partition("://")
    if scheme.lower() not in ("http", "https"):
        return "it begins with neither https:// nor http://"
    if "@" in rest.partition("/")[0]:
        return "it has a user before the host"
    if "?" in rest or "#" in rest:
        return "it has a query or a fragment"
    return "it has a blank, or no host" if scheme in ("http", "https") else "its scheme is not in lower case"


def _refused(connection: Connection, why: str) -> errors.InvalidRequest:
    return errors.InvalidRequest(
        f"The host of connection {connection.conn_id!r} is no base URL: {why}. Give one like {DEFAULT_BASE_URL}, "
        "without user, query or fragment."
    )


def _is_loopback(host: str) -> bool:
    name = host.partition("/")[0]
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
