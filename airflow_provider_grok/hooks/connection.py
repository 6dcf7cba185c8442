"""Reading an Airflow connection of type `grok`: the endpoint that it names, and its defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_grok.api import errors
from airflow_provider_grok.api.endpoint import DEFAULT_BASE_URL, Endpoint
from airflow_provider_grok.api.storage import LONGEST_LIFE, SHORTEST_LIFE
from airflow_provider_grok.flows.purchases.options import Settings

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_provider_grok.api.account import ApiKey


def endpoint_of(connection: Connection, extra: Mapping[str, Any]) -> Endpoint:
    """Make the endpoint that a connection names.

    :param connection: password = API key, host = base URL.
    :param extra: its extras: timeout (s), max_attempts, max_in_flight, download_hosts.
    :raises InvalidRequest: when the key is missing, or an extra has no sensible value.
    """
    key = (connection.password or "").strip()
    if not key:
        raise errors.InvalidRequest(
            f"Connection {connection.conn_id!r} has no API key. Put it into the connection's password "
            "(XAI keys begin with 'xai-'); it is made in the xAI console."
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise errors.InvalidRequest(
            f"The API key of connection {connection.conn_id!r} holds a character that no key has. Paste it again."
        )
    usual = Endpoint()
    return Endpoint(
        base_url=_base_url(connection),
        key=key,
        timeout=_number(extra, "timeout", 1, usual.timeout),
        max_attempts=int(_number(extra, "max_attempts", 1, usual.max_attempts)),
        max_in_flight=int(_number(extra, "max_in_flight", 1, usual.max_in_flight)),
        download_hosts=_hosts(extra.get("download_hosts")),
    )


def settings_of(extra: Mapping[str, Any]) -> Settings:
    """Read a connection's defaults for stored files and money.

    :param extra: its extras: expires_after (s), max_cost_usd, recovery_wait (s).
    :raises InvalidRequest: when one has no sensible value.
    """
    life = _given(extra, "expires_after", SHORTEST_LIFE, LONGEST_LIFE)
    return Settings(
        expires_after=None if life is None else int(life),
        max_cost_usd=_given(extra, "max_cost_usd", 0),
        recovery_wait=_given(extra, "recovery_wait", 0),
    )


def _base_url(connection: Connection) -> str:
    host = (connection.host or "").strip().rstrip("/")
    if not host:
        return DEFAULT_BASE_URL
    if "://" not in host:
        scheme = connection.schema or "https"
        host = f"{scheme}://{host}"
    if connection.port and not re.search(r"://[^/]*:\d+(/|$)", host):
        host = re.sub(r"(://[^/]+)", rf"\g<1>:{connection.port}", host, count=1)
    if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", host):
        raise errors.InvalidRequest(
            f"The host of connection {connection.conn_id!r} is no base URL: {errors.clean(host, 100)!r}. "
            f"Give one like {DEFAULT_BASE_URL}, without user, query or fragment."
        )
    # A bare host means its API: every path of it begins with /v1.
    return host if host.count("/") > 2 else f"{host}/v1"


def _number(extra: Mapping[str, Any], name: str, least: float, usual: float) -> float:
    given = _given(extra, name, least)
    return usual if given is None else given


def _given(extra: Mapping[str, Any], name: str, least: float, most: float = float("inf")) -> float | None:
    value: Any = extra.get(name)
    if value is None or value == "":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if least <= number <= most and number != float("inf"):
        return number
    bounds = f"at least {least:.0f}" if most == float("inf") else f"{least:.0f} to {most:.0f}"
    raise errors.InvalidRequest(
        f"The connection's extra {name}={value!r} is no number of {bounds}. Correct it, or leave it out."
    )


def _hosts(value: Any) -> tuple[str, ...]:
    names = re.split(r"[\s,]+", value) if isinstance(value, str) else value or ()
    plain = (str(name).strip().lower() for name in names)
    # People paste addresses: what counts is the host, and its port where there is one.
    return tuple(name.partition("//")[2].partition("/")[0] if "//" in name else name for name in plain if name)


def in_words(key: ApiKey) -> tuple[bool, str]:
    """Whether a key can be used, and whose it is.

    :param key: what the API says of it.
    """
    who = f"key {key.name or key.redacted_api_key!r} of team {key.team_id}"
    troubles = {
        "the team is blocked (credit or terms)": key.team_blocked,
        "the key is blocked": key.api_key_blocked,
        "the key is disabled": key.api_key_disabled,
    }
    found = [words for words, holds in troubles.items() if holds]
    if found:
        return False, f"The API knows {who}, but {' and '.join(found)}. Mend it in the xAI console."
    missing = [right for right in ("api-key:model", "api-key:endpoint") if not _has(key, right)]
    if missing:
        return False, f"The API knows {who}, but it lacks the rights {', '.join(missing)}. Add them in the xAI console."
    return True, f"Connected with {who}."


def _has(key: ApiKey, right: str) -> bool:
    # A key that lists no rights at all is not restricted.
    return not key.acls or any(acl.startswith(right) or acl in ("*", "api-key:*") for acl in key.acls)
