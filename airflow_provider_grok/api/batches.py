"""Batches: make, fill, find, watch and cancel them (docs.x.ai, Batch API)."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from airflow_provider_grok.api import errors, pages, validation
from airflow_provider_grok.api.call import Call, Flow
from airflow_provider_grok.api.jobs import Progress
from airflow_provider_grok.api.model import ApiModel, ServerId

if TYPE_CHECKING:
    from airflow_provider_grok.api.answer import Answer

Status = Literal["failed", "cancelled", "finished", "expired", "loading", "empty", "running"]

#: Largest pages that the server gives: of batches, and of a batch's requests.
PAGE, REQUESTS_PAGE = 100, 1000
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:=+~@-]{0,254}")

_SERVER_ID = re.compile(r"batch_[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.IGNORECASE)


class State(ApiModel):
    """How many requests of a batch are where; the server leaves out what is zero."""

    num_requests: int = 0
    num_pending: int | None = None
    num_success: int = 0
    num_error: int = 0
    num_cancelled: int = 0

    @property
    def ended(self) -> int:
        """How many requests have come to an end of any kind."""
        return self.num_success + self.num_error + self.num_cancelled

    def counts(self) -> dict[str, int]:
        """The counters as a receipt shows them."""
        return {
            "requests": self.num_requests,
            "pending": self.pending,
            "succeeded": self.num_success,
            "failed": self.num_error,
            "cancelled": self.num_cancelled,
        }

    @property
    def note(self) -> str:
        """How far it is, in words."""
        failed = f", {self.num_error} failed" if self.num_error else ""
        cancelled = f", {self.num_cancelled} cancelled" if self.num_cancelled else ""
        return f"{self.ended} of {self.num_requests} done{failed}{cancelled}"

    @property
    def pending(self) -> int:
        """How many requests are still to be done; reckoned where the server leaves it out."""
        return self.num_pending if self.num_pending is not None else max(0, self.num_requests - self.ended)


class Batch(ApiModel):
    """A batch; the server gives it no status, see `status`."""

    batch_id: ServerId
    name: str = ""
    create_time: str = ""
    expire_time: str = ""
    cancel_time: str | None = None
    cancel_by_xai_message: str | None = None
    input_file_id: str | None = None
    state: State = State()
    cost_breakdown: Any = None

    @property
    def expires_at(self) -> float | None:
        """Unix seconds after which it is surely over; a bare date counts to the end of its day."""
        return moment(self.expire_time, end_of_day=True)

    def may_have_ended(self, now: float) -> bool:
        """Whether it may be over: with a bare date, it may end at any time of that day.

        :param now: unix seconds.
        """
        first = moment(self.expire_time)
        return first is not None and now >= first

    @property
    def ticks(self) -> int | None:
        """What it has cost so far, where the server says so."""
        costs = self.cost_breakdown
        return errors.ticks_of(costs.get("total_cost_usd_ticks")) if isinstance(costs, Mapping) else None

    def status(self, now: float) -> Status:
        """Tell how the batch stands.

        :param now: unix seconds.
        """
        if self.cancel_by_xai_message:
            return "failed"
        if self.cancel_time:
            return "cancelled"
        if self.state.num_requests > 0 and self.state.pending == 0:
            return "finished"
        if self.expires_at is not None and now > self.expires_at:
            return "expired"
        if self.state.num_requests == 0:
            return "loading" if self.input_file_id else "empty"
        return "running"

    @property
    def note(self) -> str:
        """How far it is, in words."""
        return self.state.note


class BatchPage(ApiModel):
    """A page of batches; the last one has no token."""

    batches: tuple[Batch, ...] = ()
    pagination_token: str | None = None


class Metadata(ApiModel):
    """What became of one request, without its result."""

    batch_request_id: str = ""
    state: str = ""
    model: str = ""


class MetadataPage(ApiModel):
    """A page of a batch's requests; the last one has no token."""

    batch_request_metadata: tuple[Metadata, ...] = ()
    pagination_token: str | None = None


@dataclass(frozen=True)
class IdPage:
    """A page of a batch's request ids.

    :param ids: in the batch's own order.
    :param pagination_token: leads to the next page; None on the last.
    """

    ids: tuple[str, ...]
    pagination_token: str | None


@lru_cache
def moment(text: str, *, end_of_day: bool = False) -> float | None:
    """Read a time as the batch endpoints write it, in unix seconds; None where it cannot be read.

    :param text: a bare date (UTC) or RFC 3339.
    :param end_of_day: whether a bare date means the end of that day.
    """
    import pendulum

    try:
        found = pendulum.parse(text.strip(), exact=True)
    except ValueError:
        return None
    if isinstance(found, pendulum.DateTime):
        return found.timestamp()
    if not isinstance(found, pendulum.Date):
        return None
    # The end of the day is reckoned in seconds: the last day of the calendar has no next one.
    return pendulum.datetime(found.year, found.month, found.day).timestamp() + 86_400 * end_of_day


def path(batch_id: str, rest: str = "") -> str:
    """Give a batch's path.

    :param batch_id: the batch.
    :param rest: what comes after it.
    :raises InvalidRequest: for what cannot be an id.
    """
    if not isinstance(batch_id, str) or not _ID.fullmatch(batch_id):
        raise errors.InvalidRequest(
            f"{errors.clean(repr(batch_id), 100)} is no batch id. Give the id that GrokBatchOperator returned."
        )
    return f"/batches/{quote(batch_id, safe='')}{rest}"


def is_server_id(batch_id: str) -> bool:
    """Whether an id has the server's own form, so that it is no slip of a person's.

    :param batch_id: the id.
    """
    return _SERVER_ID.fullmatch(batch_id) is not None


def create(name: str, input_file_id: str | None = None) -> Call[Batch]:
    """Make a batch, empty or from a stored JSONL file (docs.x.ai, Batch API: create).

    :param name: its name; the server takes any number of batches of one name.
    :param input_file_id: a stored JSONL file; its requests are then billed, and none can be added.
    """
    body = validation.merged({"name": validation.text(name, "name"), "input_file_id": input_file_id}, None)
    return Call("POST", "/batches", Batch.read, body=body, paid=input_file_id is not None)


def get(batch_id: str) -> Call[Batch]:
    """Ask for a batch (docs.x.ai, Batch API: get).

    :param batch_id: the batch.
    """
    return Call("GET", path(batch_id), Batch.read)


def cancel(batch_id: str) -> Call[Batch]:
    """Cancel what is still pending; finished results stay readable (docs.x.ai, Batch API: cancel).

    :param batch_id: the batch.
    """
    return Call("POST", path(batch_id, ":cancel"), Batch.read, body={}, repeatable=True)


def query(limit: int, token: str | None) -> dict[str, str | int]:
    """Ask for a page.

    :param limit: entries per page.
    :param token: the last page's token.
    """
    return {"limit": limit, "pagination_token": token} if token else {"limit": limit}


def page(*, limit: int = PAGE, token: str | None = None) -> Call[BatchPage]:
    """Ask for one page of the team's batches (docs.x.ai, Batch API: list).

    :param limit: batches per page.
    :param token: the last page's token.
    """
    return Call("GET", "/batches", BatchPage.read, query=query(limit, token))


def listing() -> Flow[list[Batch]]:
    """List all batches of the team, page by page."""
    return pages.whole(lambda token: page(token=token), lambda got: got.batches, lambda batch: batch.batch_id)


def find(name: str) -> Flow[list[Batch]]:
    """Look for batches by their exact name, newest first.

    :param name: the name.
    """
    batches = yield from listing()
    named = [batch for batch in batches if batch.name == name]
    return sorted(named, key=lambda batch: moment(batch.create_time) or 0.0, reverse=True)


def add(batch_id: str, requests: Sequence[Mapping[str, Any]]) -> Call[None]:
    """Add requests to a batch; they are billed as they are done (docs.x.ai, Batch API: add requests).

    :param batch_id: the batch.
    :param requests: at most 25 MB of them, see `batch_requests.chunks`.
    """

    def read(answer: Answer) -> None:
        # An empty answer may be a proxy's: to take it for a yes would be to lose the requests.
        answer.json()

    body = {"batch_requests": list(requests)}
    return Call("POST", path(batch_id, "/requests"), read, body=body, paid=True)


def metadata_page(batch_id: str, *, limit: int = REQUESTS_PAGE, token: str | None = None) -> Call[MetadataPage]:
    """Ask for one page of a batch's requests (docs.x.ai, Batch API: list requests).

    :param batch_id: the batch.
    :param limit: requests per page, at most 1000.
    :param token: the last page's token.
    """
    return Call("GET", path(batch_id, "/requests"), MetadataPage.read, query=query(limit, token))


def metadata(batch_id: str) -> Flow[list[Metadata]]:
    """List all requests of a batch, page by page.

    :param batch_id: the batch.
    """
    return pages.whole(
        lambda token: metadata_page(batch_id, token=token),
        lambda got: got.batch_request_metadata,
        lambda one: one.batch_request_id,
    )


def request_order(batch_id: str) -> Flow[list[str]]:
    """Ask which requests a batch has, in the order in which they were added; of 50,000 only the ids are held.

    :param batch_id: the batch.
    """

    def read(answer: Answer) -> IdPage:
        document = answer.json()
        listed = document.get("batch_request_metadata")
        ids = tuple(str(one.get("batch_request_id") or "") for one in listed or () if isinstance(one, Mapping))
        token = document.get("pagination_token")
        return IdPage(ids, token if token and isinstance(token, str) else None)

    def ask(token: str | None) -> Call[IdPage]:
        return Call("GET", path(batch_id, "/requests"), read, query=query(REQUESTS_PAGE, token))

    return (yield from pages.whole(ask, lambda got: got.ids, lambda one: one))


def request_ids(batch_id: str) -> Flow[set[str]]:
    """Ask which requests a batch already has.

    :param batch_id: the batch.
    """
    return set((yield from request_order(batch_id)))


def poll(batch_id: str) -> Call[Progress]:
    """Ask once how a batch is; its result is the Batch, for the results may be many.

    :param batch_id: the batch.
    """

    def read(answer: Answer) -> Progress:
        # The server's own clock decides whether the batch's time is up.
        return progress(Batch.read(answer), server_time(answer))

    return Call("GET", path(batch_id), read)


def progress(batch: Batch, now: float) -> Progress:
    """Say what a look at a batch showed: any end is done, but for a batch that xAI refused as a whole.

    :param batch: the batch.
    :param now: unix seconds.
    """
    status = batch.status(now)
    if status == "failed":
        words = errors.clean(batch.cancel_by_xai_message or "")
        failure = errors.JobFailed("batch", batch.batch_id, "invalid-argument", words, None, batch.ticks)
        return Progress("failed", batch, failure, batch.note)
    ended = status in ("finished", "cancelled", "expired")
    share = batch.state.ended / batch.state.num_requests if batch.state.num_requests else None
    note = status if status in ("loading", "empty") else batch.note
    return Progress("done" if ended else "pending", batch, note=note, done=share)


def server_time(answer: Answer) -> float:
    """The server's own time in unix seconds; the worker's where it does not say.

    :param answer: any answer.
    """
    try:
        return parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
    except (TypeError, ValueError, OverflowError):
        return time.time()
