"""The simulated Batch API (xai-api.md section 10): batches, their requests and results, counters without a status.

Counters, lists of requests and results may lag behind what is done, and an `add` may be taken in part; what is charged
is always true. Each request of a batch that is done is a `Row` with a charge of its own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from tests.model.listings import Listings
from tests.model.messages import TEAMS, Request, Response, answered, refused
from tests.model.options import FOREVER
from tests.model.world import World

#: Ticks of one picture (2.0, low, 1k).
PICTURE = 400_000_000
#: Seconds for which a batch answers.
LIFE = 86_400.0
#: Seconds for which the link of a result lives.
LINK_LIFE = 3600.0


@dataclass
class Row:
    """One request of a batch.

    :param added: unix seconds at which it was added.
    :param ends: unix seconds at which it is done, if nobody cancels it.
    :param outcome: done, failed or moderated.
    :param ticks: what it is charged.
    """

    id: str
    batch_id: str
    sender: str
    content: str
    storage: dict[str, Any]
    added: float
    ends: float
    outcome: str
    ticks: int
    state: str = "pending"
    charged_at: float | None = None
    file_id: str | None = None


@dataclass
class Batch:
    """A batch.

    :param expires: unix seconds after which it does nothing and answers no more with results.
    """

    id: str
    team: str
    key: str
    name: str
    sender: str
    created: float
    expires: float
    rows: dict[str, Row] = field(default_factory=dict)
    input_file: str | None = None
    cancelled: float | None = None
    message: str | None = None

    def count(self, now: float) -> dict[str, int]:
        """Its counters as they were at a moment."""
        states = [row.state if row.ends <= now or row.state == "cancelled" else "pending" for row in self.known(now)]
        names = {"pending": "num_pending", "done": "num_success", "failed": "num_error", "cancelled": "num_cancelled"}
        counts = {name: states.count(state) for state, name in names.items()}
        return {"num_requests": len(states), **{name: count for name, count in counts.items() if count}}

    def known(self, now: float) -> list[Row]:
        """Its requests as they were at a moment."""
        return [row for row in self.rows.values() if row.added <= now]


class Batches:
    """All batches of all teams.

    :param world: time and chances.
    :param files: where results are stored.
    """

    def __init__(self, world: World, files: Listings) -> None:
        self.world, self.options, self.files = world, world.options, files
        self.all: dict[str, Batch] = {}

    @property
    def charges(self) -> list[Row]:
        """All rows that were billed."""
        return [row for batch in self.all.values() for row in batch.rows.values() if row.charged_at is not None]

    def work(self) -> None:
        """Finish the requests whose time has come."""
        now = self.world.now
        for batch in self.all.values():
            for row in batch.rows.values():
                if row.state == "pending" and row.ends <= now and row.ends <= batch.expires:
                    self._finish(batch, row)

    def _finish(self, batch: Batch, row: Row) -> None:
        row.state = "done" if row.outcome == "done" else "failed"
        row.charged_at = row.ends if row.ticks else None
        named = row.storage.get("filename") if row.outcome == "done" and self.options.batch_storage else None
        if named and not self.world.chance("storage error", self.options.storage_error):
            row.file_id = self.files.add(batch.team, named, row.ends, row.storage.get("expires_after"), row.id).id
        self.world.note("xai", f"row {row.id} of {batch.id} is {row.outcome}, {row.ticks} ticks, {row.file_id}")

    def row_of_link(self, link: str) -> Row | None:
        """The row to whose result a link leads; None for one that leads nowhere, or has died.

        :param link: the link.
        """
        if "/row/" not in link:
            return None
        batch_id, _, name = link.partition("/row/")[2].partition("/")
        row = self.all[batch_id].rows.get(name.removesuffix(".jpeg"))
        return row if row and row.state == "done" and self.world.now < row.ends + LINK_LIFE else None

    # -- what is asked ------------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Response:
        """Answer a request below `/batches`."""
        if request.path == "/batches":
            return self._create(request) if request.method == "POST" else self._list(request)
        name, _, action = request.path.removeprefix("/batches/").partition(":")
        batch_id, _, part = name.partition("/")
        batch = self.all.get(batch_id)
        missing = refused(404, "not-found", "Batch not found")
        if batch is None or batch.team != TEAMS[request.key]:
            return missing
        if self.world.now - batch.created < self.options.batch_404 and not self.world.calm:
            return missing
        if self.world.chance("batch is a passing 404", self.options.batch_404_later):
            return missing
        if action == "cancel":
            return self.cancel(batch)
        if part == "requests":
            return self._add(batch, request) if request.method == "POST" else self._requests(batch, request)
        return self._results(batch, request) if part == "results" else answered(200, self._shown(batch))

    def _create(self, request: Request) -> Response:
        now, team = self.world.now, TEAMS[request.key]
        life = LIFE if self.world.calm else self.options.batch_life
        batch = Batch(
            f"batch_{len(self.all) + 1}", team, request.key, request.body["name"], request.sender, now, now + life
        )
        self.all[batch.id] = batch
        self.world.note("xai", f"makes {batch.id} for {request.sender} as {batch.name}")
        if named := request.body.get("input_file_id"):
            batch.input_file = named
            self._load(batch, named)
        return answered(200, self._shown(batch))

    def _load(self, batch: Batch, file_id: str) -> None:
        file = self.files.stored.get(file_id)
        if file is None or file.team != batch.team or not file.alive(self.world.now):
            batch.message = "JSONL file validation failed: the file was not found."
            return
        for line in file.content.decode().splitlines():
            one = json.loads(line)
            self._put(batch, batch.sender, one["custom_id"], one["body"])

    def _put(self, batch: Batch, sender: str, row_id: str, body: dict[str, Any]) -> None:
        random, now = self.world.random("rows"), self.world.now
        outcome = "done"
        if self.world.chance("row moderated", self.options.moderated):
            outcome = "moderated"
        elif self.world.chance("row failing", self.options.failing):
            outcome = "failed"
        ends = now + random.uniform(*self.options.job_seconds) * random.choice((1, 1, 5))
        if self.world.chance("row is never done", self.options.row_never):
            ends = FOREVER
        ticks = PICTURE if outcome != "failed" else 0
        storage = dict(body.get("storage_options") or {})
        batch.rows[row_id] = Row(row_id, batch.id, sender, str(body.get("prompt")), storage, now, ends, outcome, ticks)

    def _add(self, batch: Batch, request: Request) -> Response:
        rows = list(request.body["batch_requests"])
        if batch.cancelled or batch.input_file or self.world.now > batch.expires:
            return refused(400, "failed-precondition", "The batch takes no requests any more.")
        if len(rows) > self.options.batch_chunk and not self.world.calm:
            return refused(413, "invalid-argument", "The request is too large.")
        if known := [one["batch_request_id"] for one in rows if one["batch_request_id"] in batch.rows]:
            return refused(400, "invalid-argument", f"Duplicate batch_request_id: {known[0]}")
        if self.world.chance("add is taken in part", self.options.partial_add):
            rows = rows[: len(rows) // 2]
        for one in rows:
            self._put(batch, request.sender, one["batch_request_id"], next(iter(one["batch_request"].values())))
        self.world.note("xai", f"{batch.id} takes {', '.join(one['batch_request_id'] for one in rows)}")
        return answered(200, {})

    def cancel(self, batch: Batch) -> Response:
        """Cancel what is pending."""
        if batch.cancelled is None:
            batch.cancelled = self.world.now
            for row in batch.rows.values():
                if row.state == "pending":
                    row.state = "cancelled"
            self.world.note("xai", f"{batch.id} is cancelled")
        return answered(200, self._shown(batch))

    # -- what is shown ------------------------------------------------------------------------------------------------

    def _then(self, what: str) -> float:
        """The moment of which an answer tells: now, or a while ago."""
        lag = self.options.batch_lag if what in self.options.batch_lags and not self.world.calm else 0.0
        return self.world.now - lag

    def _shown(self, batch: Batch) -> dict[str, Any]:
        day = [datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%d") for at in (batch.created, batch.expires)]
        ended = None if batch.cancelled is None else day[0]
        shown: dict[str, Any] = {"batch_id": batch.id, "name": batch.name, "create_time": day[0], "expire_time": day[1]}
        shown |= {"cancel_time": ended, "cancel_by_xai_message": batch.message, "input_file_id": batch.input_file}
        return {**shown, "state": batch.count(self._then("counters"))}

    def _list(self, request: Request) -> Response:
        now = self._then("batches")
        batches = [one for one in self.all.values() if one.team == TEAMS[request.key] and one.created <= now]
        if self.world.chance("list is empty", self.options.list_empty):
            batches = []
        batches = [one for one in batches if not self.world.chance("list drops", self.options.list_drops)]
        return self._page(request, "batches", [self._shown(one) for one in reversed(batches)], 100)

    def _requests(self, batch: Batch, request: Request) -> Response:
        then = self._then("requests")
        names = {"done": "succeeded"}
        rows = [
            {"batch_request_id": row.id, "state": names.get(row.state, row.state), "model": ""}
            for row in batch.known(then)
        ]
        return self._page(request, "batch_request_metadata", rows, 1000)

    def _results(self, batch: Batch, request: Request) -> Response:
        if self.world.now > batch.expires:
            return refused(404, "not-found", "The results of this batch have expired.")
        then = self._then("results")
        rows = [row for row in batch.rows.values() if row.state in ("done", "failed") and row.ends <= then]
        rows = [row for row in rows if not self.world.chance("list drops", self.options.list_drops)]
        self.world.random("order of results").shuffle(rows)
        return self._page(request, "results", [self._result(row) for row in rows], 1000)

    def _result(self, row: Row) -> dict[str, Any]:
        if row.outcome == "moderated":
            error = {"code": 3, "message": "Rejected by content moderation."}
            return {"batch_request_id": row.id, "batch_result": {"error": error}}
        if row.outcome == "failed":
            return {"batch_request_id": row.id, "batch_result": {"error": {"code": 13, "message": "internal"}}}
        link = f"https://imgen.x.ai/row/{row.batch_id}/{row.id}.jpeg"
        asset: dict[str, Any] = {"url": link, "respect_moderation": True}
        if row.file_id:
            asset["file_output"] = {"file_id": row.file_id, "filename": self.files.stored[row.file_id].name}
        response = {"image_generation": {"data": [asset], "usage": {"cost_in_usd_ticks": row.ticks}}}
        return {"batch_request_id": row.id, "batch_result": {"response": response}}

    def _page(self, request: Request, name: str, entries: list[dict[str, Any]], most: int) -> Response:
        size = min(int(request.query.get("limit", 100)), most)
        start = int(request.query.get("pagination_token") or 0)
        page = entries[start : start + size]
        token = str(start + size) if start + size < len(entries) else None
        return answered(200, {name: page, "pagination_token": token})
