"""Arguments of a request: checked in words before anything is sent, and read from rendered text where need be.

What is wrong for certain is refused. A value that the API may have learned since (a ratio, a size, how many sources)
is sent with a warning: the API answers a wrong one at once, unbilled (docs.x.ai, 400 and 422).
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_grok.api import errors

_log = logging.getLogger(__name__)

#: How values look of which new ones may come: a ratio of a video, a ratio of a picture, a size, a word.
RATIO, RATIO_OR_AUTO = r"\d+(\.\d+)?:\d+(\.\d+)?", r"auto|\d+(\.\d+)?:\d+(\.\d+)?"
SIZE, WORD = r"\d+(\.\d+)?[kp]", r"[a-z][a-z0-9_-]*"


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


def likely(value: object, what: str, known: Sequence[str], form: str) -> str:
    """Give back one of the known words, or with a warning one that looks like them.

    :param value: the argument.
    :param what: its name, for the error and the warning.
    :param known: the words that the API is known to take.
    :param form: a regular expression of how such words look.
    :raises InvalidRequest: for anything else.
    """
    if isinstance(value, str) and value not in known and re.fullmatch(form, value, re.ASCII):
        _log.warning(
            "%s=%s is none of the values known to this package (%s). It is sent all the same: if the API does not take "
            "it, it refuses the request at once and bills nothing.",
            what,
            errors.clean(value, 100),
            ", ".join(known),
        )
        return value
    return choice(value, what, known)


def several(value: object, what: str, least: int, most: int, remedy: str, noun: str = "elements") -> list[Any]:
    """Give back a list of things, with a warning where it is longer than the API is known to take.

    :param value: the argument.
    :param what: its name, for the error and the warning.
    :param least: how many there must be.
    :param most: how many the API is known to take.
    :param remedy: what to do instead of giving too few.
    :param noun: what the list is of.
    :raises InvalidRequest: for what is no list, and for too few.
    """
    if not isinstance(value, list | tuple) or len(value) < least:
        count = len(value) if isinstance(value, list | tuple) else f"a {type(value).__name__}"
        raise errors.InvalidRequest(f"{what}= takes a list of {least} to {most} {noun}, and got {count}. {remedy}")
    if len(value) > most:
        _log.warning(
            "%s= has %d %s, and the API is known to take %d. It is sent all the same: if they are too many, the API "
            "refuses the request at once and bills nothing.",
            what,
            len(value),
            noun,
            most,
        )
    return list(value)


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
