"""What a batch is to hold: its requests, what tells two such orders apart, and what they will cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_grok.api import account, errors, images, prices
from airflow_provider_grok.api.call import Call, Flow
from airflow_provider_grok.api.kinds import Kind, kind_of_batch_request
from airflow_provider_grok.flows.purchases.key import NOT_THE_RESULT, digest_of
from airflow_provider_grok.flows.purchases.result import listed

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class BatchPurchaseRequest:
    """A batch that is to be bought.

    :param requests: entries `{"batch_request_id", "batch_request": {kind: body}}`, checked.
    :param name: the name that the user gave; the token goes behind it.
    :param expires_after: life of the stored results in seconds; None: no end.
    :param link: public link of each result: None, True (as long as the file) or seconds.
    :param max_cost: most ticks that the batch may cost; None: no limit.
    """

    requests: Sequence[Entry]
    name: str | None = None
    expires_after: int | None = None
    link: bool | int | None = None
    max_cost: int | None = None

    @property
    def digest(self) -> str:
        """A digest of what is asked for; how it is stored does not count."""
        return digest_of([[entry_id(entry), *row_content(entry)] for entry in self.requests])

    def appraise(self, entries: Sequence[Entry]) -> Flow[list[int | None]]:
        """Estimate what each request of the list costs in ticks, and check those that are to be sent.

        :param entries: the requests that are to be sent.
        :raises InvalidRequest: for a model that does not exist, or a prompt over its model's length.
        """
        priced: list[account.ImageModel] = yield from _models(entries, "image", account.image_models)
        films: list[account.VideoModel] = yield from _models(entries, "video", account.video_models)
        for kind, served, others in (("image", priced, prices.IMAGE_PRICES), ("video", films, prices.VIDEO_PRICES)):
            _check_models(entries, kind, served, {*others, *prices.SERVED_BY})
        return [_cost(entry, priced) for entry in self.requests]


def _models(entries: Sequence[Entry], kind: str, ask: Callable[[], Call[Any]]) -> Flow[list[Any]]:
    if not any(_kind(entry) == kind for entry in entries):
        return []
    return (yield from listed(ask()))


def _check_models(entries: Sequence[Entry], kind: str, served: Sequence[Any], known: set[str]) -> None:
    by_name = {name: model for model in served for name in (model.id, *model.aliases)}
    for entry in entries if served else ():
        model = str(kind_and_body(entry)[1].get("model"))
        if _kind(entry) != kind or (model not in by_name and model in known):
            continue
        if model not in by_name:
            raise errors.InvalidRequest(
                f"Request {entry_id(entry)!r}: model={model!r} makes no {kind}s for this key; "
                f"{', '.join(one.id for one in served)} do. One such request can spoil the whole batch, so nothing "
                "was sent."
            )
        if most := getattr(by_name[model], "max_prompt_length", None):
            _check_prompt(entry, most)


def entry_id(entry: Entry) -> str:
    """A request's id.

    :param entry: the request.
    """
    return str(entry["batch_request_id"])


def kind_and_body(entry: Entry) -> tuple[str, Mapping[str, Any]]:
    """What a request is for, and what it asks.

    :param entry: the request.
    """
    kind, body = next(iter(entry["batch_request"].items()))
    return kind, body


def _check_prompt(entry: Entry, most: int) -> None:
    try:
        images.check_prompt(str(kind_and_body(entry)[1].get("prompt", "")), most)
    except errors.InvalidRequest as error:
        raise errors.InvalidRequest(f"Request {entry_id(entry)!r}: {error}") from None


def row_content(entry: Entry) -> tuple[str, dict[str, Any]]:
    """What a request asks to be made: its kind, and its body without what does not change the result.

    :param entry: the request.
    """
    kind, body = kind_and_body(entry)
    return kind, {key: value for key, value in body.items() if key not in NOT_THE_RESULT}


def _kind(entry: Entry) -> Kind | None:
    made = kind_of_batch_request(kind_and_body(entry)[0])
    return made.name if made else None


def _cost(entry: Entry, priced: Sequence[account.ImageModel]) -> int | None:
    kind, body = _kind(entry), kind_and_body(entry)[1]
    if kind == "image":
        return prices.image_ticks(body, priced)
    return prices.video_ticks(body) if kind == "video" else None
