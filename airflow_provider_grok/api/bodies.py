"""Bodies of answers: JSON read strictly, and what an error body of any shape says."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

MESSAGE_LIMIT = 600
#: How many objects and lists may stand inside one another in an answer.
DEPTH_LIMIT = 100
#: More ticks than this, 100 million USD, are no price.
MOST_TICKS = 10**18
_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")
#: Statuses below 500 that say nothing about what was done with the request.
UNDECIDED = frozenset({408, 409, 425})
#: How the API's deserializer words its 422, which is plain text.
_UNREADABLE = re.compile(
    r"failed to (?:deserialize|parse)|(?:missing|unknown|duplicate) field|unknown variant|invalid (?:type|value)",
    re.IGNORECASE,
)


def normal_code(code: object) -> str:
    """Fold the server's spellings of a code (kebab, snake, sentence) into one.

    :param code: the code as it came; anything but text or a number gives an empty string.
    """
    return re.sub(r"[_\s]+", "-", str(code).strip().lower()) if isinstance(code, str | int) else ""


def clean(text: str, limit: int = MESSAGE_LIMIT) -> str:
    """Make foreign text fit for a log: no control characters, not endless.

    :param text: text from a server or a file.
    :param limit: how many characters are kept.
    """
    flat = (text if text.isprintable() else "".join(one if one.isprintable() else " " for one in text)).strip()
    return flat if len(flat) <= limit else flat[:limit] + "..."


def parse_body(body: bytes) -> tuple[str, str, int | None]:
    """Read code, message and billed ticks out of an error body in any of the four forms that occur.

    :param body: the bytes of the answer (docs.x.ai, REST reference; OpenAI style and plain text occur too).
    """
    document = loaded(body)
    if document is None:
        return "", clean(body[: 8 * MESSAGE_LIMIT].decode("utf-8", "replace")) or "(no text)", None
    if not isinstance(document, dict):
        return "", clean(str(document)), None
    error = document.get("error", document.get("message", ""))
    inner: Mapping[str, Any] = error if isinstance(error, dict) else {}
    code = document.get("code") or inner.get("code") or inner.get("type")
    message = inner.get("message", error) or document.get("message") or document.get("detail") or "(no text)"
    return clean(normal_code(code), 100), clean(str(message)), ticks_in(document)


def loaded(body: bytes) -> Any:
    """Read JSON as the API writes it; None for anything else.

    In UTF-8 only; not deep enough to overflow the stack of whoever goes through it. What is no JSON though parsers
    take it (NaN, half a surrogate pair, a number beyond all bounds) becomes null or a question mark.

    :param body: the bytes of an answer.
    """
    try:
        text = body.decode("utf-8-sig")
        document = json.loads(text, parse_constant=lambda _: None, parse_float=_finite)
        if _HALF_PAIR.search(text):
            whole = json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")
            document = json.loads(whole)
    except (ValueError, RecursionError):
        return None
    return None if body.count(b"[") + body.count(b"{") > DEPTH_LIMIT and _is_deep(document) else document


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _is_deep(document: Any) -> bool:
    level = [document]
    for _ in range(DEPTH_LIMIT):
        inner = (one.values() if isinstance(one, dict) else one for one in level)
        level = [one for many in inner for one in many if isinstance(one, dict | list)]
        if not level:
            return False
    return True


def is_refusal(status: int, body: bytes) -> bool:
    """Tell whether an answer is the API's own refusal, so that nothing was done: everything else is no evidence.

    :param status: its HTTP status.
    :param body: its bytes.
    """
    if not 400 <= status < 500 or status in UNDECIDED:
        return False
    document = loaded(body)
    if document is None:
        text = body[: 8 * MESSAGE_LIMIT].decode("utf-8", "replace").lstrip()
        return status == 422 and not text.startswith("<") and bool(_UNREADABLE.search(text))
    error = document.get("error") if isinstance(document, dict) else None
    return isinstance(error.get("message") if isinstance(error, dict) else error, str)


def ticks_in(document: Mapping[str, Any]) -> int | None:
    """Find the billed ticks that an answer reports under `usage`.

    :param document: a JSON answer.
    """
    usage = document.get("usage")
    return ticks_of(usage.get("cost_in_usd_ticks")) if isinstance(usage, dict) else None


def ticks_of(value: object) -> int | None:
    """Give back an amount of ticks; None for what cannot be one.

    :param value: what an answer says, such as 200000000 for 0.02 USD.
    """
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TICKS else None


def param_of(body: bytes) -> str:
    """The field that an error body in OpenAI's style names, or an empty string.

    :param body: the bytes of the answer.
    """
    document = loaded(body)
    inner = document.get("error") if isinstance(document, dict) else None
    param = inner.get("param") if isinstance(inner, dict) else None
    return clean(param, 100) if isinstance(param, str) else ""


def is_moderation(message: str, code: str = "") -> bool:
    """Tell whether a refusal is about the content rules.

    :param message: the server's words.
    :param code: its code, lower case with dashes.
    """
    words = message.lower()
    named = "moderation" in words or "usage guidelines" in words or "safety_check" in words
    return named or code.endswith("content-moderated")


def is_credit(message: str, code: str = "") -> bool:
    """Tell whether a refusal is about the team's credit or its spending limit.

    :param message: the server's words.
    :param code: its code, lower case with dashes.
    """
    words = message.lower()
    return "credits" in words or "spending limit" in words or code.endswith("spending-limit")
