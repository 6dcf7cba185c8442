"""Reading an Airflow connection of type `grok`: the endpoint that it names, and its defaults."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow_provider_grok.api import errors
from airflow_provider_grok.api.endpoint import Endpoint
from airflow_provider_grok.api.storage import LONGEST_LIFE, SHORTEST_LIFE
from airflow_provider_grok.flows.purchases.options import Settings
from airflow_provider_grok.hooks.base_url import base_url

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_provider_grok.api.account import ApiKey

log = logging.getLogger(__name__)

CONN_TYPE = "grok"
#: The extras that mean something; the connection form has a field for each.
EXTRAS = (
    "timeout",
    "max_attempts",
    "max_in_flight",
    "download_hosts",
    "expires_after",
    "max_cost_usd",
    "recovery_wait",
)
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?|\[[0-9a-f:.]+\](:\d{1,5})?")


def endpoint_of(connection: Connection, extra: Mapping[str, Any]) -> Endpoint:
    """Make the endpoint that a connection names.

    :param connection: password = API key, host = base URL.
    :param extra: its extras: timeout (s), max_attempts, max_in_flight, download_hosts.
    :raises InvalidRequest: when it is of another type, the key is missing, or an extra has no sensible value.
    """
    if connection.conn_type not in (None, "", CONN_TYPE):
        raise errors.InvalidRequest(
            f"Connection {connection.conn_id!r} is of type {connection.conn_type!r}, not {CONN_TYPE!r}: its password "
            f"would be sent to xAI. Give `grok_conn_id` a connection of type {CONN_TYPE!r}."
        )
    _warn_of_unknown(str(connection.conn_id), tuple(unknown_extras(extra)))
    usual = Endpoint()
    return Endpoint(
        base_url=base_url(connection),
        key=_key(connection),
        timeout=_number(extra, "timeout", 1, usual.timeout),
        max_attempts=int(_number(extra, "max_attempts", 1, usual.max_attempts)),
        max_in_flight=int(_number(extra, "max_in_flight", 1, usual.max_in_flight)),
        download_hosts=_hosts(extra.get("download_hosts")),
    )


def _key(connection: Connection) -> str:
    key = (connection.password or "").strip()
    if not key and connection.login:
        raise errors.InvalidRequest(
            f"Connection {connection.conn_id!r} has a login and no password. The API key belongs into the password; in "
            "a URI after the colon: grok://:KEY@host/v1."
        )
    if not key:
        raise errors.InvalidRequest(
            f"Connection {connection.conn_id!r} has no API key. Put it into the connection's password "
            "(XAI keys begin with 'xai-'); it is made in the xAI console."
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise errors.InvalidRequest(
            f"The API key of connection {connection.conn_id!r} holds a character that no key has. Paste it again."
        )
    return key


def settings_of(extra: Mapping[str, Any]) -> Settings:
    """Read a connection's defaults for stored files and money.

    :param extra: its extras: expires_after (s), max_cost_usd, recovery_wait (s).
    :raises InvalidRequest: when one has no sensible value.
    """
    lifetime = _given(extra, "expires_after", SHORTEST_LIFE, LONGEST_LIFE)
    return Settings(
        expires_after=None if lifetime is None else int(lifetime),
        max_cost_usd=_given(extra, "max_cost_usd", 0),
        recovery_wait=_given(extra, "recovery_wait", 0),
    )


def unknown_extras(extra: Mapping[str, Any]) -> list[str]:
    """The extras that mean nothing here, in words, with the name that may have been meant.

    :param extra: the connection's extras.
    """
    words = []
    for name in sorted(str(one) for one in extra if one not in EXTRAS):
        close = get_close_matches(name, EXTRAS, 1)
        words.append(f"{errors.clean(name, 40)!r}" + (f" (did you mean {close[0]!r}?)" if close else ""))
    return words


@cache
def _warn_of_unknown(conn_id: str, words: tuple[str, ...]) -> None:
    """Say it once in a process: a triggerer reads its connections every minute."""
    if words:
        log.warning("Connection %r has extras that mean nothing: %s.", conn_id, ", ".join(words))


def _number(extra: Mapping[str, Any], name: str, least: float, usual: float) -> float:
    given = _given(extra, name, least)
    return usual if given is None else given


def _given(extra: Mapping[str, Any], name: str, least: float, most: float = float("inf")) -> float | None:
    value: Any = extra.get(name)
    if value is None or value == "":
        return None
    try:
        number = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if least <= number <= most and number != float("inf"):
        return number
    bounds = f"at least {least:.0f}" if most == float("inf") else f"{least:.0f} to {most:.0f}"
    # What is no number may be a secret in the wrong place.
    shown = f"={value!r}" if number == number else f" ({_kind(value)})"
    raise errors.InvalidRequest(
        f"The connection's extra {name}{shown} is no number of {bounds}. Correct it, or leave it out."
    )


def _kind(value: Any) -> str:
    return f"text of {len(value)} characters" if isinstance(value, str) else f"a {type(value).__name__}"


def _hosts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, str | list | tuple | None):
        raise errors.InvalidRequest(
            f"The connection's extra download_hosts ({_kind(value)}) is neither text with commas nor a list of hosts."
        )
    given = re.split(r"[\s,]+", value) if isinstance(value, str) else value or ()
    names = [str(name).strip().lower() for name in given]
    # People paste addresses: what counts is the host, and its port where there is one.
    plain = [name.partition("//")[2].partition("/")[0] if "//" in name else name for name in names]
    for number, name in enumerate(plain, 1):
        if name and not _HOST.fullmatch(name):
            raise errors.InvalidRequest(
                f"Entry {number} of the connection's extra download_hosts is no host, such as files.example.com or "
                "files.example.com:8443. Name each host; there are no wildcards, users or paths."
            )
    return tuple(name for name in plain if name)


def in_words(key: ApiKey, extra: Mapping[str, Any] | None = None) -> tuple[bool, str]:
    """Whether a connection can be used, and whose its key is.

    :param key: what the API says of the key.
    :param extra: the connection's extras, whose values are checked by now.
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
    if unknown := unknown_extras(extra or {}):
        return False, (
            f"Connected with {who}, but these extras mean nothing: {', '.join(unknown)}. Correct or remove them; known "
            f"are {', '.join(EXTRAS)}."
        )
    return True, f"Connected with {who}."


def _has(key: ApiKey, right: str) -> bool:
    # A key that lists no rights at all is not restricted.
    return not key.acls or any(acl.startswith(right) or acl in ("*", "api-key:*") for acl in key.acls)
