"""How the gallery looks: values in, HTML out, by the templates beside this file. No script, nothing from elsewhere.

Texts of users (names, prompts, paths) are escaped by Jinja2's autoescape; nothing here or there marks a text as safe.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TICKS_PER_USD = 10_000_000_000


@dataclass(frozen=True)
class Source:
    """What a file was made from.

    :param href: the way to its card; None if it is gone.
    """

    filename: str
    href: str | None


@dataclass(frozen=True)
class Card:
    """One file. Times are texts in UTC, or None for no end or not known.

    :param media: address of its bytes; None for what is neither picture nor film.
    :param link: its public URL.
    :param link_works: whether to make the public URL clickable: in a static copy the sandbox's own would lead nowhere.
    :param ticks: its share of what the request cost, in 1e-10 US dollars.
    """

    file_id: str
    filename: str
    content_type: str
    bytes: int | None
    made: str | None
    ends: str | None
    media: str | None
    link: str | None
    link_ends: str | None
    prompt: str | None
    model: str | None
    link_works: bool = True
    ticks: int | None = None
    task: str | None = None
    sources: list[Source] = field(default_factory=list)


@dataclass(frozen=True)
class Group:
    """Cards that belong together."""

    title: str
    note: str
    cards: list[Card]


@dataclass(frozen=True)
class Tab:
    """A way to another view."""

    name: str
    href: str
    count: int | None
    current: bool


@dataclass(frozen=True)
class Frame:
    """What is around every view."""

    facts: list[str]
    tabs: list[Tab] = field(default_factory=list)
    title: str = "Grok sandbox"


@dataclass(frozen=True)
class Pages:
    """Where a page stands among its like; addresses are None at the ends."""

    number: int = 1
    last: int = 1
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True)
class Search:
    """The search field: where it leads, what was asked, how many files were found."""

    action: str
    query: str
    found: int


@dataclass(frozen=True)
class FirstSteps:
    """What an empty gallery teaches.

    :param connection: the line that makes the Airflow connection.
    """

    connection: str
    url: str
    root: str
    api_key: str


@dataclass(frozen=True)
class Cell:
    """A text in a table, and the way it leads."""

    text: str
    href: str | None = None


@dataclass(frozen=True)
class Table:
    """A view that is a table."""

    note: str
    heads: tuple[str, ...]
    rows: list[list[Cell]]


def render_files(
    frame: Frame,
    groups: list[Group],
    *,
    pages: Pages | None = None,
    search: Search | None = None,
    first_steps: FirstSteps | None = None,
) -> str:
    """Return the page of files."""
    template = templates().get_template("files.html")
    return template.render(frame=frame, groups=groups, pages=pages or Pages(), search=search, first_steps=first_steps)


def render_table(frame: Frame, table: Table, *, pages: Pages | None = None) -> str:
    """Return a page with a table."""
    return templates().get_template("table.html").render(frame=frame, table=table, pages=pages or Pages())


@lru_cache(maxsize=1)
def templates() -> Environment:
    """Return the templates, compiled once."""
    loader = FileSystemLoader(Path(__file__).with_name("templates"))
    found = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    found.filters.update(dollars=dollars, size=size)
    return found


def size(count: int) -> str:
    """Return a number of bytes to read."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


def dollars(ticks: int) -> str:
    """Return an amount to read."""
    return f"${ticks / TICKS_PER_USD:.4f}"
