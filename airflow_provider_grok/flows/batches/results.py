"""Keep what a batch makes: every result into xAI Files or an object storage, checked, before its link dies.

Links in batch results die an hour after they were made, and the first results of a long batch are old when the last
one is made; so results are kept while the batch runs. What the server stored itself needs no copy. Names are made of
the batch's name and the request's id, so a try that was killed finds again what it had copied.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import logging
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from airflow_provider_grok.api import batches, errors, files, outcomes, wire
from airflow_provider_grok.api.call import BlockingCall, Flow
from airflow_provider_grok.api.endpoint import Endpoint
from airflow_provider_grok.flows.batches.manifest import Row, State, StoredResultFile
from airflow_provider_grok.flows.files.download import put
from airflow_provider_grok.flows.files.result_store import ResultStore, StoredResult, with_link
from airflow_provider_grok.flows.purchases.names import bearing, result_name, split_batch_name

#: Results in the first page, which tells whether pictures come inside the answer; in a page of such; in any other.
FIRST_PAGE, HEAVY_PAGE, NEXT_PAGE = 5, 2, 250
#: Results between two notes of what is kept: so many may have to be looked for again after a kill.
SLICE = 50
EXTENSIONS = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "video/mp4": ".mp4",
}
DEAD_LINK = (
    "its link had died before it was copied ({}). Links of batch results live one hour: run GrokPersistOperator from "
    "the start of the batch, never behind a sensor; buy this one again."
)
GONE = "the server stored it, but its file is gone ({}). It was deleted or has expired; buy this one again."
#: How a stored result that an answer names becomes a row.
Believing = Callable[[files.FileOutput], Flow[StoredResult]]


@dataclass
class BatchResultStore:
    """Keeps the results of one batch, and remembers which it has.

    :param endpoint: where and as whom.
    :param batch: the batch.
    :param destination: folder in an object storage; None: xAI Files.
    :param expires_after: life of stored files in seconds; None: no end.
    :param link: public link of each: None, True (as long as the file) or seconds.
    :param max_concurrency: how many results at a time.
    :param log: where to tell what happens.
    :param rows: what is known already, by request id; kept up to date.
    :param on_links: whether results were seen that lie on links, which die.
    :param troubles: why results that are there could not be copied; another sweep tries them again.
    :param ticks: what these cost, where they say so.
    """

    endpoint: Endpoint
    batch: batches.Batch
    destination: str | None = None
    expires_after: int | None = None
    link: bool | int | None = None
    max_concurrency: int = 16
    log: logging.Logger | Any = field(default_factory=lambda: logging.getLogger(__name__))
    rows: dict[str, Row] = field(default_factory=dict)
    troubles: dict[str, errors.GrokError] = field(default_factory=dict)
    ticks: dict[str, int | None] = field(default_factory=dict)
    stored: dict[str, files.File] | None = None
    renewed: bool = False
    on_links: bool = False

    def __post_init__(self) -> None:
        self.stem, self.token = split_batch_name(self.batch.name, self.batch.batch_id)

    async def copy_new_results(self, note: Callable[[], None]) -> None:
        """Keep every result that is there and not yet kept.

        :param note: called after every few results, to remember them.
        """
        async with wire.shared_client(self.endpoint):
            if self.destination is None and self.stored is None:
                found = await wire.arun(self.endpoint, bearing(self.token))
                self.stored = {file.filename: file for file in found}
            *earlier, own = await wire.arun(self.endpoint, self.batch_ids())
            for batch_id in earlier:
                # Its results may be days old, so their files are asked for.
                await self._sweep_one(batch_id, note, self._still_there)
            self.renewed = bool(earlier)
            await self._sweep_one(own, note, as_reported)

    def batch_ids(self) -> Flow[list[str]]:
        """This batch, and before it earlier ones of its name, which a retry of their task went on from."""
        if self.batch.name != f"{self.stem}.{self.token}":
            return [self.batch.batch_id]
        named = yield from batches.find(self.batch.name)
        earlier = [one.batch_id for one in reversed(named) if one.batch_id != self.batch.batch_id]
        return [*earlier, self.batch.batch_id]

    async def _sweep_one(self, batch_id: str, note: Callable[[], None], believe: Believing) -> None:
        limit, token, seen = FIRST_PAGE, None, set[str]()
        while True:
            page = await wire.arun(self.endpoint, outcomes.page(batch_id, limit=limit, token=token))
            fresh = {one.id: one for one in page.outcomes if one.id not in seen}
            seen.update(fresh)
            new = [one for one in fresh.values() if self._wanted(one)]
            for start in range(0, len(new), SLICE):
                await self._keep_all(new[start : start + SLICE], believe)
                await asyncio.to_thread(note)
            limit, token = HEAVY_PAGE if _heavy(page) else NEXT_PAGE, page.pagination_token
            if not token or not fresh:
                return

    def _wanted(self, outcome: outcomes.Outcome) -> bool:
        known = self.rows.get(outcome.id)
        if known is None or known.state == "kept":
            return known is None
        # A later batch of the same name may hold what an earlier one failed to make; a dead link stays dead.
        return outcome.error is None and (known.state != "lost" or self.renewed)

    async def _keep_all(self, found: Sequence[outcomes.Outcome], believe: Believing) -> None:
        waiting = iter(found)

        async def work() -> None:
            for outcome in waiting:
                await self._keep(outcome, believe)

        await asyncio.gather(*(work() for _ in range(min(self.max_concurrency, len(found)))))

    async def _keep(self, outcome: outcomes.Outcome, believe: Believing) -> None:
        try:
            row = await wire.arun(self.endpoint, self._row(outcome, believe))
        except errors.GrokError as error:
            self._trouble(outcome, error)
            return
        except Exception as error:  # every storage has exceptions of its own
            self._trouble(outcome, errors.GrokError(errors.clean(f"{type(error).__name__}: {error}")))
            return
        self.troubles.pop(outcome.id, None)
        self.rows[outcome.id] = row

    def _trouble(self, outcome: outcomes.Outcome, error: errors.GrokError) -> None:
        # Not written down as a row, so that the next sweep, or the next try, has another go.
        self.troubles[outcome.id], self.ticks[outcome.id] = error, outcome.ticks
        self.log.warning("Result of %s is not kept yet: %s", outcome.id, error)

    # -- one result ----------------------------------------------------------------------------------------------------

    def _row(self, outcome: outcomes.Outcome, believe: Believing) -> Flow[Row]:
        if outcome.error:
            return Row(outcome.id, _state(outcome.error), (), outcome.ticks, str(outcome.error))
        assets: Sequence[Any] = outcome.images.data if outcome.images else [outcome.video] if outcome.video else []
        kept: list[StoredResultFile] = []
        missing: list[tuple[State, str]] = []
        for number, asset in enumerate(assets):
            if asset.moderated:
                missing.append(("moderated", "the content rules took a result away"))
                continue
            try:
                kept.append((yield from self._asset(outcome.id, number, asset, believe)))
            except errors.NotFound as error:
                missing.append(("lost", (GONE if asset.file_output else DEAD_LINK).format(error.message)))
        if not assets:
            missing.append(("failed", "the result holds neither a picture nor a video"))
        reasons = [reason for _, reason in missing] + [one.reason for one in kept if one.reason]
        state = "kept" if kept else missing[0][0]
        return Row(outcome.id, state, tuple(kept), outcome.ticks, "; ".join(reasons) or None)

    def _asset(self, request_id: str, number: int, asset: Any, believe: Believing) -> Flow[StoredResultFile]:
        if self.destination is not None:
            return (yield from self._to_destination(request_id, number, asset))
        if output := asset.file_output:
            return (yield from self._linked((yield from believe(output)), None, None))
        return (yield from self._to_files(request_id, number, asset))

    def _still_there(self, output: files.FileOutput) -> Flow[StoredResult]:
        return StoredResult.of_file((yield from files.get(output.file_id)))

    def _linked(self, row: StoredResult, length: int | None, sha256: str | None) -> Flow[StoredResultFile]:
        row = yield from with_link(ResultStore(self.endpoint, row.filename or "", self.expires_after, self.link), row)
        return StoredResultFile(**row.row(), bytes=length, sha256=sha256)

    def _to_files(self, request_id: str, number: int, asset: Any) -> Flow[StoredResultFile]:
        for extension in EXTENSIONS.values():
            there = (self.stored or {}).get(result_name(self.stem, request_id, self.token, extension, number))
            if there:
                return (yield from self._linked(StoredResult.of_file(there), there.bytes, None))
        with tempfile.TemporaryDirectory(prefix="grok-") as folder:
            copy = Path(folder) / "result"
            length, sha256 = yield from self._copy(asset, copy)
            file = yield from self._upload(copy, self._name(request_id, number, copy))
        if file.bytes not in (0, length):
            raise errors.ResponseLost(f"{file.id} has {file.bytes} bytes, and {length} were sent: not whole.")
        return (yield from self._linked(StoredResult.of_file(file), length, sha256))

    async def link_missing(self) -> list[errors.GrokError]:
        """Make the public links that could not be made at first; what is in the way of the others is returned."""
        bare = [row for row in self.rows.values() if any(one.file_id and not one.public_url for one in row.files)]
        found = await asyncio.gather(*(wire.arun(self.endpoint, self._link_row(row)) for row in bare))
        return [error for trouble in found for error in trouble]

    def _link_row(self, row: Row) -> Flow[list[errors.GrokError]]:
        seconds = ResultStore(self.endpoint, "", None, self.link).link_seconds
        reason, troubles, kept = row.reason or "", [], list(row.files)
        for index, one in enumerate(row.files):
            if not one.file_id or one.public_url:
                continue
            try:
                link = yield from files.share(one.file_id, expires_after=seconds)
            except errors.GrokError as error:
                troubles.append(error)
                continue
            end = link.expires_at
            kept[index] = replace(one, public_url=link.public_url, public_url_expires_at=end, reason=None)
            reason = reason.replace(one.reason or "", "").strip("; ")
        self.rows[row.batch_request_id] = replace(row, files=tuple(kept), reason=reason or None)
        return troubles

    def _upload(self, copy: Path, name: str) -> Flow[files.File]:
        call = files.upload(copy, filename=name, expires_after=self.expires_after)
        try:
            return (yield from call)
        except (errors.ResponseLost, errors.ServerUnavailable):
            found = yield from files.find(name, size=copy.stat().st_size)
            return found[0] if found else (yield from call)

    def _to_destination(self, request_id: str, number: int, asset: Any) -> Flow[StoredResultFile]:
        with tempfile.TemporaryDirectory(prefix="grok-") as folder:
            copy = Path(folder) / "result"
            length, sha256 = yield from self._copy(asset, copy)
            name = self._name(request_id, number, copy)
            target = f"{(self.destination or '').rstrip('/')}/{name}"
            try:
                yield BlockingCall(lambda: put(copy, target))
            except errors.InvalidRequest as error:
                # It could be written to when this began, so a later try may find it so again.
                raise errors.GrokError(str(error)) from error
        return StoredResultFile(url=target, filename=name, bytes=length, sha256=sha256)

    def _name(self, request_id: str, number: int, copy: Path) -> str:
        return result_name(self.stem, request_id, self.token, _check_media(copy), number)

    def _copy(self, asset: Any, copy: Path) -> Flow[tuple[int, str]]:
        """Bring a result's bytes to a local file; the answer is their length and SHA-256."""
        self.on_links |= not asset.file_output
        if output := asset.file_output:
            got = yield from files.content(output.file_id, copy)
        elif text := getattr(asset, "b64_json", None):
            return _decode(text, copy)
        elif asset.url:
            got = yield from files.fetch(self.endpoint, asset.url, copy)
        else:
            raise errors.NotAnApiResponse("The result holds neither a stored file nor a link nor the picture itself.")
        return got.length, got.sha256


def as_reported(output: files.FileOutput) -> Flow[StoredResult]:
    yield from ()
    return StoredResult(
        output.file_id, output.filename, output.expires_at, output.public_url, output.public_url_expires_at
    )


def _decode(text: str, copy: Path) -> tuple[int, str]:
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise errors.NotAnApiResponse(f"A picture came as text that is no base64 ({error}).") from error
    copy.write_bytes(data)
    return len(data), hashlib.sha256(data).hexdigest()


def _heavy(page: outcomes.ResultPage) -> bool:
    return any(image.b64_json for one in page.outcomes if one.images for image in one.images.data)


def _check_media(copy: Path) -> str:
    """The ending that fits what a file begins with.

    :raises NotAnApiResponse: when it is no picture and no video, such as a web page that a proxy answered.
    """
    kind = files.media_type(copy) if copy.stat().st_size else "an empty file"
    if kind not in EXTENSIONS:
        raise errors.NotAnApiResponse(f"A result's link led to {kind}, which is neither a picture nor a video.")
    return EXTENSIONS[kind]


def _state(error: errors.JobFailed) -> State:
    if isinstance(error, errors.JobModerated):
        return "moderated"
    return "cancelled" if error.code == "cancelled" else "failed"
