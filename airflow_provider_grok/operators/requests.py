"""Requests of a batch as plain dicts: light to import, templates and XComArgs allowed inside, checked when executed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_grok.api.request_fields import (
    EDIT_IMAGE,
    EDIT_VIDEO,
    EXTEND_VIDEO,
    GENERATE_IMAGE,
    GENERATE_VIDEO,
)
from airflow_provider_grok.operators.values import ONE_SOURCE, rendered_fields

if TYPE_CHECKING:
    from airflow_provider_grok.api.request_fields import (
        ImageQuality,
        ImageRatio,
        ImageResolution,
        VideoRatio,
        VideoResolution,
    )


def _request(id: str, kind: str, defaults: NamedTuple, **fields: Any) -> dict[str, Any]:
    # None takes a field out that has a default, as with the operators; of any other it says nothing.
    meant = {name for name, value in defaults._asdict().items() if value is not None}
    body = {name: value for name, value in fields.items() if value is not None or name in meant}
    return {"batch_request_id": id, "batch_request": {kind: body}}


def generate_image(
    id: str,
    *,
    prompt: Any,
    model: str = GENERATE_IMAGE.model,
    n: int | str | None = GENERATE_IMAGE.n,
    aspect_ratio: ImageRatio | str | None = GENERATE_IMAGE.aspect_ratio,
    resolution: ImageResolution | str | None = GENERATE_IMAGE.resolution,
    quality: ImageQuality | str | None = GENERATE_IMAGE.quality,
    **more: Any,
) -> dict[str, Any]:
    """A picture from words, as one request of a batch.

    :param id: the request's id: unique in the batch, and the same on every try.
    :param prompt: what to show.
    :param model: the model's name.
    :param n: how many pictures, 1 to 10; None: one.
    :param aspect_ratio: such as `3:2`; `auto` leaves it to the model.
    :param resolution: `1k`, `1.5k` or `2k`.
    :param quality: `low`, `medium`, `high` or `auto`; sent only to models that know it.
    :param more: further fields of the request, not checked.
    """
    return _request(
        id,
        "image_generation",
        GENERATE_IMAGE,
        prompt=prompt,
        model=model,
        n=n,
        aspect_ratio=aspect_ratio,
        resolution=resolution,
        quality=quality,
        **more,
    )


def edit_image(
    id: str,
    *,
    prompt: Any,
    image: Any = None,
    images: Any = None,
    model: str = EDIT_IMAGE.model,
    n: int | str | None = EDIT_IMAGE.n,
    aspect_ratio: ImageRatio | str | None = EDIT_IMAGE.aspect_ratio,
    resolution: ImageResolution | str | None = EDIT_IMAGE.resolution,
    quality: ImageQuality | str | None = EDIT_IMAGE.quality,
    **more: Any,
) -> dict[str, Any]:
    """An edit of stored pictures, as one request of a batch.

    :param id: the request's id: unique in the batch, and the same on every try.
    :param prompt: what to change.
    :param image: one source: file id or https URL.
    :param images: two to five sources instead.
    :param model: the model's name.
    :param n: how many pictures, 1 to 10; None: one.
    :param aspect_ratio: such as `3:2`, for several sources.
    :param resolution: `1k`, `1.5k` or `2k`.
    :param quality: `low`, `medium`, `high` or `auto`; sent only to models that know it.
    :param more: further fields of the request, not checked.
    """
    return _request(
        id,
        "image_edit",
        EDIT_IMAGE,
        prompt=prompt,
        image=image,
        images=images,
        model=model,
        n=n,
        aspect_ratio=aspect_ratio,
        resolution=resolution,
        quality=quality,
        **more,
    )


def generate_video(
    id: str,
    *,
    prompt: Any = None,
    image: Any = None,
    reference_images: Any = None,
    reference_audios: Any = None,
    last_frame: Any = None,
    keyframes: Any = None,
    model: str = GENERATE_VIDEO.model,
    duration: int | str = GENERATE_VIDEO.duration,
    aspect_ratio: VideoRatio | str | None = GENERATE_VIDEO.aspect_ratio,
    resolution: VideoResolution | str | None = GENERATE_VIDEO.resolution,
    generate_audio: bool | str | None = GENERATE_VIDEO.generate_audio,
    **more: Any,
) -> dict[str, Any]:
    """A video from words, a first picture, references or keyframes, as one request of a batch.

    :param id: the request's id: unique in the batch, and the same on every try.
    :param prompt: what happens; needed unless there is a picture to go by.
    :param image: first frame: file id or https URL.
    :param reference_images: 1 to 14 pictures of what is to appear.
    :param reference_audios: up to 3 voices: ids or https URLs.
    :param last_frame: last frame: file id or https URL.
    :param keyframes: up to 4 of `{"image": ..., "timestamp_s": seconds}`.
    :param model: the model's name.
    :param duration: length in seconds, 1 to 15.
    :param aspect_ratio: such as `9:16`; None: the API's `16:9`.
    :param resolution: `480p`, `720p` or `1080p`, as the model allows.
    :param generate_audio: whether it has sound.
    :param more: further fields of the request, not checked.
    """
    return _request(
        id,
        "video_generation",
        GENERATE_VIDEO,
        prompt=prompt,
        image=image,
        reference_images=reference_images,
        reference_audios=reference_audios,
        last_frame=last_frame,
        keyframes=keyframes,
        model=model,
        duration=duration,
        aspect_ratio=aspect_ratio,
        resolution=resolution,
        generate_audio=generate_audio,
        **more,
    )


def edit_video(id: str, *, prompt: Any, video: Any, model: str = EDIT_VIDEO.model, **more: Any) -> dict[str, Any]:
    """A change of a stored video, as one request of a batch.

    :param id: the request's id: unique in the batch, and the same on every try.
    :param prompt: what to change.
    :param video: the source, an MP4 of at most 8.7 s: file id or https URL.
    :param model: the model's name; only `grok-imagine-video` can.
    :param more: further fields of the request, not checked.
    """
    return _request(id, "video_generation", EDIT_VIDEO, prompt=prompt, video=video, model=model, **more)


def extend_video(
    id: str,
    *,
    prompt: Any,
    video: Any,
    model: str = EXTEND_VIDEO.model,
    duration: int | str = EXTEND_VIDEO.duration,
    **more: Any,
) -> dict[str, Any]:
    """A longer version of a stored video, as one request of a batch.

    :param id: the request's id: unique in the batch, and the same on every try.
    :param prompt: how it goes on.
    :param video: the source, an MP4 of 2 to 15 s: file id or https URL.
    :param model: the model's name; only `grok-imagine-video` can.
    :param duration: seconds to add, 1 to 15.
    :param more: further fields of the request, not checked.
    """
    return _request(
        id, "video_extension", EXTEND_VIDEO, prompt=prompt, video=video, model=model, duration=duration, **more
    )


def checked(entry: Any, index: int) -> dict[str, Any]:
    """A rendered request with a body as the API takes it.

    Sources may be written out in the API's own form (`{"file_id": ...}`) too.

    :param entry: a request as this module's functions make it.
    :param index: its place in the list, for the error.
    :raises InvalidRequest: for what is no request, or an argument that cannot be.
    """
    from airflow_provider_grok.api import batch_requests, errors, validation

    asked = entry.get("batch_request") if isinstance(entry, Mapping) else None
    if not isinstance(asked, Mapping) or len(asked) != 1:
        raise errors.InvalidRequest(
            f"requests[{index}] is no request: {validation.shown(entry)}. Make it with edit_image(...), "
            "generate_image(...), generate_video(...), edit_video(...) or extend_video(...)."
        )
    kind, body = next(iter(asked.items()))
    id: Any = entry.get("batch_request_id")
    if not isinstance(body, Mapping):
        raise errors.InvalidRequest(f"requests[{index}]: the body of {kind} is no dict.")
    try:
        return batch_requests.request(str(id) if isinstance(id, int) else id, kind, _body(kind, body))
    except errors.InvalidRequest as error:
        raise errors.InvalidRequest(f"requests[{index}] ({id}): {error}") from None


def _body(kind: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    import inspect

    from airflow_provider_grok.api import images, videos

    builders: dict[str, Any] = {
        "image_generation": images.generation_body,
        "image_edit": images.edit_body,
        "video_generation": videos.edit_body if "video" in body else videos.generation_body,
        "video_extension": videos.extension_body,
    }
    build = builders.get(kind)
    if build is None:
        return body
    parameters = inspect.signature(build).parameters
    # A required field that is missing is told like one that is empty.
    given = {name: None for name, one in parameters.items() if one.default is one.empty} | dict(body)
    known = parameters.keys() - {"params"}
    fields = {name: _plain(name, value) for name, value in given.items() if name in known}
    rest = {name: value for name, value in given.items() if name not in known}
    if kind == "video_extension":
        # The only endpoint that knows no `user`; the operator for it sends none either.
        rest.pop("user", None)
    read = rendered_fields(fields, needs_prompt=kind != "video_generation" or "video" in body)
    made: Mapping[str, Any] = build(**read, params=rest or None)
    return made


def _plain(name: str, value: Any) -> Any:
    """A source in the API's own form, or each of several, as the id or URL that it is; anything else as it is."""
    if name in ONE_SOURCE:
        return _named(value)
    if name in ("images", "reference_images") and isinstance(value, list | tuple):
        return [_named(one) for one in value]
    if name == "keyframes" and isinstance(value, list | tuple):
        return [{**one, "image": _named(one.get("image"))} if isinstance(one, Mapping) else one for one in value]
    return value


def _named(source: Any) -> Any:
    if not isinstance(source, Mapping):
        return source
    named = [source[key] for key in ("file_id", "url", "image_url") if source.get(key)]
    return named[0] if len(named) == 1 else source
