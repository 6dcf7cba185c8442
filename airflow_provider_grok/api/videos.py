"""Videos: bodies of generations, edits and extensions, checked; their submission; and what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from airflow_provider_grok.api import errors, media, validation
from airflow_provider_grok.api.call import Call
from airflow_provider_grok.api.jobs import Accepted, Progress
from airflow_provider_grok.api.media import source
from airflow_provider_grok.api.request_fields import (
    EDIT_VIDEO,
    EXTEND_VIDEO,
    GENERATE_VIDEO,
    VideoRatio,
    VideoResolution,
)

if TYPE_CHECKING:
    from typing_extensions import Self

ASPECT_RATIOS: tuple[str, ...] = get_args(VideoRatio)
RESOLUTIONS: tuple[str, ...] = get_args(VideoResolution)
#: Shortest and longest video, in seconds; the longest from references by the oldest model; and of an extension.
SECONDS, SECONDS_FROM_REFERENCES, SECONDS_ADDED = (1, 15), 10, (2, 10)
#: How many of each a request takes.
MOST_REFERENCES, MOST_AUDIOS, MOST_KEYFRAMES = 7, 3, 4


class ModelCapabilities(NamedTuple):
    """What a model can do (docs.x.ai, Videos: models)."""

    resolutions: tuple[str, ...] = RESOLUTIONS
    takes: frozenset[str] = frozenset()
    remakes: bool = False


_NEWEST = ModelCapabilities(takes=frozenset({"reference_images", "last_frame", "keyframes", "reference_audios"}))
#: Models whose limits are known; any other is sent as it is.
MODELS: dict[str, ModelCapabilities] = {
    "grok-imagine-video": ModelCapabilities(("480p", "720p"), frozenset({"reference_images"}), remakes=True),
    "grok-imagine-video-1.5": _NEWEST,
    "grok-imagine-video-1.5-preview": _NEWEST,
    "grok-imagine-video-1.5-2026-05-30": _NEWEST,
    "grok-imagine-video-1.5-lite": ModelCapabilities(),
}


class Video(media.Asset):
    """The result of a video request; `model` is the resolved name."""

    duration: float = 0.0
    model: str | None = None
    usage: Any = None

    @property
    def data(self) -> tuple[Self, ...]:
        """The one asset, as a result of pictures holds its several."""
        return (self,)

    @property
    def ticks(self) -> int | None:
        """What was charged, where the answer says so."""
        return errors.ticks_in({"usage": self.usage})

    @classmethod
    def in_answer(cls, document: Mapping[str, Any], origin: str) -> Self:
        """Read the video that a finished job's answer holds, be there one or not.

        :param document: the answer.
        :param origin: where it came from, for an error.
        """
        shown = document.get("video")
        about = {"model": document.get("model"), "usage": document.get("usage")}
        return cls.parse({**(shown if isinstance(shown, Mapping) else {}), **about}, origin)


def generation_body(
    *,
    prompt: str | None = None,
    model: str,
    duration: int | str = GENERATE_VIDEO.duration,
    aspect_ratio: VideoRatio | str | None = None,
    resolution: VideoResolution | str | None = GENERATE_VIDEO.resolution,
    image: str | None = None,
    reference_images: Sequence[str] | None = None,
    reference_audios: Sequence[str | Mapping[str, str]] | None = None,
    last_frame: str | None = None,
    keyframes: Sequence[Mapping[str, Any]] | None = None,
    generate_audio: bool = True,
    storage_options: Mapping[str, Any] | None = None,
    user: str | None = None,
    upload_url: str | None = None,
    params: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Make the body of a request for a new video (docs.x.ai, Videos: generations).

    :param prompt: what happens; needed unless there is an image to start from.
    :param model: the model's name; unknown ones are sent as they are.
    :param duration: seconds, 1 to 15; text of a number is taken.
    :param aspect_ratio: one of ASPECT_RATIOS; the API takes it from the image where there is one.
    :param resolution: `480p`, `720p` or `1080p`, as the model allows.
    :param image: first frame: a file id or an https URL.
    :param reference_images: 1 to 7 pictures of what is to appear.
    :param reference_audios: up to 3 voices: ids, https URLs, or the API's own `{"voice_id": ...}`.
    :param last_frame: last frame: a file id or an https URL.
    :param keyframes: up to 4 of `{"image": ..., "timestamp_s": seconds}`.
    :param generate_audio: whether it has sound.
    :param storage_options: as `files.storage_options` makes them.
    :param user: tag of an end user, for xAI's logs.
    :param upload_url: a pre-signed PUT URL, instead of storage at xAI.
    :param params: further fields, merged last and not checked.
    :raises InvalidRequest: for a value, or a combination, that the API would refuse.
    """
    seconds = validation.whole(duration, "duration", *SECONDS)
    body = {
        "model": validation.text(model, "model"),
        "prompt": None if prompt is None else validation.text(prompt, "prompt"),
        "duration": seconds,
        "aspect_ratio": aspect_ratio and validation.choice(aspect_ratio, "aspect_ratio", ASPECT_RATIOS),
        "resolution": resolution and validation.choice(resolution, "resolution", RESOLUTIONS),
        "image": None if image is None else source(image),
        "reference_images": _several(reference_images, "reference_images", MOST_REFERENCES, source),
        "reference_audios": _several(reference_audios, "reference_audios", MOST_AUDIOS, _audio),
        "last_frame": None if last_frame is None else source(last_frame, "last_frame"),
        "keyframes": _keyframes(keyframes, seconds),
        # True is the API's default, and the field is not in every version of it.
        "generate_audio": None if generate_audio else False,
        "storage_options": storage_options and dict(storage_options),
        "user": str(user) if user else None,
        "output": upload_url and {"upload_url": upload_url},
    }
    known = validation.merged(body, None)
    _check_combination(known)
    return validation.merged(known, params)


def _several(given: object, what: str, most: int, read: Any) -> list[dict[str, str]] | None:
    if given is None:
        return None
    if not isinstance(given, list | tuple) or not 1 <= len(given) <= most:
        count = len(given) if isinstance(given, list | tuple) else f"a {type(given).__name__}"
        raise errors.InvalidRequest(f"{what}= takes a list of 1 to {most}, and got {count}. Leave it out for none.")
    return [read(each, f"{what}[{index}]") for index, each in enumerate(given)]


def _audio(value: object, what: str) -> dict[str, str]:
    if isinstance(value, Mapping) and len(value) == 1 and {"voice_id", "url"} & value.keys():
        return {str(key): validation.text(item, what) for key, item in value.items()}
    voice = validation.text(value, what)
    return source(voice, what) if "/" in voice or voice.startswith("data:") else {"voice_id": voice}


def _keyframes(given: object, seconds: int) -> list[dict[str, Any]] | None:
    def read(frame: object, what: str) -> dict[str, Any]:
        at = validation.number(frame.get("timestamp_s")) if isinstance(frame, Mapping) else None
        if not isinstance(frame, Mapping) or at is None:
            raise errors.InvalidRequest(f"{what} must be {{'image': a source, 'timestamp_s': seconds}}.")
        if not 0 < at < seconds:
            raise errors.InvalidRequest(
                f"{what}: timestamp_s={at:g} must lie between 0 and the duration, {seconds} s. For the ends use image= "
                "and last_frame=."
            )
        return {"image": source(frame.get("image"), f"{what}.image"), "timestamp_s": at}

    return _several(given, "keyframes", MOST_KEYFRAMES, read)


def _check_combination(body: Mapping[str, Any]) -> None:
    model, skills = body["model"], MODELS.get(body["model"])
    if "prompt" not in body and not {"image", "reference_images", "keyframes"} & body.keys():
        raise errors.InvalidRequest("A video needs a prompt=, or an image= to start from; both were left out.")
    if not skills:
        return
    if body.get("resolution", "480p") not in skills.resolutions:
        _refuse(f"resolution={body['resolution']!r}", model, f"allowed: {', '.join(skills.resolutions)}")
    for field in sorted(_NEWEST.takes - skills.takes):
        if field in body:
            able = ", ".join(name for name, other in MODELS.items() if field in other.takes)
            _refuse(f"{field}=", model, f"models that take it: {able}")
    if "reference_images" in body:
        _check_references(body)


def _check_references(body: Mapping[str, Any]) -> None:
    if body.get("resolution") == "1080p":
        _refuse("resolution='1080p' with reference_images=", body["model"], "720p is the most with references")
    if body["model"] != "grok-imagine-video":
        return
    if "image" in body:
        _refuse("image= with reference_images=", body["model"], "give one of the two, or use grok-imagine-video-1.5")
    if body["duration"] > SECONDS_FROM_REFERENCES:
        _refuse(f"duration={body['duration']} with reference_images=", body["model"], "10 s are the most")


def _refuse(what: str, model: str, remedy: str) -> None:
    raise errors.InvalidRequest(f"{what} is not possible with {model}; {remedy}.")


def edit_body(
    *,
    prompt: str,
    video: str,
    model: str = EDIT_VIDEO.model,
    storage_options: Mapping[str, Any] | None = None,
    user: str | None = None,
    upload_url: str | None = None,
    params: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Make the body of a request that changes a video (docs.x.ai, Videos: edits).

    :param prompt: what to change.
    :param video: the source: a file id or an https URL of an MP4 of at most 8.7 s.
    :param model: grok-imagine-video is the only one that can.
    :param storage_options: as `files.storage_options` makes them.
    :param user: tag of an end user, for xAI's logs.
    :param upload_url: a pre-signed PUT URL, instead of storage at xAI.
    :param params: further fields, merged last and not checked.
    :raises InvalidRequest: for a value that the API would refuse.
    """
    body = {
        "model": _remaker(model),
        "prompt": validation.text(prompt, "prompt"),
        "video": source(video, "video"),
        "storage_options": storage_options and dict(storage_options),
        "user": str(user) if user else None,
        "output": upload_url and {"upload_url": upload_url},
    }
    return validation.merged(body, params)


def extension_body(
    *,
    prompt: str,
    video: str,
    model: str = EXTEND_VIDEO.model,
    duration: int | str = EXTEND_VIDEO.duration,
    storage_options: Mapping[str, Any] | None = None,
    upload_url: str | None = None,
    params: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Make the body of a request that lengthens a video; this endpoint knows no `user` (docs.x.ai, Videos: extensions).

    :param prompt: how it goes on.
    :param video: the source: a file id or an https URL of an MP4 of 2 to 15 s.
    :param duration: seconds to add, 2 to 10.

    The other parameters are those of `edit_body`.

    :raises InvalidRequest: for a value that the API would refuse.
    """
    seconds = validation.whole(duration, "duration", *SECONDS_ADDED)
    body = edit_body(prompt=prompt, video=video, model=model, storage_options=storage_options, upload_url=upload_url)
    return validation.merged({**body, "duration": seconds}, params)


def _remaker(model: str) -> str:
    skills = MODELS.get(validation.text(model, "model"))
    if (skills and not skills.remakes) or model.startswith("grok-imagine-image"):
        _refuse("Editing or extending a video", model, "use grok-imagine-video")
    return model


def generate(body: Mapping[str, Any]) -> Call[Accepted]:
    """Ask for a new video; this is billed (docs.x.ai, Videos: generations).

    :param body: as `generation_body` makes it.
    """
    return media.submit("video", "/videos/generations", body, _finish)


def edit(body: Mapping[str, Any]) -> Call[Accepted]:
    """Ask for a changed video; this is billed (docs.x.ai, Videos: edits).

    :param body: as `edit_body` makes it.
    """
    return media.submit("video", "/videos/edits", body, _finish)


def extend(body: Mapping[str, Any]) -> Call[Accepted]:
    """Ask for a longer video; this is billed (docs.x.ai, Videos: extensions).

    :param body: as `extension_body` makes it.
    """
    return media.submit("video", "/videos/extensions", body, _finish)


def poll(request_id: str) -> Call[Progress]:
    """Ask once how a video request is (docs.x.ai, Videos: get).

    :param request_id: the server's id of the request.
    """
    return media.poll("video", request_id, _finish)


def _finish(job_id: str, document: Mapping[str, Any]) -> Progress:
    video = Video.in_answer(document, f"video job {job_id}")
    return media.ended("video", job_id, video, [video], video.ticks)
