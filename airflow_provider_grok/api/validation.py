"""Arguments of a request: checked in words before anything is sent, and read from rendered text where need be.

What is wrong for certain is refused. A value that the API may have learned since (a ratio, a size, how many sources)
is sent with a warning: the API answers a wrong one at once, unbilled (docs.x.ai, 400 and 422).
"""

from __future__ import annotations

import logging
import math
import numbers
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from airflow_provider_grok.api import errors

_log = logging.getLogger(__name__)

#: How deep a request may be nested: far deeper than any is, and less than what readers of JSON bear.
DEEPEST = 60

#: How values look of which new ones may come: a ratio of a video, a ratio of a picture, a size, a word.
RATIO, RATIO_OR_AUTO = r"\d+(\.\d+)?:\d+(\.\d+)?", r"auto|\d+(\.\d+)?:\d+(\.\d+)?"
SIZE, WORD = r"\d+(\.\d+)?[kp]", r"[a-z][a-z0-9_-]*"


def shown(value: object) -> str:
    """A value as an error repeats it: short, on one line, whatever it is.

    :param value: the value.
    """
    try:
        return errors.clean(repr(value[:200] if isinstance(value, str | bytes | bytearray) else value), 100)
    except RecursionError:
        return f"a deeply nested {type(value).__name__}"


def text(value: object, what: str) -> str:
    """Give back text that says something; a whole number is taken, for native rendering makes one of "1984".

    :param value: the argument.
    :param what: its name, for the error.
    :raises InvalidRequest: for anything but text, for blank text, and for text that cannot be sent.
    """
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str) and value.strip() not in ("", "None"):
        check_characters(value, what)
        return value
    raise errors.InvalidRequest(f"{what}={shown(value)} must be text that is not blank. {_remedy(value, what)}")


def _remedy(value: object, what: str) -> str:
    if isinstance(value, bytes | bytearray):
        return "These are bytes: give text, such as value.decode()."
    if isinstance(value, str) and value.strip():
        return "A template rendered None to this text: what it names has no value."
    if isinstance(value, tuple):
        return "An .expand() over a dict gives such pairs: expand over a list, such as list(your_dict.values())."
    if value is None or isinstance(value, str):
        return f"Give a {what}."
    return f"Give a {what}; render_template_as_native_obj=True makes such a value of text that looks like Python."


def check_characters(value: str, what: str) -> None:
    """Refuse text that no request can carry: half of a character that two code units make, such as half an emoji.

    :param value: the text.
    :param what: where it stands, for the error.
    :raises InvalidRequest: for such text.
    """
    try:
        value.encode()
    except UnicodeEncodeError as error:
        half = f"U+{ord(value[error.start]):04X} at position {error.start}"
        raise errors.InvalidRequest(
            f"{what} holds half a character ({half}), such as an emoji that was cut in two. It cannot be sent: cut the "
            "text elsewhere, or take the half out."
        ) from None


def check_json(value: object, where: str) -> None:
    """Refuse what JSON cannot carry: NaN, infinities, half characters, other types, and nesting without end.

    :param value: a part of a request.
    :param where: its name, for the error; what lies inside is named by its path.
    :raises InvalidRequest: for the first such value.
    """
    rest: list[tuple[object, str, int]] = [(value, where, 0)]
    while rest:
        item, path, depth = rest.pop()
        if depth > DEEPEST:
            raise errors.InvalidRequest(f"{where} is nested more than {DEEPEST} deep. No request is.")
        if isinstance(item, str):
            check_characters(item, path)
        elif isinstance(item, dict):
            for name, one in item.items():
                if not isinstance(name, str | int | float):
                    raise errors.InvalidRequest(f"{path}: {shown(name)} is no name of a field.")
                rest.append((name, f"{path}: a name", depth + 1))
                rest.append((one, f"{path}.{errors.clean(str(name), 60)}", depth + 1))
        elif isinstance(item, list | tuple):
            rest.extend((one, f"{path}[{index}]", depth + 1) for index, one in enumerate(item))
        else:
            _check_scalar(item, path)


def _check_scalar(item: object, path: str) -> None:
    if item is None or isinstance(item, bool):
        return
    if not isinstance(item, int | float):
        raise errors.InvalidRequest(
            f"{path}={shown(item)} is of type {type(item).__name__}, which JSON cannot hold. Give text, an int, a "
            "float, a bool, a list or a dict."
        )
    if isinstance(item, float) and not math.isfinite(item):
        raise errors.InvalidRequest(f"{path}={item} is no number that JSON can hold. Give a finite one.")
    if isinstance(item, int) and abs(item) >= 2**64:
        raise errors.InvalidRequest(f"{path} is a number beyond 64 bits. Give a smaller one.")


def whole(value: object, what: str, least: int, most: int) -> int:
    """Give back a whole number within bounds, of whatever type: text as templates render it, NumPy's, a Decimal.

    :param value: the argument.
    :param what: its name, for the error.
    :param least: smallest allowed number.
    :param most: largest allowed number.
    :raises InvalidRequest: for anything else.
    """
    found = _integer(value)
    if found is not None and least <= found <= most:
        return found
    raise errors.InvalidRequest(
        f"{what}={shown(value)} is out of bounds: a whole number from {least} to {most} is allowed."
    )


def _integer(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return int(value) if value.strip().isdecimal() and len(value) < 20 else None
    if isinstance(value, numbers.Integral):
        return int(value)
    found = number(value)
    return int(found) if found is not None and found.is_integer() else None


def number(value: object) -> float | None:
    """Read a finite number of whatever type, or text of one as templates render it; None for anything else.

    :param value: the argument.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real | Decimal | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


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
        f"{what}={shown(value)} is out of bounds: a number from 0 to 1 is allowed, such as 0.9."
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
        f"{what}={shown(value)} is not known; allowed: {', '.join(allowed)}. If the API has learned "
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
    :raises InvalidRequest: where `params` is no dict, holds `n`, which decides how much is paid and returned, or what
        JSON cannot carry.
    """
    if not isinstance(params, Mapping | None):
        raise errors.InvalidRequest(
            f"request_params={shown(params)} is no dict of API fields, such as {{'user': 'me'}}."
        )
    if params and "n" in params:
        raise errors.InvalidRequest("request_params may not hold 'n': give it as n=, for it decides what is returned.")
    fields = {key: value for key, value in {**body, **(params or {})}.items() if value is not None}
    for key, value in fields.items():
        check_json(value, shown(key).strip("'"))
    return fields
