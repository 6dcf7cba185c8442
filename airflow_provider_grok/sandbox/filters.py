"""The `filter` of the file list: an AIP-160 expression becomes an SQL condition (docs.x.ai, Files API, list).

expression = factor {("AND" | nothing) factor}      factor = term {"OR" term}      OR binds closer than AND
term       = ["NOT" | "-"] (restriction | "(" expression ")")
restriction = field ("=" | "!=" | ">" | ">=" | "<" | "<=" | ":") value
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_grok.sandbox.errors import Refusal, invalid

Condition = tuple[str, list[Any]]

TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<sign><=|>=|!=|[=<>:()])|(?P<minus>-(?=[A-Za-z(]))"""
    r"""|(?P<word>[^\s"'=<>!:()]+))"""
)
DEEPEST, MOST_TOKENS = 40, 400  # more than a person writes, less than the database can take
SIGNS = ("=", "!=", ">", ">=", "<", "<=", ":")
LIVE_LINK = "(public_path IS NOT NULL AND (public_until IS NULL OR public_until > {now}))"


def compile_filter(text: str, now: float) -> Condition:
    """Turn a filter into SQL.

    :param text: the expression.
    :param now: unix seconds, to tell whether a public URL lives.
    :raises Refusal: 400 naming what cannot be understood.
    """
    return Parser(text, now).parse()


class Parser:
    """A recursive descent over the tokens."""

    def __init__(self, text: str, now: float) -> None:
        """Cut the text into tokens.

        :raises Refusal: 400 where it cannot be cut.
        """
        self.tokens = tokens_of(text)
        if len(self.tokens) > MOST_TOKENS:
            raise invalid(f"Invalid filter: more than {MOST_TOKENS} words and signs.")
        self.fields = fields(now)
        self.at = self.depth = 0

    def parse(self) -> Condition:
        """Return the condition of the whole text."""
        condition = self.expression()
        if self.at < len(self.tokens):
            raise self.puzzled()
        return condition

    def peek(self) -> tuple[str, str]:
        """Return the next token without taking it."""
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def take(self) -> tuple[str, str]:
        """Take the next token."""
        token = self.peek()
        self.at += 1
        return token

    def accept(self, kind: str, value: str) -> bool:
        """Take the next token if it is this one."""
        if self.peek() != (kind, value):
            return False
        self.at += 1
        return True

    def puzzled(self) -> Refusal:
        """Return the refusal of the next token."""
        kind, value = self.peek()
        return invalid(f"Invalid filter: unexpected {'end' if kind == 'end' else repr(value)}.")

    def expression(self) -> Condition:
        """Read factors joined by AND, said or not."""
        parts = [self.factor()]
        while self.accept("word", "AND") or self.peek() not in (("end", ""), ("sign", ")")):
            parts.append(self.factor())
        return join(parts, " AND ")

    def factor(self) -> Condition:
        """Read terms joined by OR."""
        parts = [self.term()]
        while self.accept("word", "OR"):
            parts.append(self.term())
        return join(parts, " OR ")

    def term(self) -> Condition:
        """Read one condition, turned round or not, or one in parentheses.

        :raises Refusal: 400 if it lies too deep.
        """
        self.depth += 1
        if self.depth > DEEPEST:
            raise invalid(f"Invalid filter: nested more than {DEEPEST} deep.")
        condition = self.inner_term()
        self.depth -= 1
        return condition

    def inner_term(self) -> Condition:
        """Read what stands at one depth."""
        if self.accept("word", "NOT") or self.accept("minus", "-"):
            condition, values = self.term()
            return f"NOT ({condition})", values
        if self.accept("sign", "("):
            condition, values = self.expression()
            if not self.accept("sign", ")"):
                raise self.puzzled()
            return f"({condition})", values
        return self.restriction()

    def restriction(self) -> Condition:
        """Read a field, an operator and a value."""
        kind, name = self.peek()
        if kind != "word" or name in ("AND", "OR"):
            raise self.puzzled()
        if name not in self.fields:
            raise invalid(f"Invalid filter: unknown field {name!r}; known are {', '.join(self.fields)}.")
        self.take()
        sign = self.peek()[1]
        if self.peek()[0] != "sign" or sign not in SIGNS:
            raise self.puzzled()
        self.take()
        kind, value = self.peek()
        if kind not in ("word", "text", "minus"):
            raise self.puzzled()
        self.take()
        return self.fields[name](name, sign, None if (kind, value) == ("word", "null") else value)


Field = Callable[[str, str, str | None], Condition]


def tokens_of(text: str) -> list[tuple[str, str]]:
    """Cut a filter into tokens; quotes and escapes are gone afterwards.

    :raises Refusal: 400 where it cannot be cut.
    """
    tokens, at = [], 0
    text = text.rstrip()
    while at < len(text):
        found = TOKEN.match(text, at)
        if found is None:
            raise invalid(f"Invalid filter: cannot read {text[at:]!r}.")
        kind = found.lastgroup or ""
        value = found[kind]
        tokens.append((kind, re.sub(r"\\(.)", r"\1", value[1:-1]) if kind == "text" else value))
        at = found.end()
    return tokens


def join(parts: list[Condition], word: str) -> Condition:
    """Join conditions by AND or OR."""
    if len(parts) == 1:
        return parts[0]
    return f"({word.join(part for part, _ in parts)})", [value for _, values in parts for value in values]


def fields(now: float) -> dict[str, Field]:
    """Return the fields that can be asked for, and how each is compared."""
    link = f"CASE WHEN {LIVE_LINK.format(now=float(now))} THEN {{column}} END"
    public_path, public_until = link.format(column="public_path"), link.format(column="public_until")
    return {
        "name": text_field("filename", partial=True),
        "file_name": text_field("filename", partial=True),
        "file_id": text_field("id", partial=False),
        "content_type": text_field("content_type", partial=True),
        "upload_status": text_field("'Complete'", partial=False),
        "user_defined_id": text_field("NULL", partial=False),
        "size_bytes": number_field("bytes", read_number),
        "created_at": number_field("created_at", read_time),
        "expires_at": number_field("expires_at", read_time),
        "public_url": text_field(public_path, partial=False, read=lambda url: urlsplit(url).path),
        "public_url_expires_at": number_field(public_until, read_time),
    }


def text_field(column: str, *, partial: bool, read: Callable[[str], str] = str) -> Field:
    """Return how a text is compared.

    :param partial: whether `=` finds a part of the text, in any case (`*` stands for anything).
    :param read: what to do with the value first.
    """

    def compare(name: str, sign: str, value: str | None) -> Condition:
        if value is None or (sign == ":" and value == "*"):
            return compare_null(name, column, "!=" if sign == ":" and value == "*" else sign)
        if sign in (">", ">=", "<", "<="):
            return f"{column} {sign} ?", [value]
        pattern = read(value) if sign != ":" or partial else f"*{value}*"
        if partial and "*" not in pattern:
            pattern = f"*{pattern}*"
        found = f"coalesce({column} LIKE ? ESCAPE '!', 0)" if "*" in pattern else f"coalesce({column} = ?, 0)"
        bound = as_like(pattern) if "*" in pattern else pattern
        return (f"NOT {found}" if sign == "!=" else found), [bound]

    return compare


def as_like(pattern: str) -> str:
    """Turn `*` into the `%` of SQL and make the rest literal."""
    return re.sub(r"([!%_])", r"!\1", pattern).replace("*", "%")


def number_field(column: str, read: Callable[[str, str], float]) -> Field:
    """Return how a number or a time is compared."""

    def compare(name: str, sign: str, value: str | None) -> Condition:
        if value is None or value == "*":
            return compare_null(name, column, "!=" if value == "*" else sign)
        return f"coalesce({column} {'=' if sign == ':' else sign} ?, 0)", [read(name, value)]

    return compare


def compare_null(name: str, column: str, sign: str) -> Condition:
    """Ask whether a field is there.

    :raises Refusal: 400 for an order, which null has not.
    """
    if sign not in ("=", "!="):
        raise invalid(f"Invalid filter: {name} can be compared with null by = and != only, not {sign}.")
    return f"{column} IS {'NOT ' if sign == '!=' else ''}NULL", []


def read_number(name: str, value: str) -> float:
    """Read a whole number.

    :raises Refusal: 400 if it is none.
    """
    if not re.fullmatch(r"[0-9]{1,18}", value):
        raise invalid(f"Invalid filter: {name} is compared with a whole number, not {value!r}.")
    return int(value)


def read_time(name: str, value: str) -> float:
    """Read an RFC 3339 time, as unix seconds.

    :raises Refusal: 400 if it is none.
    """
    try:
        moment = datetime.fromisoformat(re.sub("[zZ]$", "+00:00", value))
    except ValueError:
        raise invalid(
            f'Invalid filter: {name} is compared with an RFC 3339 time such as "2026-03-15T00:00:00Z", not {value!r}.'
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
