"""Orphans: stored files and batches that bear the token of a purchase which no finished task has.

A task that was killed and never run again leaves some; so does a run that was deleted, and a script outside Airflow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from airflow_provider_grok.api import batches, files, prices
from airflow_provider_grok.api.call import Flow, Now
from airflow_provider_grok.flows.purchases.key import KEY_LENGTH

_TOKEN = re.compile(rf"\.([0-9a-f]{{{KEY_LENGTH}}})(?=\.|\Z)")
#: What is taken for the request that made a file of unknown history.
_PICTURE = {"model": "grok-imagine-image-2.0", "image": {}, "quality": "medium"}
_FILM = {"model": "grok-imagine-video-1.5"}


@dataclass(frozen=True)
class Claims:
    """What tasks have, by their records.

    :param ids: files and batches that finished tasks have.
    :param batches: tokens of batches that finished tasks submitted: all their results are somebody's.
    :param unfinished: tokens of purchases that are not finished, and the task of each, in words.
    :param ticks: what a purchase cost, by its token, in ticks of 1e-10 USD.
    """

    ids: frozenset[str] = frozenset()
    batches: frozenset[str] = frozenset()
    unfinished: Mapping[str, str] = field(default_factory=dict)
    ticks: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, claimed: Claims | Iterable[str] | None) -> Claims:
        """Claims out of what a caller has: all of them, or ids alone.

        :param claimed: claims, ids of files and batches, or None for no claim at all.
        """
        return claimed if isinstance(claimed, Claims) else cls(frozenset(claimed or ()))


@dataclass(frozen=True)
class Orphan:
    """A file or batch that nobody has.

    :param kind: file or batch.
    :param id: its id.
    :param name: its name.
    :param created_at: unix seconds.
    :param ticks: what it cost, estimated, in ticks of 1e-10 USD.
    :param state: of a batch: running, finished, ...; of a file: stored.
    :param task: the unfinished task that would take it if it ran again; None: no task would.
    """

    kind: Literal["file", "batch"]
    id: str
    name: str
    created_at: float
    ticks: int
    state: str
    task: str | None = None

    @property
    def running(self) -> bool:
        """Whether it still costs money that a cancel would save."""
        return self.kind == "batch" and self.state in ("running", "loading", "empty")


def token_of(name: str) -> str | None:
    """The token of a purchase in the name of a file or batch; None where there is none.

    :param name: the name.
    """
    found = _TOKEN.findall(name)
    return found[-1] if found else None


def listing(claims: Claims, older_than: float = 0.0) -> Flow[list[Orphan]]:
    """List what bears a token of ours and belongs to no finished task, oldest first.

    :param claims: what tasks have.
    :param older_than: only what was made so many seconds ago.
    """
    now: float = yield Now()
    found = [_batch(batch, claims, now) for batch in (yield from batches.listing())]
    found += [_file(file, claims) for file in (yield from files.listing())]
    old = [one for one in found if one and one.created_at <= now - older_than]
    return sorted(old, key=lambda one: (one.created_at, one.id))


def _batch(batch: batches.Batch, claims: Claims, now: float) -> Orphan | None:
    token = token_of(batch.name)
    if token is None or batch.batch_id in claims.ids or token in claims.batches:
        return None
    made = batches.moment(batch.create_time) or 0.0
    ticks = batch.ticks if batch.ticks is not None else claims.ticks.get(token)
    if ticks is None:
        ticks = batch.state.num_requests * (prices.image_ticks(_PICTURE) or 0)
    task = claims.unfinished.get(token)
    return Orphan("batch", batch.batch_id, batch.name, made, ticks, batch.status(now), task)


def _file(file: files.File, claims: Claims) -> Orphan | None:
    token = token_of(file.filename)
    # A row's file bears the user's id behind the key, and an id may look like one.
    claimed = any(one in claims.batches for one in _TOKEN.findall(file.filename))
    if token is None or file.id in claims.ids or claimed:
        return None
    film = file.filename.lower().endswith(".mp4")
    guess = prices.video_ticks(_FILM) if film else prices.image_ticks(_PICTURE)
    ticks = claims.ticks.get(token, guess or 0) if not file.filename.endswith(".jsonl") else 0
    return Orphan("file", file.id, file.filename, file.created_at, ticks, "stored", claims.unfinished.get(token))


def tidy(orphan: Orphan) -> Flow[None]:
    """Cancel a batch, or delete a file.

    :param orphan: what is to go.
    """
    if orphan.kind == "batch":
        yield from batches.cancel(orphan.id)
    else:
        yield from files.delete(orphan.id)
