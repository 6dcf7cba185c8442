"""Keep what a batch makes: every result into xAI Files or an object storage, checked, before its link dies.

Links in batch results die an hour after they were made, and the first results of a long batch are old when the last
one is made; so results are kept while the batch runs. What the server stored itself needs no copy. Names are made of
the batch's name and the request's id, so a try that was killed finds again what it had copied.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from airflow_provider_grok.api import batches, errors, files, outcomes, wire
from airflow_provider_grok.api.call import BlockingCall, Flow, Now
from airflow_provider_grok.api.endpoint import Endpoint
from airflow_provider_grok.api.storage import SHORTEST_LIFE
from airflow_provider_grok.flows.batches.contents import BatchContents
from airflow_provider_grok.flows.batches.expiry import results_ended
from airflow_provider_grok.flows.batches.manifest import Row, State, StoredResultFile
from airflow_provider_grok.flows.batches.media import EXTENSIONS, decoded, ending_of, in_users_words, state_of
from airflow_provider_grok.flows.batches.placement import PlacedRow
from airflow_provider_grok.flows.batches.rows import mark_in, row_filename, row_mark
from airflow_provider_grok.flows.files.destination import exists, put
from airflow_provider_grok.flows.files.result_store import ResultStore, StoredResult, with_link
from airflow_provider_grok.flows.purchases.key import digest_of
from airflow_provider_grok.flows.purchases.names import bearing, result_name, split_batch_name

#: Results in the first page, which tells whether pictures come inside the answer; in a page of such; in any other.
FIRST_PAGE, HEAVY_PAGE, NEXT_PAGE = 5, 2, 250
#: Results between two notes of what is kept: so many may have to be looked for again after a kill.
SLICE = 50
DEAD_LINK = (
    "its link had died before it was copied ({}). Links of batch results live one hour: run GrokPersistOperator from "
    "the start of the batch, never behind a sensor; buy this one again."
)
GONE = "the server stored it, but its file is gone ({}). It was deleted or has expired; buy this one again."
ENDED = "the batch's results have ended with it, and no stored file bears this request's name; buy this one again."
FAILED = "the server made nothing; why has ended with the batch's results."
#: How a stored result that an answer names becomes a row.
Believing = Callable[[files.FileOutput], Flow[StoredResult]]


@dataclass
class BatchResultStore:
    """Keeps the results of all that a batch id stands for, and remembers which it has.

    :param endpoint: where and as whom.
    :param contents: what the batch id stands for.
    :param destination: folder in an object storage; None: xAI Files.
    :param expires_after: life of stored files in seconds; None: no end.
    :param link: public link of each: None, True (as long as the file) or seconds.
    :param max_concurrency: how many results at a time.
    :param log: where to tell what happens.
    :param rows: what is known already, by request id; kept up to date.
    :param on_links: whether results were seen that lie on links, which die.
    :param link_yields: whether a link's life gives way to a shorter life of its file.
    :param check_files: whether stored files may be gone by now, so that they are asked for.
    :param troubles: why results that are there could not be copied; another sweep tries them again.
    :param ticks: what these cost, where they say so.
    """

    endpoint: Endpoint
    contents: BatchContents
    destination: str | None = None
    expires_after: int | None = None
    link: bool | int | None = None
    max_concurrency: int = 16
    log: logging.Logger | Any = field(default_factory=lambda: logging.getLogger(__name__))
    rows: dict[str, Row] = field(default_factory=dict)
    troubles: dict[str, errors.GrokError] = field(default_factory=dict)
    ticks: dict[str, int | None] = field(default_factory=dict)
    stored: dict[str, files.File] | None = None
    link_yields: bool = False
    check_files: bool = False
    renewed: bool = False
    on_links: bool = False
    twins: frozenset[str] = frozenset()
    ended: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        name, batch = self.contents.name, self.contents.batch
        self.stem, self.key = (str(name.stem), name.key) if name else split_batch_name(batch.name, batch.batch_id)

    async def copy_new_results(self, note: Callable[[], None]) -> None:
        """Keep every result that is there and not yet kept.

        :param note: called after every few results, to remember them.
        """
        async with wire.shared_client(self.endpoint):
            if self.destination is None:
                await self._list_stored()
            *earlier, own = self.contents.batch_ids or ("",)
            for batch_id in earlier:
                # Its results may be days old, so their files are asked for.
                await self._sweep_one(batch_id, note, self._still_there)
            self.renewed = bool(earlier) and self.contents.rows is None
            if own:
                await self._sweep_one(own, note, self._still_there if self.check_files else as_reported)
            await self._keep_stored(note)

    async def _list_stored(self) -> None:
        if self.stored is None:
            found = await wire.arun(self.endpoint, bearing(self.key))
            self.stored = {file.filename: file for file in found}

    async def _keep_stored(self, note: Callable[[], None]) -> None:
        """Rows that no batch holds any more, but files."""
        new = [row for row in self.contents.stored if row.id not in self.rows]
        for placed in new:
            try:
                self.rows[placed.id] = await wire.arun(self.endpoint, self._stored_row(placed))
                self.troubles.pop(placed.id, None)
            except errors.GrokError as error:
                self.troubles[placed.id], self.ticks[placed.id] = error, 0
        if new:
            await asyncio.to_thread(note)

    def _stored_row(self, placed: PlacedRow) -> Flow[Row]:
        kept: list[StoredResultFile] = []
        for number, file_id in enumerate(placed.file_ids):
            try:
                file = yield from files.get(file_id)
            except errors.NotFound as error:
                return Row(placed.id, "lost", tuple(kept), 0, GONE.format(error.message))
            if self.destination is None:
                kept.append((yield from self._linked(StoredResult.of_file(file), file.bytes, None)))
                continue
            output = files.FileOutput(file_id=file.id, filename=file.filename)
            asset = _StoredAsset(output)
            kept.append((yield from self._to_destination(placed.wire_id, number, asset)))
        return Row(placed.id, "kept", tuple(kept), 0)

    async def _sweep_one(self, batch_id: str, note: Callable[[], None], believe: Believing) -> None:
        if batch_id not in self.ended:
            try:
                await self._sweep_results(batch_id, note, believe)
                return
            except errors.NotFound:
                if not await wire.arun(self.endpoint, results_ended(batch_id)):
                    raise
            self.log.warning("The results of batch %s have ended with it: looking for its stored files.", batch_id)
            self.ended.add(batch_id)
        # What the server stored since the sweep before is looked for too.
        self.stored = None
        await self._list_stored()
        for one in await wire.arun(self.endpoint, batches.metadata(batch_id)):
            known = self.rows.get(self.contents.user_id(one.batch_request_id))
            if known is None and self.contents.holds(batch_id, one.batch_request_id):
                await self._keep_ended(one)
        await asyncio.to_thread(note)

    async def _keep_ended(self, request: batches.Metadata) -> None:
        """What is left of a request whose result has ended with its batch."""
        id = self.contents.user_id(request.batch_request_id)
        if request.state == "failed":
            self.rows[id] = Row(id, "failed", reason=FAILED)
        if request.state != "succeeded":
            return
        placed = PlacedRow(id, request.batch_request_id, None, tuple(self._files_of(request.batch_request_id)))
        try:
            row = await wire.arun(self.endpoint, self._ended_row(placed))
        except errors.GrokError as error:
            self.troubles[id], self.ticks[id] = error, None
            return
        self.troubles.pop(id, None)
        self.rows[id] = row

    def _ended_row(self, placed: PlacedRow) -> Flow[Row]:
        if placed.file_ids:
            return replace((yield from self._stored_row(placed)), cost_in_usd_ticks=None)
        there = (yield from self._found_at_destination(placed.wire_id, 0)) if self.destination is not None else None
        return Row(placed.id, "kept", (there,)) if there else Row(placed.id, "lost", reason=ENDED)

    def _files_of(self, wire_id: str) -> list[str]:
        """The stored files of a request, by their names, oldest first."""
        names = {
            self._result_name(wire_id, extension, number) for extension in EXTENSIONS.values() for number in range(10)
        }
        mark = row_mark(wire_id) if self.contents.name else None
        found = (self.stored or {}).items()
        ids = [file.id for name, file in found if name in names or (mark and mark_in(name, self.key) == mark)]
        return ids[::-1]

    async def _sweep_results(self, batch_id: str, note: Callable[[], None], believe: Believing) -> None:
        limit, token, seen = FIRST_PAGE, None, set[str]()
        while True:
            page = await wire.arun(self.endpoint, outcomes.page(batch_id, limit=limit, token=token))
            fresh = {one.id: one for one in page.outcomes if one.id not in seen}
            seen.update(fresh)
            ours = (one for one in fresh.values() if self.contents.holds(batch_id, one.id))
            new = [one for one in ours if self._wanted(one)]
            for start in range(0, len(new), SLICE):
                await self._keep_all(new[start : start + SLICE], believe)
                await asyncio.to_thread(note)
            limit, token = HEAVY_PAGE if _heavy(page) else NEXT_PAGE, page.pagination_token
            if not token or not fresh:
                return

    def _wanted(self, outcome: outcomes.Outcome) -> bool:
        known = self.rows.get(self.contents.user_id(outcome.id))
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
        self.troubles.pop(row.batch_request_id, None)
        self.rows[row.batch_request_id] = row

    def _trouble(self, outcome: outcomes.Outcome, error: errors.GrokError) -> None:
        # Not written down as a row, so that the next sweep, or the next try, has another go.
        id = self.contents.user_id(outcome.id)
        self.troubles[id], self.ticks[id] = error, outcome.ticks
        self.log.warning("Result of %s is not kept yet: %s", id, error)

    # -- one result ----------------------------------------------------------------------------------------------------

    def _row(self, outcome: outcomes.Outcome, believe: Believing) -> Flow[Row]:
        id = self.contents.user_id(outcome.id)
        if outcome.error:
            return Row(
                id, state_of(outcome.error), (), outcome.ticks, in_users_words(str(outcome.error), outcome.id, id)
            )
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
        return Row(id, state, tuple(kept), outcome.ticks, "; ".join(reasons) or None)

    def _asset(self, request_id: str, number: int, asset: Any, believe: Believing) -> Flow[StoredResultFile]:
        if self.destination is not None:
            return (yield from self._to_destination(request_id, number, asset))
        if output := asset.file_output:
            return (yield from self._linked((yield from believe(output)), None, None))
        return (yield from self._to_files(request_id, number, asset))

    def _still_there(self, output: files.FileOutput) -> Flow[StoredResult]:
        return StoredResult.of_file((yield from files.get(output.file_id)))

    def _linked(self, row: StoredResult, length: int | None, sha256: str | None) -> Flow[StoredResultFile]:
        now: float = yield Now()
        if self.link and row.public_url and self._ends_soon(row.public_url_expires_at, row.expires_at, now):
            row = replace(row, public_url=None, public_url_expires_at=None)
        link = self._link_seconds(row.expires_at, now) if self.link else None
        row = yield from with_link(ResultStore(self.endpoint, row.filename or "", self.expires_after, link), row)
        return StoredResultFile(**row.row(), bytes=length, sha256=sha256)

    def _link_seconds(self, file_end: int | None, now: float) -> bool | int | None:
        """The life that a link is to have: the usual one gives way to the file's own."""
        if self.link_yields and file_end is not None and isinstance(self.link, int) and self.link > file_end - now:
            return True
        return self.link

    def _to_files(self, request_id: str, number: int, asset: Any) -> Flow[StoredResultFile]:
        for extension in EXTENSIONS.values():
            there = (self.stored or {}).get(self._result_name(request_id, extension, number))
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
        now = wire.REAL_CLOCK.now()
        bare = [row for row in self.rows.values() if any(self._lacks_link(one, now) for one in row.files)]
        found = await asyncio.gather(*(wire.arun(self.endpoint, self._link_row(row, now)) for row in bare))
        return [error for trouble in found for error in trouble]

    def _lacks_link(self, file: StoredResultFile, now: float) -> bool:
        """Whether a stored file has no link, or one that has ended or is about to."""
        bare = not file.public_url or self._ends_soon(file.public_url_expires_at, file.expires_at, now)
        return bool(file.file_id) and bare

    def _ends_soon(self, link_end: int | None, file_end: int | None, now: float) -> bool:
        """Whether a link has ended, or ends before its file within the hour or half the life that was asked for."""
        asked = self.link if isinstance(self.link, int) and not isinstance(self.link, bool) else 2 * SHORTEST_LIFE
        return link_end is not None and link_end != file_end and link_end < now + min(SHORTEST_LIFE, asked / 2)

    def _link_row(self, row: Row, now: float) -> Flow[list[errors.GrokError]]:
        reason, troubles, kept = row.reason or "", [], list(row.files)
        for index, one in enumerate(row.files):
            if not one.file_id or not self._lacks_link(one, now):
                continue
            life = self._link_seconds(one.expires_at, now)
            try:
                link = yield from files.share(one.file_id, expires_after=None if isinstance(life, bool) else life)
            except errors.GrokError as error:
                troubles.append(error)
                continue
            end = link.expires_at
            kept[index] = replace(one, public_url=link.public_url, public_url_expires_at=end, reason=None)
            reason = reason.replace(one.reason or "", "").strip("; ")
        self.rows[row.batch_request_id] = replace(row, files=tuple(kept), reason=reason or None)
        return troubles

    async def drop_deleted(self) -> None:
        """Forget rows whose files were deleted since they were kept, so that they are looked for anew."""
        gate = asyncio.Semaphore(self.max_concurrency)

        async def is_there(one: StoredResultFile) -> bool:
            async with gate:
                try:
                    if one.file_id:
                        await wire.arun(self.endpoint, files.get(one.file_id))
                        return True
                    return one.url is None or await asyncio.to_thread(exists, one.url)
                except errors.NotFound:
                    return False

        async with wire.shared_client(self.endpoint):
            for row in [row for row in self.rows.values() if row.files]:
                if not all(await asyncio.gather(*(is_there(one) for one in row.files))):
                    self.log.warning("A file of %s is gone.", row.batch_request_id)
                    del self.rows[row.batch_request_id]
        self.check_files = True

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
            try:
                length, sha256 = yield from self._copy(asset, copy)
            except errors.NotFound:
                # An earlier try may have brought it here, or into xAI Files while nothing could be written here.
                there = yield from self._found_at_destination(request_id, number)
                if there:
                    return there
                meanwhile = yield from self._copy_kept_meanwhile(request_id, number, copy)
                if meanwhile is None:
                    raise
                length, sha256 = meanwhile
            name = self._name(request_id, number, copy)
            target = f"{(self.destination or '').rstrip('/')}/{name}"
            try:
                yield BlockingCall(lambda: put(copy, target))
            except errors.GrokError as error:
                # It could be written to when this began, so a later try may find it so again.
                raise errors.GrokError(f"{error} {(yield from self._keep_meanwhile(asset, copy, name))}") from error
        return StoredResultFile(url=target, filename=name, bytes=length, sha256=sha256)

    def _found_at_destination(self, request_id: str, number: int) -> Flow[StoredResultFile | None]:
        for extension in EXTENSIONS.values():
            name = self._result_name(request_id, extension, number)
            target = f"{(self.destination or '').rstrip('/')}/{name}"
            if (yield BlockingCall(partial(exists, target))):
                return StoredResultFile(url=target, filename=name)
        return None

    def _copy_kept_meanwhile(self, request_id: str, number: int, copy: Path) -> Flow[tuple[int, str] | None]:
        names = {self._result_name(request_id, extension, number) for extension in EXTENSIONS.values()}
        for name in names:
            for file in (yield from files.find(name)):
                got = yield from files.content(file.id, copy)
                return got.length, got.sha256
        return None

    def _keep_meanwhile(self, asset: Any, copy: Path, name: str) -> Flow[str]:
        """Put a result that lies on a link into xAI Files while its destination cannot be written."""
        if asset.file_output:
            return "It is stored in xAI Files meanwhile."
        if not copy.exists():
            return "Its link lives one hour from when it was made."
        try:
            file = yield from self._upload(copy, name)
        except errors.GrokError as error:
            return f"Its link lives one hour, and it could not be put into xAI Files meanwhile: {error.brief}"
        return f"It is kept in xAI Files meanwhile as {file.id}."

    def _name(self, request_id: str, number: int, copy: Path) -> str:
        return self._result_name(request_id, ending_of(copy), number)

    def _result_name(self, request_id: str, extension: str, number: int) -> str:
        if self.contents.name:
            return row_filename(self.stem, self.key, request_id, extension, number)
        # Two ids that differ only in case would be one file where nobody tells cases apart.
        twin = f"{request_id}~{digest_of(request_id)[:8]}" if request_id in self.twins else request_id
        return result_name(self.stem, twin, self.key, extension, number)

    def _copy(self, asset: Any, copy: Path) -> Flow[tuple[int, str]]:
        """Bring a result's bytes to a local file; the answer is their length and SHA-256."""
        self.on_links |= not asset.file_output
        if output := asset.file_output:
            got = yield from files.content(output.file_id, copy)
        elif text := getattr(asset, "b64_json", None):
            return decoded(text, copy)
        elif asset.url:
            got = yield from files.fetch(self.endpoint, asset.url, copy)
        else:
            raise errors.NotAnApiResponse("The result holds neither a stored file nor a link nor the picture itself.")
        return got.length, got.sha256


@dataclass(frozen=True)
class _StoredAsset:
    """A stored file in the place of a result."""

    file_output: files.FileOutput
    url: str | None = None


def as_reported(output: files.FileOutput) -> Flow[StoredResult]:
    yield from ()
    return StoredResult(
        output.file_id, output.filename, output.expires_at, output.public_url, output.public_url_expires_at
    )


def _heavy(page: outcomes.ResultPage) -> bool:
    return any(image.b64_json for one in page.outcomes if one.images for image in one.images.data)
