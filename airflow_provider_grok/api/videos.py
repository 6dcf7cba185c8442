"""Videos: bodies of generations, edits and extensions, checked; their submission; and what becomes of them."""

from __future__ import annotations

import difflib
import logging
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
#: Shortest and longest video, in seconds; and what an extension may add (its page says 2 to 10, the server takes more).
SECONDS, SECONDS_ADDED = (1, 15), (1, 15)
#: How many of each a request takes.
MOST_REFERENCES, MOST_AUDIOS, MOST_KEYFRAMES = 14, 3, 4
#: The voices that `reference_audios` takes by name; a team's custom voices have ids of their own (docs.x.ai, Voice).
VOICES = (
    *("altair", "ara", "atlas", "carina", "castor", "celeste", "cosmo", "eve", "helios", "helix", "iris", "kepler"),
    *("leo", "lumen", "luna", "lux", "naksh", "orion", "perseus", "rex", "rigel", "sal", "sirius", "ursa", "zagan"),
    "zenith",
)

_log = logging.getLogger(__name__)


class ModelCapabilities(NamedTuple):
    """What a model can do (docs.x.ai, Videos: models).

    :param resolutions: the sizes that it makes.
    :param takes: the fields that not every model takes.
    :param remakes: whether it edits and extends videos.
    :param referenced_seconds: the longest video that it makes from references.
    """

    resolutions: tuple[str, ...] = RESOLUTIONS
    takes: frozenset[str] = frozenset()
    remakes: bool = False
    referenced_seconds: int = SECONDS[1]


_NEWEST = ModelCapabilities(takes=frozenset({"reference_images", "last_frame", "keyframes", "reference_audios"}))
#: Models whose limits are known; any other is sent as it is.
MODELS: dict[str, ModelCapabilities] = {
    "grok-imagine-video": ModelCapabilities(
        ("480p", "720p"), frozenset({"reference_images"}), remakes=True, referenced_seconds=10
    ),
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

    On grok-imagine-video-1.5 `image` with references, a last frame or keyframes is reference-to-video with that first
    frame; reference-to-video is at most 720p. Values and counts that are not known are sent with a warning.

    :param prompt: what happens; needed unless there is a picture to go by.
    :param model: the model's name; unknown ones are sent as they are.
    :param duration: seconds, 1 to 15; text of a number is taken.
    :param aspect_ratio: one of ASPECT_RATIOS; the API takes it from the image where there is one.
    :param resolution: `480p`, `720p` or `1080p`, as the model allows.
    :param image: first frame: a file id or an https URL.
    :param reference_images: 1 to 14 pictures of what is to appear.
    :param reference_audios: up to 3 voices: one of VOICES, a custom voice's id, an https URL, or the API's own
        `{"voice_id": ...}`.
    :param last_frame: last frame, alone or with `image`: a file id or an https URL.
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
        "aspect_ratio": aspect_ratio
        and validation.likely(aspect_ratio, "aspect_ratio", ASPECT_RATIOS, validation.RATIO),
        "resolution": resolution and validation.likely(resolution, "resolution", RESOLUTIONS, validation.SIZE),
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
    found = validation.several(given, what, 1, most, "Leave it out for none.")
    return [read(each, f"{what}[{index}]") for index, each in enumerate(found)]


def _audio(value: object, what: str) -> dict[str, str]:
    if isinstance(value, Mapping) and len(value) == 1 and "url" in value:
        return {"url": validation.text(value["url"], what)}
    named = value["voice_id"] if isinstance(value, Mapping) and value.keys() == {"voice_id"} else value
    voice = validation.text(named, what)
    if voice is value and ("/" in voice or voice.startswith("data:")):
        return source(voice, what)
    return {"voice_id": _voice(voice, what)}


def _voice(voice: str, what: str) -> str:
    # Any other id may be a custom voice's, which only the server knows; a slip of the pen is told.
    near = difflib.get_close_matches(voice.lower(), VOICES, n=1, cutoff=0.75)
    if voice not in VOICES and near:
        _log.warning(
            "%s=%r is sent as the id of a custom voice. If you mean the voice %r, write it so: an unknown voice is "
            "refused by the API at once, and nothing is billed.",
            what,
            errors.clean(voice, 60),
            near[0],
        )
    return voice


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
    if "prompt" not in body and not {"image", "reference_images", "last_frame", "keyframes"} & body.keys():
        raise errors.InvalidRequest("A video needs a prompt=, or an image= to start from; both were left out.")
    if not skills:
        return
    size = body.get("resolution", skills.resolutions[0])
    if size in RESOLUTIONS and size not in skills.resolutions:
        _refuse(f"resolution={size!r}", model, f"allowed: {', '.join(skills.resolutions)}")
    for field in sorted(_NEWEST.takes - skills.takes):
        if field in body:
            able = ", ".join(name for name, other in MODELS.items() if field in other.takes)
            _refuse(f"{field}=", model, f"models that take it: {able}")
    if reference := _reference_of(body):
        _check_references(body, reference, skills)


def _reference_of(body: Mapping[str, Any]) -> str | None:
    """The field that makes this reference-to-video; None for any other. A first frame beside other pictures does so."""
    pinned = ("last_frame", "keyframes") if "image" in body else ()
    return next((field for field in ("reference_images", "reference_audios", *pinned) if field in body), None)


def _check_references(body: Mapping[str, Any], field: str, skills: ModelCapabilities) -> None:
    model, beside = body["model"], f"{field}=" if field.startswith("reference") else f"image= and {field}="
    if body.get("resolution") == "1080p":
        _refuse(f"resolution='1080p' with {beside}", model, "720p is the most with references")
    if "image" in body and not skills.takes > {"reference_images"}:
        _refuse(f"image= with {beside}", model, "give one of the two, or use grok-imagine-video-1.5")
    if body["duration"] > skills.referenced_seconds:
        most = f"{skills.referenced_seconds} s are the most"
        _refuse(f"duration={body['duration']} with {beside}", model, most)


def _refuse(what: str, model: str, remedy: str) -> None:
    raise errors.InvalidRequest(
        f"{what} is not possible with {model}; {remedy}. If the API has learned it, pass it in request_params={{...}}, "
        "which is not checked."
    )


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
    :param duration: seconds to add, 1 to 15.

    The other parameters are those of `edit_body`.

    :raises InvalidRequest: for a value that the API would refuse.
    """
    seconds = validation.whole(duration, "duration", *SECONDS_ADDED)
    body = edit_body(prompt=prompt, video=video, model=model, storage_options=storage_options, upload_url=upload_url)
    return validation.merged({**body, "duration": seconds}, params)


def _remaker(model: str) -> str:
    model = validation.text(model, "model")
    skills = MODELS.get(model)
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
