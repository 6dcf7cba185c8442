"""The demo with a real key: what it will cost, whether that is wanted, and the results as a page on disk."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_grok.demo.table import dollars

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence
    from pathlib import Path

    from airflow_provider_grok.demo.table import Row
    from airflow_provider_grok.sandbox.page import Card

KEY_VARIABLE = "XAI_API_KEY"
#: The main example, and what it buys: so many edits, each like the one below.
DAG_ID = "product_shots"
EDITS = 15
EDIT = {"model": "grok-imagine-image-2.0", "quality": "medium", "resolution": "1k", "image": {"file_id": "file_..."}}


@dataclass(frozen=True, repr=False)
class Account:
    """Where to ask, and as whom.

    :param base_url: of the API.
    :param key: never shown.
    """

    base_url: str
    key: str


def account(options: Namespace) -> Account | None:
    """The account to pay from; None, and a word why, where there is no key.

    :param options: of the command line.
    """
    from airflow_provider_grok.api.endpoint import DEFAULT_BASE_URL

    key = os.environ.get(KEY_VARIABLE, "").strip()
    if key:
        return Account(options.base_url or DEFAULT_BASE_URL, key)
    sys.stderr.write(f"--real needs an API key in the environment variable {KEY_VARIABLE} (console.x.ai makes one).\n")
    return None


def estimate() -> int:
    """What the demo will cost, in ticks of 1e-10 US dollars, by the package's table of prices."""
    from airflow_provider_grok.api.prices import image_ticks

    return EDITS * (image_ticks(EDIT) or 0)


def agreed(options: Namespace, account: Account) -> bool:
    """Say what it will cost, and ask; without a terminal only `--yes` is an answer.

    :param options: of the command line.
    :param account: who pays.
    """
    from airflow_provider_grok.api.prices import PRICED_ON

    sys.stdout.write(
        f"{EDITS} edits at {account.base_url} will cost about {dollars(estimate())} "
        f"({EDIT['model']}, {EDIT['quality']}, {EDIT['resolution']}; prices of {PRICED_ON}).\n"
    )
    sys.stdout.flush()
    if options.yes:
        return True
    if not sys.stdin.isatty():
        sys.stderr.write("Nobody is there to ask, so nothing was sent. Add --yes to pay without being asked.\n")
        return False
    return input("Go on? [y/N] ").strip().lower() in ("y", "yes")


def write_gallery(account: Account, rows: Sequence[Row], folder: Path) -> Path:
    """Fetch the files and lay them out like the sandbox's gallery; return the page.

    :param account: who may read them.
    :param rows: the files.
    :param folder: where to.
    """
    from airflow_provider_grok.api import files, wire
    from airflow_provider_grok.api.endpoint import Endpoint
    from airflow_provider_grok.sandbox import page

    endpoint = Endpoint(base_url=account.base_url, key=account.key)
    (folder / "media").mkdir(parents=True, exist_ok=True)
    names = {row.file_id: row.filename for row in rows}
    cards = []
    for row in rows:
        media = f"media/{row.file_id}.{row.filename.rpartition('.')[2]}"
        wire.run(endpoint, files.content(row.file_id, folder / media))
        cards.append(_card(row, media, (folder / media).stat().st_size, names))
    total = page.dollars(sum(row.ticks for row in rows))
    frame = page.Frame([f"{len(rows)} files", f"{total} billed"], title="airflow-grok demo")
    index = folder / "index.html"
    index.write_text(page.render_files(frame, [page.Group(f"DAG {DAG_ID}", "", cards)]), encoding="utf-8")
    return index


def _card(row: Row, media: str, size: int, names: dict[str, str]) -> Card:
    from airflow_provider_grok.sandbox.page import Card, Source

    return Card(
        file_id=row.file_id,
        filename=row.filename,
        content_type="image/png" if media.endswith(".png") else "image/jpeg",
        bytes=size,
        made=None,
        ends=None,
        media=media,
        link=row.link,
        link_ends=None,
        prompt=row.prompt,
        model=None,
        ticks=row.ticks or None,
        task=row.task,
        sources=[
            Source(names.get(source, source), f"#{source}" if source in names else None) for source in row.sources
        ],
    )
