"""Arguments of a request: checked in words before anything is sent, and read from rendered text where need be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_grok.api import errors


def text(value: object, what: str) -> str:
    """Give back text that says something.

    :param value: the argument.
    :param what: its name, for the error.
    :raises InvalidRequest: for anything but text, and for blank text.
    """
    if isinstance(value, str) and value.strip():
        return value
    raise errors.InvalidRequest(
        f"{what}={errors.clean(repr(value), 100)} must be text that is not blank. Give a {what}."
    )


def whole(value: object, what: str, least: int, most: int) -> int:
    """Give back a whole number within bounds; text of one, as templates render it, is taken.

    :param value: the argument.
    :param what: its name, for the error.
    :param least: smallest allowed number.
    :param most: largest allowed number.
    :raises InvalidRequest: for anything else.
    """
    number = value
    if (isinstance(value, str) and value.strip().isdecimal()) or (isinstance(value, float) and value.is_integer()):
        number = int(value)
    if isinstance(number, int) and not isinstance(number, bool) and least <= number <= most:
        return number
    raise errors.InvalidRequest(
        f"{what}={errors.clean(repr(value), 100)} is out of bounds: a whole number from {least} to {most} is allowed."
    )


def number(value: object) -> float | None:
    """Read a finite number, or text of one as templates render it; None for anything else.

    :param value: the argument.
    """
    try:
        found = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
    except (ValueError, OverflowError):
        return None
    return found if found is not None and math.isfinite(found) else None


def share(value: object, what: str) -> float:
    """Give back a share of the whole, 0 to 1; text of a number is taken.

    :param value: the argument.
    :param what: its name, for the error.
    :raises InvalidRequest: for anything else.
    """
    found = number(value)
    if found is not None and 0.0 <= found <= 1.0:
        return found
    raise errors.InvalidRequest(
        f"{what}={errors.clean(repr(value), 100)} is out of bounds: a number from 0 to 1 is allowed, such as 0.9."
    )


def choice(value: object, what: str, allowed: Sequence[str]) -> str:
    """Give back one of the allowed words.

    :param value: the argument.
    :param what: its name, for the error.
    :param allowed: the words.
    :raises InvalidRequest: for any other.
    """
    if isinstance(value, str) and value in allowed:
        return value
    raise errors.InvalidRequest(
        f"{what}={errors.clean(repr(value), 100)} is not known; allowed: {', '.join(allowed)}. If the API has learned "
        f"another, pass it in request_params={{'{what}': ...}}, which is not checked."
    )


def merged(body: Mapping[str, Any], params: Mapping[str, Any] | None) -> dict[str, Any]:
    """Leave out what is None, and let the caller's own fields win.

    :param body: the fields that are known.
    :param params: further fields; None as a value takes a known field out.
    :raises InvalidRequest: where `params` is no dict, or holds `n`, which decides how much is paid and returned.
    """
    if not isinstance(params, Mapping | None):
        raise errors.InvalidRequest(
            f"request_params={errors.clean(repr(params), 100)} is no dict of API fields, such as {{'user': 'me'}}."
        )
    if params and "n" in params:
        raise errors.InvalidRequest("request_params may not hold 'n': give it as n=, for it decides what is returned.")
    return {key: value for key, value in {**body, **(params or {})}.items() if value is not None}
