"""Orphans: stored files and batches that bear the key of a purchase and that no task has.

A task that was killed and never run again leaves some; so does a run that was deleted, and a script outside Airflow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from airflow_provider_grok.api import batches, files, prices
from airflow_provider_grok.api.call import Flow, Now
from airflow_provider_grok.flows.purchases.claims import Claims, keys_in
from airflow_provider_grok.flows.purchases.key import KEY_LENGTH

#: A key where our own names have it. What is only looked for in names by claims is found in other places too.
_KEY = re.compile(rf"\.([0-9a-f]{{{KEY_LENGTH}}})(?=\.|\Z)")
#: What is taken for the request that made a file of unknown history.
_PICTURE = {"model": "grok-imagine-image-2.0", "image": {}, "quality": "medium"}
_FILM = {"model": "grok-imagine-video-1.5"}


@dataclass(frozen=True)
class Orphan:
    """A file or batch that nobody has, or a purchase that nobody has taken yet.

    :param kind: file, batch, or purchase: one under way, of which nothing is stored yet.
    :param id: its id; of a purchase that of its job, empty where that is not known.
    :param name: its name.
    :param created_at: unix seconds.
    :param ticks: what it cost, estimated, in ticks of 1e-10 USD.
    :param state: of a batch: running, finished, ...; of a file: stored; of a purchase: intended, submitted, ...
    :param task: the unfinished task that would take it if it ran again; None: no task would.
    :param clear: the command that clears that task; empty where no command clears it alone.
    :param note: what else is known of it.
    """

    kind: Literal["file", "batch", "purchase"]
    id: str
    name: str
    created_at: float
    ticks: int
    state: str
    task: str | None = None
    clear: str = ""
    note: str = ""

    @property
    def running(self) -> bool:
        """Whether it still costs money that a cancel would save."""
        return self.kind == "batch" and self.state in ("running", "loading", "empty")


@dataclass(frozen=True)
class Survey:
    """What a look at everything showed.

    :param found: what no finished task has, oldest first.
    :param young: the same, but made too recently.
    :param without_file: purchases under way of which nothing is stored yet.
    """

    found: list[Orphan]
    young: list[Orphan]
    without_file: list[Orphan]


def key_of(name: str) -> str | None:
    """The idempotency key in the name of a file or batch; None where there is none.

    :param name: the name.
    """
    found = _KEY.findall(name.lower())
    return found[-1] if found else None


@dataclass(frozen=True)
class Everything:
    """All batches and files of a team.

    :param batches: the batches.
    :param files: the files.
    :param now: unix seconds at which they were listed.
    """

    batches: list[batches.Batch]
    files: list[files.File]
    now: float


def everything() -> Flow[Everything]:
    """List all batches and files of the team."""
    now: float = yield Now()
    found = yield from batches.listing()
    return Everything(found, (yield from files.listing()), now)


def listing(claims: Claims, older_than: float = 0.0) -> Flow[list[Orphan]]:
    """List what bears a key of ours and belongs to no finished task, oldest first.

    :param claims: what tasks have.
    :param older_than: only what was made so many seconds ago.
    """
    return survey((yield from everything()), claims, older_than).found


def survey(listed: Everything, claims: Claims, older_than: float = 0.0) -> Survey:
    """Find what no task has.

    :param listed: all batches and files of the team.
    :param claims: what tasks have; read after the listing, for tasks go on taking what they bought.
    :param older_than: what was made later than so many seconds ago counts as young.
    """
    claims = _with_results(claims, listed)
    found = [one for batch in listed.batches if (one := _batch(batch, claims, listed.now))]
    found += [one for file in listed.files if (one := _file(file, claims))]
    found.sort(key=lambda one: (one.created_at, one.id))
    latest = listed.now - older_than
    names = [*(batch.name for batch in listed.batches), *(file.filename for file in listed.files)]
    return Survey(
        [one for one in found if one.created_at <= latest],
        [one for one in found if one.created_at > latest],
        _without_file(claims, names),
    )


def _with_results(claims: Claims, listed: Everything) -> Claims:
    """Claim the results of batches that are claimed by their ids, or by those of their manifests.

    A task's records may be cleared when it succeeds: then a receipt names the batch, and nothing else its results.
    """
    names = [batch.name for batch in listed.batches if batch.batch_id in claims.ids]
    names += [file.filename for file in listed.files if file.id in claims.ids and ".manifest." in file.filename.lower()]
    keys = {key for name in names for key in keys_in(name)} - claims.unfinished.keys()
    return replace(claims, keys=claims.keys | keys)


def _own_key(name: str, claims: Claims) -> str | None:
    """The key by which something is ours, and is not claimed as a whole; None: it is not to be listed."""
    keys = keys_in(name)
    if any(key in claims.keys for key in keys):
        return None
    known = [key for key in keys if claims.knows(key)]
    if known:
        return known[-1]
    key = key_of(name)
    # Fourteen decimal digits are a time of day in somebody's own file name.
    return None if key is None or key.isdecimal() else key


def _batch(batch: batches.Batch, claims: Claims, now: float) -> Orphan | None:
    key = _own_key(batch.name, claims)
    if key is None or batch.batch_id in claims.ids:
        return None
    made = batches.moment(batch.create_time) or 0.0
    ticks = batch.ticks if batch.ticks is not None else claims.ticks.get(key)
    if ticks is None:
        ticks = batch.state.num_requests * (prices.image_ticks(_PICTURE) or 0)
    return _owned(Orphan("batch", batch.batch_id, batch.name, made, ticks, batch.status(now)), key, claims)


def _file(file: files.File, claims: Claims) -> Orphan | None:
    key = _own_key(file.filename, claims)
    if key is None or file.id in claims.ids:
        return None
    film = file.filename.lower().endswith(".mp4")
    guess = prices.video_ticks(_FILM) if film else prices.image_ticks(_PICTURE)
    ticks = claims.ticks.get(key, guess or 0) if not file.filename.lower().endswith(".jsonl") else 0
    return _owned(Orphan("file", file.id, file.filename, file.created_at, ticks, "stored"), key, claims)


def _owned(found: Orphan, key: str, claims: Claims) -> Orphan:
    if unfinished := claims.unfinished.get(key):
        return replace(found, task=unfinished.words, clear=unfinished.owner.clear)
    if owner := claims.finished.get(key):
        return replace(found, note=f"a second result of {owner}, which has another one")
    return found


def _without_file(claims: Claims, names: Iterable[str]) -> list[Orphan]:
    seen = {key for name in names for key in keys_in(name)}
    waiting = [one for key, one in claims.unfinished.items() if one.open and key not in seen]
    return [
        Orphan("purchase", one.job_id or "", one.name, one.at, one.ticks, one.state, one.words, one.owner.clear)
        for one in sorted(waiting, key=lambda one: one.at)
    ]


def tidy(orphan: Orphan) -> Flow[None]:
    """Cancel a batch, or delete a file.

    :param orphan: what is to go.
    """
    if orphan.kind == "batch":
        yield from batches.cancel(orphan.id)
    elif orphan.kind == "file":
        yield from files.delete(orphan.id)
