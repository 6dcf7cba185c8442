"""Arguments as templates leave them: text of numbers, nested and lazy lists, made into what the API functions take."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping
from typing import Any

#: Fields of a request that hold one source, and those that hold several things.
ONE_SOURCE = frozenset({"image", "video", "last_frame"})
SEVERAL = frozenset({"images", "reference_images", "reference_audios", "keyframes"})


def blank(value: Any) -> bool:
    """Whether an argument was left out, or rendered to nothing.

    :param value: the argument.
    """
    return value is None or (isinstance(value, str) and value.strip() in ("", "None"))


def given(value: Any) -> Any:
    """The argument, or None where it was left out or rendered to nothing.

    :param value: the argument.
    """
    return None if blank(value) else value


def named(value: Any) -> str | None:
    """A name as text, or None where it was left out or rendered to nothing.

    :param value: the argument.
    """
    return None if blank(value) else str(value)


def truth(name: str, value: Any) -> bool:
    """Read a yes or no.

    :param name: the argument's name, for the error.
    :param value: a bool, or text of one.
    :raises InvalidRequest: for anything else.
    """
    from airflow_provider_grok.api.errors import InvalidRequest

    words = {"true": True, "false": False}
    read = words.get(str(value).strip().lower())
    if read is None:
        raise InvalidRequest(f"{name}={value!r} is neither True nor False.")
    return read


def unpacked(value: Any) -> Any:
    """Text of a list, as a template renders one, as the list; a lazy or other sequence as a list; else the value.

    :param value: the argument.
    """
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("[") and text.endswith("]"):
            return _literal(text)
        return value
    if isinstance(value, Iterable) and not isinstance(value, dict | bytes | bytearray | memoryview):
        return list(value)
    return value


def rendered_fields(values: Mapping[str, Any], *, needs_prompt: bool = True) -> dict[str, Any]:
    """Fields of a request as templates leave them, as the API's body functions take them.

    Operators and requests of a batch are read by this one function, so that equal words make equal bodies.

    :param values: the arguments by name.
    :param needs_prompt: whether a blank prompt is a mistake, and not merely left out.
    :raises InvalidRequest: for a `generate_audio` that is neither True nor False.
    """
    read = {name: _field(name, value) for name, value in values.items()}
    if not needs_prompt and "prompt" in read:
        read["prompt"] = given(read["prompt"])
    return read


def _field(name: str, value: Any) -> Any:
    if name in ONE_SOURCE:
        return value if isinstance(value, tuple) else unpacked(given(value))
    if name in SEVERAL:
        _refuse_pair(name, value)
        return None if blank(value) else flat(value)
    if name == "generate_audio":
        return blank(value) or truth(name, value)
    if name == "n":
        return 1 if blank(value) else value
    # What is blank here is a mistake, and told as it was given.
    return value if name in ("prompt", "model") else given(value)


def _refuse_pair(name: str, value: Any) -> None:
    from airflow_provider_grok.api.errors import InvalidRequest

    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str) and not isinstance(value[1], str):
        raise InvalidRequest(
            f"{name}= got a pair of a key ({value[0][:60]!r}) and a value, as .expand() over a dict gives. Expand over "
            "a list, such as list(your_dict.values())."
        )


def refuse_secret(value: Any, key: str) -> None:
    """Refuse a rendered request that holds the connection's key: a template in a prompt can name it.

    :param value: the request: text, or dicts and lists of it.
    :param key: the key; one so short that it is a word like any other is not looked for.
    :raises InvalidRequest: naming where it stands, and not repeating it.
    """
    from urllib.parse import unquote

    from airflow_provider_grok.api.endpoint import SHORTEST_SECRET
    from airflow_provider_grok.api.errors import InvalidRequest

    rest: list[tuple[Any, str]] = [(value, "")] if len(key) >= SHORTEST_SECRET else []
    while rest:
        item, path = rest.pop()
        if isinstance(item, Mapping):
            rest += [(one, f"{path}.{name}" if path else str(name)) for name, one in item.items()]
            rest += [(name, f"{path or 'request'} (a name)") for name in item]
        elif isinstance(item, list | tuple):
            rest += [(one, f"{path}[{index}]") for index, one in enumerate(item)]
        elif isinstance(item, str) and (key in item or key in unquote(item)):
            where = path.replace(key, "***") or "The request"
            raise InvalidRequest(
                f"{where} holds the API key of the connection. A template has put it there: take it out. Values that "
                "come by .expand_kwargs(...) are rendered too; give them by .expand(...). Nothing was sent."
            )


def fields(value: Any) -> Any:
    """A dict of fields, also from text of one as a template renders it; None where it was left out.

    :param value: the argument.
    """
    if isinstance(value, str) and value.strip().startswith("{"):
        return _literal(value.strip())
    return given(value)


def _literal(text: str) -> Any:
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return text


def flat(value: Any) -> list[Any]:
    """One value or any nest of lists as a flat list, without what is None or empty.

    :param value: text, a list, nested lists, a mapped task's lazy output, or None.
    """
    value = unpacked(value)
    if isinstance(value, list):
        return [leaf for branch in value for leaf in flat(branch)]
    return [] if blank(value) else [value]


def is_many(value: Any) -> bool:
    """Whether an argument is a list of some kind, so that the result is one too.

    :param value: the argument.
    """
    return value is None or isinstance(unpacked(value), list)


def in_shape(value: Any, results: list[Any]) -> Any:
    """Results in the shape of the argument they came from: one for one, a flat list for a list.

    :param value: the argument.
    :param results: one for each value in it.
    """
    return results if is_many(value) else results[0] if results else None
