"""Images: bodies of generations and edits, checked; their submission; and what becomes of them (docs.x.ai, Images)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from airflow_provider_grok.api import errors, media, validation
from airflow_provider_grok.api.call import Call
from airflow_provider_grok.api.jobs import Accepted, Progress
from airflow_provider_grok.api.media import source
from airflow_provider_grok.api.model import BillableModel
from airflow_provider_grok.api.request_fields import ImageFormat, ImageQuality, ImageRatio, ImageResolution

__all__ = ["Image", "Images", "check_prompt", "edit", "edit_body", "generate", "generation_body", "poll", "source"]

ASPECT_RATIOS: tuple[str, ...] = get_args(ImageRatio)
RESOLUTIONS: tuple[str, ...] = get_args(ImageResolution)
QUALITIES: tuple[str, ...] = get_args(ImageQuality)
FORMATS: tuple[str, ...] = get_args(ImageFormat)
#: How many pictures one request may ask for.
MOST = 10
#: How many sources `images` takes; three were the most before August 2026.
SOURCES = (2, 5)
#: Models that know `quality`: 2.0, and the retired names that it serves.
GRADED = (
    "grok-imagine-image-2.0",
    "grok-imagine-image-quality",
    "grok-imagine-image-pro",
    "grok-imagine-image-quality-latest",
)


class Image(media.Asset):
    """One picture of a result."""

    b64_json: str | None = None
    mime_type: str = "image/jpeg"
    revised_prompt: str | None = None

    @property
    def present(self) -> bool:
        """Whether there is anything to keep."""
        return super().present or bool(self.b64_json and not self.moderated)


class Images(BillableModel):
    """The result of an image request."""

    data: tuple[Image, ...] = ()
    usage: Any = None

    @property
    def ticks(self) -> int | None:
        """What was charged, where the answer says so."""
        return errors.ticks_in({"usage": self.usage})


def generation_body(
    *,
    prompt: str,
    model: str,
    n: int | str = 1,
    aspect_ratio: ImageRatio | str | None = None,
    resolution: ImageResolution | str | None = None,
    quality: ImageQuality | str | None = None,
    response_format: ImageFormat | str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    user: str | None = None,
    upload_urls: Sequence[str] | None = None,
    params: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Make the body of a request for new pictures (docs.x.ai, Images: generations).

    :param prompt: what to show.
    :param model: the model's name; unknown ones are sent as they are.
    :param n: how many pictures, 1 to 10.
    :param aspect_ratio: such as `3:2`; None: the API's default, `auto`. One that is not in ASPECT_RATIOS is sent with a
        warning, as are a resolution and a quality that are not known.
    :param resolution: `1k`, `1.5k` or `2k`; None: the API's default, `1k`.
    :param quality: `low`, `medium`, `high` or `auto`; left out for models that do not know it.
    :param response_format: `url` or `b64_json`; None: the API's default, `url`.
    :param storage_options: as `files.storage_options` makes them.
    :param user: tag of an end user, for xAI's logs.
    :param upload_urls: one pre-signed PUT URL per picture, instead of storage at xAI.
    :param params: further fields, merged last and not checked.
    :raises InvalidRequest: for a value that the API would refuse.
    """
    count, model = validation.whole(n, "n", 1, MOST), validation.text(model, "model")
    body = {
        "model": model,
        "prompt": validation.text(prompt, "prompt"),
        "n": count,
        "aspect_ratio": aspect_ratio
        and validation.likely(aspect_ratio, "aspect_ratio", ASPECT_RATIOS, validation.RATIO_OR_AUTO),
        "resolution": resolution and validation.likely(resolution, "resolution", RESOLUTIONS, validation.SIZE),
        "quality": quality and _quality(quality, model),
        "response_format": response_format and validation.choice(response_format, "response_format", FORMATS),
        "storage_options": storage_options and dict(storage_options),
        "user": str(user) if user else None,
        "output": None if upload_urls is None else _output(upload_urls, count, response_format),
    }
    return validation.merged(body, params)


def edit_body(
    *,
    prompt: str,
    model: str,
    image: str | None = None,
    images: Sequence[str] | None = None,
    n: int | str = 1,
    aspect_ratio: ImageRatio | str | None = None,
    resolution: ImageResolution | str | None = None,
    quality: ImageQuality | str | None = None,
    response_format: ImageFormat | str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    user: str | None = None,
    upload_urls: Sequence[str] | None = None,
    params: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Make the body of a request that changes pictures (docs.x.ai, Images: edits).

    :param image: one source: a file id or an https URL.
    :param images: 2 to 5 sources, called `<IMAGE_0>`, `<IMAGE_1>`, ... in the prompt.
    :param aspect_ratio: taken from the source by the API where there is only one.

    The other parameters are those of `generation_body`.

    :raises InvalidRequest: for a value that the API would refuse.
    """
    body = generation_body(
        prompt=prompt,
        model=model,
        n=n,
        aspect_ratio=aspect_ratio,
        resolution=resolution,
        quality=quality,
        response_format=response_format,
        storage_options=storage_options,
        user=user,
        upload_urls=upload_urls,
    )
    return validation.merged({**body, **_sources(image, images)}, params)


def _sources(image: object, images: object) -> dict[str, Any]:
    if (image is None) == (images is None):
        got = "neither" if image is None else "both"
        raise errors.InvalidRequest(f"An edit needs either image= (one source) or images= (2 to 5), and got {got}.")
    if images is None:
        return {"image": source(image)}
    remedy = "Give one source as image=; for one result per source use .expand(image=...)."
    found = validation.several(images, "images", *SOURCES, remedy, "sources")
    return {"images": [source(each, f"images[{index}]") for index, each in enumerate(found)]}


def _quality(quality: str, model: str) -> str | None:
    graded = validation.likely(quality, "quality", QUALITIES, validation.WORD)
    return graded if model.startswith(GRADED) else None


def _output(upload_urls: Sequence[str], n: int, response_format: str | None) -> dict[str, list[str]]:
    if len(upload_urls) != n or response_format not in (None, "url"):
        raise errors.InvalidRequest(
            f"upload_urls has {len(upload_urls)} URLs for n={n} and response_format={response_format!r}; give one URL "
            "per picture, and leave response_format out."
        )
    return {"upload_urls": list(upload_urls)}


def check_prompt(prompt: str, limit: int) -> None:
    """Refuse a prompt that a model does not take.

    :param prompt: the prompt.
    :param limit: the model's `max_prompt_length`, in characters.
    :raises InvalidRequest: for a longer one.
    """
    if len(prompt) > limit:
        raise errors.InvalidRequest(f"The prompt has {len(prompt)} characters; the model takes {limit}. Shorten it.")


def generate(body: Mapping[str, Any]) -> Call[Accepted]:
    """Ask for new pictures; this is billed (docs.x.ai, Images: generations).

    :param body: as `generation_body` makes it; `deferred` is added, so that the request has an id.
    """
    return media.submit("image", "/images/generations", _deferred(body), _finish)


def edit(body: Mapping[str, Any]) -> Call[Accepted]:
    """Ask for changed pictures; this is billed (docs.x.ai, Images: edits).

    :param body: as `edit_body` makes it; `deferred` is added, so that the request has an id.
    """
    return media.submit("image", "/images/edits", _deferred(body), _finish)


def _deferred(body: Mapping[str, Any]) -> dict[str, Any]:
    # Pictures in the answer itself cannot be deferred.
    return dict(body) if body.get("response_format") == "b64_json" else {"deferred": True, **body}


def poll(request_id: str) -> Call[Progress]:
    """Ask once how an image request is (docs.x.ai, Images: deferred requests).

    :param request_id: the server's id of the request.
    """
    return media.poll("image", request_id, _finish)


def _finish(job_id: str, document: Mapping[str, Any]) -> Progress:
    made = Images.parse(document, f"image job {job_id}")
    return media.ended("image", job_id, made, made.data, made.ticks)
