"""Calls and flows as values: what is to be sent, and the steps that a job of several calls is made of."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from airflow_provider_grok.api.answer import Answer

T = TypeVar("T")

#: The largest answer with pictures inside, in bytes.
MEDIA_LIMIT = 256 * 2**20


@dataclass(frozen=True)
class Upload:
    """A file to send as multipart: the form fields first, the file last, streamed from disk.

    :param path: the file.
    :param filename: the name it is sent under.
    :param content_type: its media type.
    :param fields: form fields that come before the file.
    """

    path: Path
    filename: str
    content_type: str
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Call(Generic[T]):
    """One HTTP request and how to read its answer.

    :param method: HTTP method.
    :param path: path below the base URL, or a full URL (which gets no key unless it is the base URL's own origin).
    :param read: turns the answer into the value.
    :param query: query parameters.
    :param body: JSON body.
    :param upload: multipart body.
    :param into: file that the answer's body is streamed to; `limit` bytes at the most.
    :param limit: largest answer that is taken, in bytes; MEDIA_LIMIT where pictures come inside it.
    :param paid: whether the call costs money; such a call is never repeated after it may have been carried out.
    :param repeatable: whether a repeat changes nothing. None: so for GET and DELETE.
    :param accept: statuses besides 2xx that `read` wants to see.
    :param absent: what a 404 means when a repeated DELETE finds nothing left to delete.
    :param anonymous: send no key.
    :param attempts: how often to try; None: the endpoint's `max_attempts`.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    read: Callable[[Answer], T]
    query: Mapping[str, str | int] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    upload: Upload | None = None
    into: Path | None = None
    limit: int = 16 * 2**20
    paid: bool = False
    repeatable: bool | None = None
    accept: frozenset[int] = frozenset()
    absent: Callable[[], T] | None = None
    anonymous: bool = False
    attempts: int | None = None

    def __iter__(self) -> Generator[Call[T], T, T]:
        """Let a flow write `value = yield from call`."""
        return (yield self)

    @property
    def may_repeat(self) -> bool:
        """Whether sending it twice does no harm."""
        if self.repeatable is not None:
            return self.repeatable
        return self.method in ("GET", "DELETE") and not self.paid

    @property
    def shown_path(self) -> str:
        """The path for errors and logs: no query, for it may hold a signature."""
        if "://" not in self.path:
            return f"/v1{self.path.partition('?')[0]}"
        try:
            parts = urlsplit(self.path)
        except ValueError:
            return "(a malformed URL)"
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@dataclass(frozen=True)
class Sleep:
    """A step of a flow: wait.

    :param seconds: how long.
    """

    seconds: float


@dataclass(frozen=True)
class Now:
    """A step of a flow: ask for the time, in unix seconds."""


@dataclass(frozen=True)
class BlockingCall:
    """A step of a flow: a short blocking action that is no HTTP, such as a write to the task state store.

    :param action: what to call; its value is the step's outcome.
    """

    action: Callable[[], Any]


Step: TypeAlias = "Call[Any] | Sleep | Now | BlockingCall"
Flow: TypeAlias = Generator[Step, Any, T]
Work: TypeAlias = "Call[T] | Flow[T]"
