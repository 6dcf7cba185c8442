"""The simulated Files API: what is stored, and what a list or a question by id shows of it, truly or not."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from tests.model.messages import TEAMS, Request, Response, answered, refused
from tests.model.world import BEGINNING, World

#: The stored picture that tasks edit.
SOURCE = "file_source"
_FILTER = re.compile(r'\s*(?:name|file_name)\s*[=:]\s*"((?:[^"\\]|\\.)*)"\s*')


@dataclass
class StoredFile:
    """A stored file.

    :param asked: the name that it was to have.
    :param name: the name that the server gave it.
    :param listed_from: unix seconds from which lists show it.
    :param known_from: unix seconds from which it can be asked for by its id.
    :param job_id: the job that made it, or whose result it holds.
    """

    id: str
    team: str
    asked: str
    name: str
    created: float
    listed_from: float
    known_from: float
    expires_at: int | None = None
    job_id: str = ""
    public_url: str | None = None
    public_url_expires_at: int | None = None
    deleted: float | None = None
    content: bytes = b""

    def alive(self, now: float) -> bool:
        """Whether it exists."""
        return self.deleted is None and (self.expires_at is None or self.expires_at > now)

    def shown(self) -> dict[str, Any]:
        """As the API shows it."""
        shown: dict[str, Any] = {"id": self.id, "object": "file", "created_at": int(self.created)}
        shown["bytes"] = len(self.content) or 1000
        shown |= {"filename": self.name, "purpose": "", "expires_at": self.expires_at}
        if self.public_url:
            shown |= {"public_url": self.public_url, "public_url_expires_at": self.public_url_expires_at}
        return shown


@dataclass(frozen=True)
class Look:
    """One list of files that a task was given: what checkers need to know of it.

    :param sender: who asked.
    :param at: unix seconds.
    :param filter: the filter.
    :param shown: ids of the files in the answer.
    """

    sender: str
    at: float
    filter: str | None
    shown: frozenset[str]


@dataclass
class Listings:
    """All files of all teams.

    :param world: time and chances.
    """

    world: World
    stored: dict[str, StoredFile] = field(default_factory=dict)
    looks: list[Look] = field(default_factory=list)
    _last: Look | None = None

    def __post_init__(self) -> None:
        for number in range(self.world.options.strangers):
            created = BEGINNING - 60.0 * (number + 1)
            self._put(StoredFile(f"file_s{number}", "team-1", "", f"other-{number}.png", created, 0.0, 0.0))

        # A picture that was stored just now, for tasks that edit one.
        options = self.world.options
        self._put(StoredFile(SOURCE, "team-1", "", "source.png", BEGINNING, 0.0, BEGINNING + options.source_404))

    def _put(self, file: StoredFile) -> StoredFile:
        self.stored[file.id] = file
        return file

    def add(self, team: str, name: str, created: float, expires_after: int | None, job_id: str) -> StoredFile:
        """Store a file.

        :param team: whose it is.
        :param name: the name that it is to have.
        :param created: unix seconds of its storing.
        :param expires_after: its life in seconds.
        :param job_id: the job that made it.
        """
        options = self.world.options
        calm = self.world.calm
        return self._put(
            StoredFile(
                f"file_{len(self.stored)}",
                team,
                name,
                changed(name, options.names, options.cut_key),
                created,
                created + (0.0 if calm else options.list_lag),
                created + (0.0 if calm else options.file_404),
                None if expires_after is None else int(created + expires_after),
                job_id,
            )
        )

    def link(self, file: StoredFile, asked: Any) -> None:
        """Give a file a public link.

        :param file: the file.
        :param asked: True, or an object with `expires_after`.
        """
        seconds = asked.get("expires_after") if isinstance(asked, dict) else None
        file.public_url = file.public_url or f"https://files-cdn.x.ai/t/{file.id}.jpg"
        file.public_url_expires_at = file.expires_at if seconds is None else int(self.world.now + seconds)

    def settle_look(self, *, arrived: bool) -> None:
        """Keep the last list that was answered, if it reached who had asked for it.

        :param arrived: whether it did.
        """
        if self._last is not None and arrived:
            self.looks.append(self._last)
        self._last = None

    # -- what is asked ------------------------------------------------------------------------------------------------

    def page(self, request: Request) -> Response:
        """A page of a list."""
        wanted = request.query.get("filter")
        if wanted is not None and self.world.options.list_filter == "refused":
            return refused(400, "invalid-argument", "filter is not supported")
        team, now = TEAMS[request.key], self.world.now
        files = [
            file
            for file in self.stored.values()
            if file.team == team and file.alive(now) and file.listed_from <= now and self.matches(file.name, wanted)
        ]
        files.sort(key=lambda file: (-file.created, file.id))
        size = min(int(request.query.get("limit", 100)), self.world.options.page)
        start = int(request.query.get("pagination_token") or 0)
        if start and self.world.chance("list repeats", self.world.options.list_repeats):
            start = 0
        page = self._disturbed(files[start : start + size])
        if size > 1:
            # A page of one file asks whether the API is there, and looks for nothing.
            self._last = Look(request.sender, now, wanted, frozenset(file.id for file in page))
        # The token is a place in the list: what is stored meanwhile moves the list under the reader.
        return answered(200, {"data": [file.shown() for file in page], "pagination_token": str(start + size)})

    def _disturbed(self, page: list[StoredFile]) -> list[StoredFile]:
        options = self.world.options
        if self.world.chance("list is empty", options.list_empty):
            return []
        return [file for file in page if not self.world.chance("list drops", options.list_drops)]

    def matches(self, name: str, wanted: str | None) -> bool:
        """Whether a filter lets a name through.

        :param name: name of a file.
        :param wanted: the filter; None: everything.
        """
        return wanted is None or _matches(name, wanted, self.world.options.list_filter)

    def one(self, request: Request) -> Response:
        """A file by its id, or its deletion."""
        file = self.stored.get(request.path.split("/")[2])
        there = file is not None and file.team == TEAMS[request.key] and file.alive(self.world.now)
        if there and request.method == "GET" and self._hidden(file):
            there = False
        if file is None or not there:
            return refused(404, "not-found", "File not found")
        if request.path.endswith("/content"):
            return Response(200, file.content, "application/octet-stream")
        if request.method == "DELETE":
            file.deleted = self.world.now
            return answered(200, {"id": file.id, "object": "file", "deleted": True})
        return answered(200, self._current(file).shown())

    def _hidden(self, file: StoredFile | None) -> bool:
        assert file is not None
        if not self.world.calm and self.world.now < file.known_from:
            return True
        return self.world.chance("file is a passing 404", self.world.options.file_404_later)

    def _current(self, file: StoredFile) -> StoredFile:
        if file.public_url_expires_at is not None and file.public_url_expires_at <= self.world.now:
            file.public_url = file.public_url_expires_at = None
        return file

    def is_usable(self, file_id: str, team: str) -> bool:
        """Whether a file can be a source: one that was stored just now may not be known yet.

        :param file_id: the file.
        :param team: who asks.
        """
        file = self.stored.get(file_id)
        return file is not None and file.team == team and file.alive(self.world.now) and not self._hidden(file)

    def share(self, request: Request) -> Response:
        """A public link for a file."""
        file = self.stored.get(request.path.split("/")[2])
        if file is None or file.team != TEAMS[request.key] or not file.alive(self.world.now) or self._hidden(file):
            return refused(404, "not-found", "File not found")
        self.link(self._current(file), dict(request.body))
        return answered(200, {"public_url": file.public_url, "expires_at": file.public_url_expires_at})


def changed(name: str, how: str, cut_key: bool) -> str:
    """A name as the server keeps it.

    :param name: the name that was asked for.
    :param how: one of `options.NAME_CHANGES`, or an empty string.
    :param cut_key: whether it is cut within the key.
    """
    stem, dot, ending = name.rpartition(".")
    if cut_key:
        return stem[:-6]
    changes = {
        "lower": name.lower(),
        "dots": f"{stem.replace('.', '_')}{dot}{ending}",
        "copy": f"{stem} (1){dot}{ending}",
        "ending": stem,
        "trim": name.strip().strip("."),
        "unicode": unicodedata.normalize("NFKD", name),
        "short": f"{stem}"[:90],
    }
    return changes.get(how, name)


@lru_cache(maxsize=100_000)
def _matches(name: str, wanted: str, how: str) -> bool:
    found = _FILTER.fullmatch(wanted)
    if not found:
        return True
    text = re.sub(r"\\(.)", r"\1", found[1])
    if how == "words":
        return bool(set(_words(text)) & set(_words(name)))
    return _flat(text) in _flat(name)


def _flat(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", unicodedata.normalize("NFKC", text).lower())


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[^A-Za-z0-9]+", text.lower()) if len(word) > 5]
