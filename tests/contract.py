"""The API's contract as its OpenAPI file has it (`contract.json`): what is wrong with a request, or with an answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

_CONTRACT = Path(__file__).with_name("contract.json")
#: What is sent as JSON; a file goes as multipart, and its form is the sandbox's to check.
_JSON = "application/json"


def request_breaches(method: str, path: str, query: Mapping[str, str], body: Any) -> list[str]:
    """What the API would not know about a request: endpoint, query, fields, types, bounds.

    :param path: with `/v1`, without query
    :param body: the JSON body; None for none
    """
    operation = _operation(method, path)
    if operation is None:
        return [f"there is no {method} {path}"]
    wrong = [f"query {name}={value!r}" for name, value in query.items() if not _fits(operation["query"], name, value)]
    if body is None:
        return wrong
    schema = operation.get("bodies", {}).get(_JSON)
    return [*wrong, *(_errors(schema, body) if schema else ["it takes no JSON body"])]


def answer_breaches(method: str, path: str, status: int, body: bytes) -> list[str]:
    """What the API would not answer: fields, types, and errors in none of its forms.

    :param path: with `/v1`, without query
    :param body: the answer's bytes, JSON
    """
    operation = _operation(method, path)
    answers = operation["answers"] if operation and status < 400 else {}
    schema = answers.get(str(status)) or ({"$ref": "#/components/schemas/ErrorBody"} if status >= 400 else None)
    if schema is None:
        return [f"{method} {path} is not answered with {status}"]
    return _errors(schema, json.loads(body))


def journal_breaches(journal: Iterable[Mapping[str, Any]]) -> list[str]:
    """What the API would not know about the requests that a sandbox took.

    :param journal: its requests
    """
    return [
        f"{one['method']} {one['path']}: {breach}"
        for one in journal
        if one["path"].startswith("/v1/") and (one["status"] or 500) < 300
        for breach in request_breaches(one["method"], one["path"], one["query"], one["json"])
    ]


def _fits(known: Mapping[str, Any], name: str, value: str) -> bool:
    if name not in known:
        return False
    typed = int(value) if known[name]["type"] == "integer" and value.isdecimal() else value
    return not _errors(known[name], typed)


@cache
def _contract() -> dict[str, Any]:
    contract: dict[str, Any] = _strict(json.loads(_CONTRACT.read_text(encoding="utf-8")))
    return contract


def _strict(node: Any) -> Any:
    """No fields but the known ones; and what fits two forms of an error is an error all the same."""
    if isinstance(node, list):
        return [_strict(one) for one in node]
    if not isinstance(node, dict):
        return node
    found = {("anyOf" if name == "oneOf" else name): _strict(value) for name, value in node.items()}
    return {"additionalProperties": False, **found} if node.get("type") == "object" and "properties" in node else found


@cache
def _operation(method: str, path: str) -> dict[str, Any] | None:
    for name, operation in _contract()["operations"].items():
        pattern = re.sub(r"\\{\w+\\}", "[^/:]+", re.escape(name))
        if re.fullmatch(pattern, f"{method} {path}"):
            found: dict[str, Any] = operation
            return found
    return None


def _errors(schema: Mapping[str, Any], value: Any) -> list[str]:
    validator = Draft202012Validator({**schema, "components": _contract()["components"]})
    return [f"{error.json_path}: {error.message}"[:300] for error in validator.iter_errors(value)]
