"""Storage rules of xAI Files: ids, names, lifetimes, and how a result is asked to be stored."""

from __future__ import annotations

import re
from typing import Any

from airflow_provider_grok.api import errors
from airflow_provider_grok.api.model import BillableModel, Link, Moment, ServerId

#: Shortest and longest life of a file or a link, in seconds.
SHORTEST_LIFE, LONGEST_LIFE = 3600, 30 * 24 * 3600
#: Longest filename, in characters.
NAME_LIMIT = 255

# Ids are the server's own affair; what cannot be one is what people put here by mistake: a path, a URL, a sentence.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:=+~@-]{0,254}")
_BAD_IN_NAME = re.compile(r'[\x00-\x1f\x7f\x85\u2028\u2029";\\]')


class FileOutput(BillableModel):
    """How a result was stored (docs.x.ai, Imagine: `file_output`).

    `public_url_error` says why a stored result has no link though one was asked for.
    """

    file_id: ServerId
    filename: str = ""
    expires_at: Moment = None
    public_url: Link = None
    public_url_expires_at: Moment = None
    public_url_error: str | None = None


def check_id(file_id: str) -> str:
    """Give back a file id that can stand in a path.

    :param file_id: an id as the API gave it.
    :raises InvalidRequest: for anything else, such as a URL or a path.
    """
    if isinstance(file_id, str) and _ID.fullmatch(file_id):
        return file_id
    raise errors.InvalidRequest(
        f"{errors.clean(repr(file_id), 100)} is no file id, such as file_0b9d6d3e: no blanks, no slashes. "
        "Give the id that GrokUploadOperator or a task that makes an asset returned."
    )


def check_filename(name: str) -> str:
    """Give back a filename that the API takes (docs.x.ai, Files API: upload).

    :param name: the name.
    :raises InvalidRequest: for an empty or too long one, or a forbidden character.
    """
    if not 0 < len(name) <= NAME_LIMIT:
        raise errors.InvalidRequest(
            f"filename has {len(name)} characters; 1 to {NAME_LIMIT} are allowed. Give a shorter `filename`."
        )
    if bad := _BAD_IN_NAME.search(name):
        raise errors.InvalidRequest(
            f"filename {name!r} contains {bad.group()!r}; control characters, line ends, double quotes, ';' and '\\' "
            "are not allowed. Give another `filename`."
        )
    return name


def check_life(seconds: int, what: str = "expires_after") -> int:
    """Give back a life, in seconds, that the API takes.

    :param seconds: the life.
    :param what: the argument's name, for the error.
    :raises InvalidRequest: for one under 1 hour or over 30 days.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not SHORTEST_LIFE <= seconds <= LONGEST_LIFE:
        raise errors.InvalidRequest(
            f"{what}={seconds!r} is not within {SHORTEST_LIFE} to {LONGEST_LIFE} whole seconds (1 hour to 30 days). "
            f"Give a {what} within that, or None for no end."
        )
    return seconds


def storage_options(
    filename: str, *, expires_after: int | None = None, public_url: bool | int | None = None
) -> dict[str, Any]:
    """Ask for a result to be stored in xAI Files (docs.x.ai, Imagine: `storage_options`).

    :param filename: name of the stored file.
    :param expires_after: its life in seconds, 3600 to 2592000; None: without end.
    :param public_url: True: a link as long-lived as the file; a number: a link that lives so many seconds.
    :raises InvalidRequest: for a bad name or life, or a link that outlives its file.
    """
    options: dict[str, Any] = {"filename": check_filename(filename)}
    if expires_after is not None:
        options["expires_after"] = check_life(expires_after)
    if public_url is True:
        options["public_url"] = True
    elif public_url is not None and public_url is not False:
        options["public_url"] = {"expires_after": _within(check_life(public_url, "public_url"), expires_after)}
    return options


def _within(link: int, file: int | None) -> int:
    if file is not None and link > file:
        raise errors.InvalidRequest(
            f"The public link would live {link} s and its file only {file} s. Shorten the link's life or lengthen "
            "the file's (`expires_after`)."
        )
    return link
