"""Captions of a review: texts in the order of the files, or texts that go with file ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_grok.operators.values import blank, fields, flat, unpacked


def captions_of(captions: Any, file: Any) -> dict[str, str]:
    """The caption of each file, by its id.

    :param captions: one text for each file; a dict of file ids and texts; or receipts, whose prompts are taken. Lists
        of dicts and of receipts are taken too.
    :param file: the files, in any shape. A place in it that holds none takes its text with it.
    :raises InvalidRequest: for texts without ids that are not as many as the files.
    """
    leaves = [fields(one) for one in flat(captions)]
    found: dict[str, str] = {}
    for leaf in leaves:
        if isinstance(leaf, Mapping):
            found |= _by_id(leaf)
    texts = [leaf for leaf in leaves if not isinstance(leaf, Mapping)]
    return {**_in_order(texts, captions, file), **found} if texts else found


def _by_id(leaf: Mapping[str, Any]) -> dict[str, str]:
    rows, request = leaf.get("files"), leaf.get("request")
    if isinstance(rows, list) and isinstance(request, Mapping):
        prompt = str(request.get("prompt") or "")
        return {str(row["file_id"]): prompt for row in rows if isinstance(row, Mapping) and row.get("file_id")}
    return {str(file_id).strip(): str(text) for file_id, text in leaf.items() if not blank(text)}


def _in_order(texts: list[Any], captions: Any, file: Any) -> dict[str, str]:
    from airflow_provider_grok.api.errors import InvalidRequest

    ids = flat(file)
    if len(texts) == len(ids):
        return _paired(ids, texts)
    # A picture that was taken away leaves a hole in the list of files; its text is left out with it.
    places, every = _leaves(file), _leaves(captions)
    if len(every) == len(places):
        return _paired(places, every)
    raise InvalidRequest(
        f"captions has {len(texts)} texts for {len(ids)} files. Give one for each, or texts that go with file ids: a "
        'dict {file_id: text}, or the receipts of the tasks that made the files, e.g. captions=edit.output["receipt"].'
    )


def _paired(ids: list[Any], texts: list[Any]) -> dict[str, str]:
    pairs = zip(ids, texts, strict=True)
    return {str(file_id).strip(): str(text) for file_id, text in pairs if not blank(file_id) and not blank(text)}


def _leaves(value: Any) -> list[Any]:
    """All leaves of a nest of lists, blank ones too."""
    value = unpacked(value)
    return [leaf for branch in value for leaf in _leaves(branch)] if isinstance(value, list) else [value]
