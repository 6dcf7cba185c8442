"""The kinds of jobs that xAI is given, in one table: what differs between pictures, videos and batches stands here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["image", "video", "batch"]


@dataclass(frozen=True)
class KindFacts:
    """What is true of all jobs of a kind; times in seconds.

    :param name: image, video or batch.
    :param path: where its API paths begin (docs.x.ai, REST reference).
    :param extension: ending of the stored result's name, with its dot; empty where a job makes no single file.
    :param media_type: media type of the stored result.
    :param shortest_interval: time between two polls of a young job.
    :param longest_interval: time between two polls of an old job.
    :param usual: within this time an accepted job has usually ended; a 429 that is not the API's own is looked for
        so long.
    :param recovery_wait: how long the result of a lost response is looked for before the request is sent again.
    :param timeout: how long a task waits for the job, unless it says otherwise.
    :param defer_after: how long a deferrable task waits on its worker first: a deferral costs about two task starts.
    """

    name: Kind
    path: str
    extension: str
    media_type: str
    shortest_interval: float
    longest_interval: float
    usual: float
    recovery_wait: float
    timeout: int
    defer_after: float


KINDS: dict[Kind, KindFacts] = {
    "image": KindFacts("image", "/images", ".jpg", "image/jpeg", 0.5, 5.0, 30.0, 180.0, 15 * 60, 20.0),
    "video": KindFacts("video", "/videos", ".mp4", "video/mp4", 2.0, 15.0, 300.0, 1200.0, 3600, 5.0),
    "batch": KindFacts("batch", "/batches", "", "", 5.0, 60.0, 15.0, 600.0, 25 * 3600, 0.0),
}


def kind_of(path: str) -> KindFacts:
    """The kind of job that an API path belongs to.

    :param path: a path below the base URL, such as `/images/edits`.
    :raises KeyError: for a path that makes no job.
    """
    for name, kind in KINDS.items():
        if makes(path, name):
            return kind
    raise KeyError(f"{path} makes no image, video or batch")


def makes(path: str, *names: Kind) -> bool:
    """Whether an API path belongs to a job of one of some kinds.

    :param path: a path below the base URL, such as `/images/edits`.
    :param names: the kinds.
    """
    return any(path == KINDS[name].path or path.startswith(f"{KINDS[name].path}/") for name in names)


def is_result(media_type: str) -> bool:
    """Whether a file of a media type can be what a job has made: any format of pictures or videos.

    :param media_type: such as `image/png`.
    """
    families = {kind.media_type.partition("/")[0] for kind in KINDS.values()} - {""}
    return media_type.partition("/")[0] in families


def kind_of_batch_request(name: str) -> KindFacts | None:
    """The kind of what one request of a batch makes; None for text, which makes no file.

    :param name: the key of `batch_request`, such as `image_edit` (docs.x.ai, Batch API).
    """
    return next((kind for kind in KINDS.values() if kind.extension and name.startswith(f"{kind.name}_")), None)
