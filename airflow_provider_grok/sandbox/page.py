"""How the gallery looks: plain HTML, no script, nothing from elsewhere. All texts of users are escaped here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Any

TICKS_PER_USD = 10_000_000_000

STYLE = """
:root { --ink: #16181d; --soft: #667085; --line: #e4e7ec; --paper: #fff; --ground: #f5f6f8; --mark: #175cd3; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #eceef2; --soft: #98a2b3; --line: #2c323d; --paper: #1a1e26; --ground: #12151b; --mark: #84adff; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 32px 24px 64px; }
header { display: flex; flex-wrap: wrap; gap: 8px 32px; align-items: baseline; margin-bottom: 24px; }
h1 { font-size: 24px; margin: 0; } h2 { font-size: 17px; margin: 40px 0 12px; }
.soft, dt { color: var(--soft); } b { font-weight: 600; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(270px, 1fr)); gap: 18px; }
.card { background: var(--paper); border: 1px solid var(--line); border-radius: 12px; overflow: hidden; }
.card:target { outline: 3px solid var(--mark); }
.card img, .card video { display: block; width: 100%; height: 220px; object-fit: contain; background: #8881; }
.blank { height: 220px; display: grid; place-items: center; color: var(--soft); background: #8881; }
.text { padding: 12px 16px 14px; } .text h3 { margin: 0 0 4px; font-size: 15px; overflow-wrap: anywhere; }
.text p { margin: 4px 0; overflow-wrap: anywhere; } .prompt { font-style: italic; }
.id, td { font-family: ui-monospace, monospace; font-size: 12px; overflow-wrap: anywhere; }
a { color: var(--mark); text-decoration: none; } a:hover { text-decoration: underline; }
.scroll { overflow-x: auto; background: var(--paper); border: 1px solid var(--line); border-radius: 12px; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: 7px 14px; white-space: nowrap; }
th { font-weight: 600; color: var(--soft); font-size: 13px; } tr + tr td { border-top: 1px solid var(--line); }
"""


@dataclass(frozen=True)
class Card:
    """One file. Times are texts in UTC, or None for no end."""

    file_id: str
    filename: str
    content_type: str
    bytes: int
    made: str | None
    ends: str | None
    media: str | None
    link: str | None
    link_ends: str | None
    prompt: str | None
    model: str | None
    sources: list[tuple[str, str, bool]]  # id, name, still there


@dataclass(frozen=True)
class Gallery:
    """Everything on the page."""

    when: str | None
    cards: list[Card]
    requests: list[tuple[Any, ...]]
    charges: list[tuple[Any, ...]]
    total_ticks: int


def render(gallery: Gallery) -> str:
    """Return the page."""
    shared = sum(card.link is not None for card in gallery.cards)
    facts = (
        f"<b>{len(gallery.cards)}</b> files",
        f"<b>{shared}</b> public links",
        f"<b>{dollars(gallery.total_ticks)}</b> billed",
        f"{escape(gallery.when or '')} UTC by its clock",
    )
    cards = "".join(map(show, gallery.cards)) or '<p class="soft">No files yet.</p>'
    charges = [(at, path, model, dollars(ticks), ticks, id) for at, path, model, ticks, id in reversed(gallery.charges)]
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Grok sandbox</title><style>{STYLE}</style></head><body><main>
<header><h1>Grok sandbox</h1>{"".join(f'<span class="soft">{fact}</span>' for fact in facts)}</header>
<section class="cards">{cards}</section>
<h2>Charges</h2>{table(("time", "endpoint", "model", "cost", "ticks", "id"), charges)}
<h2>Latest requests</h2>{table(("time", "method", "path", "status"), gallery.requests)}
</main></body></html>
"""


def show(card: Card) -> str:
    """Return the HTML of one file."""
    lines = [f'<p class="prompt">{escape(card.prompt)}</p>' if card.prompt else ""]
    if card.sources:
        lines.append(f"<p>made from {', '.join(show_source(*source) for source in card.sources)}</p>")
    elif card.model:
        lines.append("<p>made from words alone</p>")
    if card.model:
        lines.append(f'<p class="soft">by {escape(card.model)}</p>')
    if card.link:
        end = f"until {card.link_ends}" if card.link_ends else "no end"
        lines.append(f'<p><a href="{escape(card.link)}">public link</a> <span class="soft">{escape(end)}</span></p>')
    end = f", expires {card.ends}" if card.ends else ""
    lines.append(f'<p class="soft">{size(card.bytes)} {escape(card.content_type)}, {escape(f"{card.made}{end}")}</p>')
    return (
        f'<article class="card" id="{escape(card.file_id)}">{show_media(card)}<div class="text">'
        f'<h3>{escape(card.filename)}</h3><p class="id soft">{escape(card.file_id)}</p>{"".join(lines)}</div></article>'
    )


def show_source(file_id: str, filename: str, there: bool) -> str:
    """Return the way to a source, or its name if it is gone."""
    if there:
        return f'<a href="#{escape(file_id)}">{escape(filename)}</a>'
    return f'{escape(filename)} <span class="soft">(gone)</span>'


def show_media(card: Card) -> str:
    """Return the picture or film of a file."""
    if card.media is None:
        return f'<div class="blank">{escape(card.content_type)}</div>'
    address = escape(card.media)
    if card.content_type == "video/mp4":
        return f'<video controls preload="metadata" src="{address}"></video>'
    return f'<a href="{address}"><img loading="lazy" alt="{escape(card.filename)}" src="{address}"></a>'


def table(heads: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return a table."""
    body = "".join(f"<tr>{''.join(f'<td>{escape(text(cell))}</td>' for cell in row)}</tr>" for row in rows)
    if not body:
        return '<p class="soft">None yet.</p>'
    return f'<div class="scroll"><table><tr>{"".join(f"<th>{head}</th>" for head in heads)}</tr>{body}</table></div>'


def text(cell: Any) -> str:
    """Return a cell's text; nothing for a lost answer's status."""
    return "lost" if cell is None else str(cell)


def size(count: int) -> str:
    """Return a number of bytes to read."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


def dollars(ticks: int) -> str:
    """Return an amount to read."""
    return f"${ticks / TICKS_PER_USD:.4f}"
