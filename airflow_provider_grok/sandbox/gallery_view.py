"""What a page of the gallery is made of: the sandbox's files now, and the addresses of the page's kind."""

from __future__ import annotations

import sqlite3
from functools import cached_property
from typing import Protocol
from urllib.parse import urlencode

from airflow_provider_grok.sandbox import gallery_files, public_urls
from airflow_provider_grok.sandbox.backend import Backend
from airflow_provider_grok.sandbox.filenames import extension
from airflow_provider_grok.sandbox.gallery_files import Entry, Run
from airflow_provider_grok.sandbox.lazy_media import PREFIX
from airflow_provider_grok.sandbox.page import Card, Frame, Group, Pages, Source, Tab, dollars
from airflow_provider_grok.sandbox.times import spell

PER_PAGE = 60
SHOWN_TYPES = ("image/png", "image/jpeg", "image/webp", "video/mp4")


class Addresses(Protocol):
    """Where the views and the bytes of a gallery are."""

    #: Whether public URLs of the sandbox work where this gallery is looked at.
    live: bool

    def view(self, name: str, page: int = 1, query: str = "") -> str:
        """Return the address of a page of a view."""

    def media(self, row: sqlite3.Row) -> str:
        """Return the address of a file's bytes."""


class LiveAddresses:
    """Those of the running sandbox."""

    live = True

    def view(self, name: str, page: int = 1, query: str = "") -> str:
        """Return the address of a page of a view."""
        asked = {"view": "" if name == "files" else name, "q": query, "page": page if page > 1 else ""}
        given = {key: value for key, value in asked.items() if value}
        return f"/?{urlencode(given)}" if given else "/"

    def media(self, row: sqlite3.Row) -> str:
        """Return the address of a file's bytes."""
        return f"/_sandbox/media/{row['id']}"


class CopyAddresses:
    """Those inside a static copy."""

    live = False

    def view(self, name: str, page: int = 1, query: str = "") -> str:
        """Return the address of a page of a view."""
        stem = "index" if name == "files" and page == 1 else name
        return f"{stem}.html" if page == 1 else f"{stem}-{page}.html"

    def media(self, row: sqlite3.Row) -> str:
        """Return the address of a file's bytes: named by its id, which is safe in any file system."""
        return f"media/{row['id']}{extension(row['filename'])}"


class View:
    """The state of the sandbox as one page shows it.

    :param base: scheme and host that public URLs begin with.
    """

    def __init__(self, backend: Backend, addresses: Addresses, base: str) -> None:
        self.backend = backend
        self.addresses = addresses
        self.base = base
        self.now = backend.clock.now()

    @cached_property
    def entries(self) -> list[Entry]:
        """All files that ever were, oldest first."""
        return gallery_files.entries(self.backend)

    @cached_property
    def alive(self) -> list[Entry]:
        """The files that are there, oldest first."""
        return [entry for entry in self.entries if gallery_files.is_alive(entry.row, self.now)]

    @cached_property
    def expired(self) -> list[Entry]:
        """The files that were deleted or have expired, oldest first."""
        return [entry for entry in self.entries if not gallery_files.is_alive(entry.row, self.now)]

    @cached_property
    def placed(self) -> list[tuple[Run, Entry]]:
        """The files that are there in the order of the page, each with its run."""
        return in_order(self.alive)

    @cached_property
    def places_of_files(self) -> dict[str, int]:
        """Where in that order each file stands."""
        return {entry.id: place for place, (_, entry) in enumerate(self.placed)}

    @cached_property
    def names(self) -> dict[str, str]:
        """The names of all files, by id."""
        return {entry.id: entry.row["filename"] for entry in self.entries}

    def href_of_file(self, file_id: str, shown: set[str] | None = None) -> str | None:
        """Return the way to a file's card; None if it is gone.

        :param shown: ids of the files on the page from which the way leads.
        """
        place = self.places_of_files.get(file_id)
        if place is None:
            return None
        page = "" if shown and file_id in shown else self.addresses.view("files", place // PER_PAGE + 1)
        return f"{page}#{file_id}"

    def groups(self, placed: list[tuple[Run, Entry]]) -> list[Group]:
        """Return the cards of a page, by run."""
        shown = {entry.id for _, entry in placed}
        runs = {id(run): run for run, _ in placed}
        cards: dict[int, list[Card]] = {key: [] for key in runs}
        for run, entry in placed:
            cards[id(run)].append(self.card(entry, shown))
        return [Group(run.title, run.note, cards[key]) for key, run in runs.items()]

    def card(self, entry: Entry, shown: set[str]) -> Card:
        """Return what the page shows of one file."""
        row, origin = entry.row, entry.origin
        shared = public_urls.is_active(row, self.now)
        return Card(
            file_id=entry.id,
            filename=row["filename"],
            content_type=row["content_type"],
            # What is still to be painted has no size yet.
            bytes=None if row["blob"].startswith(PREFIX) else row["bytes"],
            made=spell(row["created_at"]),
            ends=spell(row["expires_at"]),
            media=self.addresses.media(row) if row["content_type"] in SHOWN_TYPES else None,
            link=f"{self.base}{row['public_path']}" if shared else None,
            link_ends=spell(row["public_until"]) if shared else None,
            link_works=self.addresses.live,
            prompt=origin.get("prompt"),
            model=origin.get("model"),
            ticks=entry.ticks,
            task=entry.named[1],
            sources=[
                Source(self.names.get(source, source), self.href_of_file(source, shown))
                for source in origin.get("sources", [])
            ],
        )

    def frame(self, current: str) -> Frame:
        """Return what is around every view.

        :param current: name of the view.
        """
        count = self.backend.store.rows
        counts = {
            "files": len(self.alive),
            "jobs": count("SELECT count(*) AS n FROM jobs")[0]["n"],
            "batches": count("SELECT count(*) AS n FROM batches")[0]["n"],
            "charges": count("SELECT count(*) AS n FROM charges")[0]["n"],
            "requests": count("SELECT count(*) AS n FROM requests")[0]["n"],
            "faults": len(self.backend.faults.list),
            "expired": len(self.expired),
        }
        shared = sum(public_urls.is_active(entry.row, self.now) for entry in self.alive)
        facts = [
            f"{dollars(self.backend.ledger.total_ticks)} billed",
            f"{shared} public links",
            f"{spell(self.now)} UTC by its clock",
        ]
        tabs = [Tab(name, self.addresses.view(name), n, name == current) for name, n in counts.items()]
        return Frame(facts, tabs)

    def pages(self, name: str, number: int, count: int, query: str = "") -> Pages:
        """Return where a page stands.

        :param number: of the page, from 1.
        :param count: how many things all pages hold.
        """
        last = max(1, -(-count // PER_PAGE))
        before = self.addresses.view(name, number - 1, query) if number > 1 else None
        after = self.addresses.view(name, number + 1, query) if number < last else None
        return Pages(number, last, before, after)


def in_order(alive: list[Entry]) -> list[tuple[Run, Entry]]:
    """Return files in the order of the page, each with its run."""
    return [(run, entry) for run in gallery_files.runs_of(alive) for entry in run.entries]
