"""What is to be bought, how that stands, and what it came to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from airflow_provider_grok.api import account, errors, files, images, jobs, prices
from airflow_provider_grok.api.call import Call, Flow
from airflow_provider_grok.api.kinds import Kind, kind_of, makes
from airflow_provider_grok.api.prices import usd
from airflow_provider_grok.flows.files.result_store import StoredResult

M = TypeVar("M", bound=account.Model)


@dataclass(frozen=True)
class PurchaseRequest:
    """What is to be bought.

    :param call: the paid call, without `storage_options`.
    :param filename: name of the stored file that the user asked for; the token goes before its ending.
    :param expires_after: life of the stored files in seconds; None: no end.
    :param link: public link: None, True (as long as the file) or seconds.
    :param max_cost: most ticks that the task instance may spend over all its tries; None: no limit.
    """

    call: Call[jobs.Accepted]
    filename: str | None = None
    expires_after: int | None = None
    link: bool | int | None = None
    max_cost: int | None = None

    @property
    def kind(self) -> Kind:
        """Picture or video."""
        return kind_of(self.call.path).name

    @property
    def extension(self) -> str:
        """Ending of the stored file's name."""
        return kind_of(self.call.path).extension

    @property
    def count(self) -> int:
        """How many assets it makes."""
        return int((self.call.body or {}).get("n", 1))

    def source_ids(self) -> list[str]:
        """Ids of the stored files that it names as sources."""
        return list(dict.fromkeys(_file_ids(self.call.body or {})))

    def to_send(self, name: str) -> Call[jobs.Accepted]:
        """The paid call as it is sent: with the name, lifetime and public URL of what it makes.

        :param name: name of the stored file.
        """
        body = dict(self.call.body or {})
        ours = files.storage_options(name, expires_after=self.expires_after, public_url=self.link)
        # Whatever else a caller's `request_params` ask of the storage, the name is the one that is looked for.
        asked = body.get("storage_options")
        body["storage_options"] = {**asked, **ours} if isinstance(asked, dict) else ours
        return replace(self.call, body=body)


def _file_ids(value: Any) -> Iterator[str]:
    """Every `file_id` in a request, wherever it stands."""
    if isinstance(value, Mapping):
        if isinstance(found := value.get("file_id"), str):
            yield found
        value = list(value.values())
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _file_ids(inner)


def check_purchase(call: Call[Any]) -> None:
    """Refuse to buy by a call that makes no picture and no video.

    :param call: the call.
    :raises InvalidRequest: for any other call, naming what it is for.
    """
    if call.paid and makes(call.path, "image", "video"):
        return
    instead = "GrokBatchOperator fills batches, and never twice" if call.paid else "hook.run carries out what is free"
    raise errors.InvalidRequest(
        f"{call.method} {call.shown_path} makes no picture and no video, so it cannot be bought: {instead}."
    )


def listed(models: Call[list[M]]) -> Flow[list[M]]:
    """The models that this key may use; none where there is no list to be had, which is a help and not a condition.

    :param models: asks for the list.
    :raises PermissionDenied: for a key that is wrong; one that merely may not list models can still buy.
    :raises NotAnApiResponse: where some other server answers.
    """
    try:
        return (yield from models)
    except errors.PermissionDenied as error:
        if error.status != 403:
            raise
        return []
    except (errors.NotFound, errors.InvalidArgument, errors.ServerUnavailable, errors.RateLimited):
        return []
    except errors.NotAnApiResponse:
        # A gateway may say by a web page that it has no such list; where nothing else is the API either, it ends here.
        yield from files.page(limit=1)
        return []


def appraise(call: Call[jobs.Accepted]) -> Flow[int | None]:
    """Estimate a request's cost in ticks, and check it against what its model can do, before anything is sent.

    :param call: the paid call.
    :raises InvalidRequest: for a model that does not exist, or a prompt over the model's length.
    """
    body = call.body or {}
    if kind_of(call.path).name == "video":
        return prices.video_ticks(body)
    models: list[account.ImageModel] = yield from listed(account.image_models())
    name = str(body.get("model", ""))
    named = [model for model in models if name in (model.id, *model.aliases)]
    if models and not named and name not in prices.IMAGE_PRICES and name not in prices.SERVED_BY:
        known = ", ".join(model.id for model in models)
        raise errors.InvalidRequest(f"model={name!r} makes no images for this key; {known} do. Nothing was sent.")
    if named and named[0].max_prompt_length:
        images.check_prompt(str(body.get("prompt", "")), named[0].max_prompt_length)
    return prices.image_ticks(body, models)


@dataclass(frozen=True)
class PurchaseState:
    """How a purchase stands.

    :param kind: image or video.
    :param job_id: the server's id of its job; empty where none is known.
    :param submitted_at: unix seconds of the submission.
    :param name: name under which its result is stored.
    :param progress: the last poll of its job; None before the first.
    :param adopted: stored files that were found by key instead of a job.
    :param bought: the recorded result of a finished purchase.
    :param reused: nothing was asked of the API this time that costs money.
    """

    kind: Kind
    job_id: str
    submitted_at: float
    name: str
    progress: jobs.Progress | None = None
    adopted: list[files.File] | None = None
    bought: PurchaseResult | None = None
    reused: bool = False

    @property
    def job(self) -> jobs.Job:
        """The job to poll."""
        return jobs.Job(self.kind, self.job_id, self.submitted_at)

    @property
    def ended(self) -> bool:
        """Whether nothing is left to wait for."""
        ended = self.progress is not None and self.progress.state != "pending" and not self.progress.odd
        return ended or self.adopted is not None or self.bought is not None


@dataclass(frozen=True)
class PurchaseResult:
    """What a purchase came to.

    :param rows: one row for each asset, in order, kept or not.
    :param ticks: what it cost.
    :param estimated: whether `ticks` is our estimate for want of the server's word.
    :param job_id: the server's id of the job.
    :param reused: nothing was paid for this time.
    :param failure: why there is no result.
    :param submitted_at: unix seconds at which the job was submitted.
    :param seconds: how long the job took.
    """

    rows: list[StoredResult]
    ticks: int
    estimated: bool
    job_id: str | None
    reused: bool = False
    failure: errors.GrokError | None = None
    submitted_at: float | None = None
    seconds: float | None = None

    @property
    def file_ids(self) -> list[str]:
        """The stored files, in order."""
        return [row.file_id for row in self.rows if row.file_id]

    def usage(self) -> dict[str, Any]:
        """The receipt's `usage`."""
        return {"cost_in_usd_ticks": self.ticks, "cost_usd": usd(self.ticks), "estimated": self.estimated}
