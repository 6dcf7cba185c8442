"""Checks of video requests, before anything is made or billed (docs.x.ai, Video generation, request body)."""

from __future__ import annotations

from typing import Any

from airflow_provider_grok.sandbox import sources, storage
from airflow_provider_grok.sandbox.bodies import check_enum, check_range, read
from airflow_provider_grok.sandbox.errors import invalid
from airflow_provider_grok.sandbox.prices import VIDEO_LITE
from airflow_provider_grok.sandbox.request_context import RequestContext
from airflow_provider_grok.sandbox.video_bodies import (
    BODIES,
    EDITS,
    EXTENSIONS,
    GENERATIONS,
    ExtendVideo,
    GenerateVideo,
    VideoRequest,
)

ASPECT_RATIOS = ("1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3", "21:9", "5:2")
RESOLUTIONS = ("480p", "720p", "1080p")
LONGEST_EXTENSION = 15  # seconds of the added part
MOST_REFERENCE_IMAGES, MOST_REFERENCE_AUDIOS, MOST_KEYFRAMES = 14, 3, 4
# The presets that take part in videos; custom voices have ids of their own (docs.x.ai, Voice).
VOICES = (
    *("ara", "eve", "leo", "rex", "sal", "carina", "zagan", "helix", "orion", "luna", "iris", "altair", "zenith"),
    *("perseus", "helios", "lux", "kepler", "rigel", "cosmo", "celeste", "ursa", "sirius", "lumen", "castor"),
    *("naksh", "atlas"),
)
REFUSED = {
    GENERATIONS: (),
    EDITS: ("aspect_ratio",),  # duration and resolution are ignored: unknown fields like any others
    EXTENSIONS: ("aspect_ratio", "resolution", "user"),
}


def read_video_request(endpoint: str, raw: dict[str, Any], context: RequestContext) -> VideoRequest:
    """Read and check a request, before anything is made or billed.

    :param endpoint: path that was asked.
    :raises Refusal: 400, 404 or 422, naming what is wrong.
    """
    request = read(BODIES[endpoint], raw, context, REFUSED[endpoint])
    request.served_model  # noqa: B018 - an unknown model is refused first
    if isinstance(request, GenerateVideo):
        check_generation(request, context.backend.settings.custom_voices)
    elif not (request.prompt or "").strip():
        raise invalid("prompt must not be empty.")
    if isinstance(request, ExtendVideo):
        check_range("duration", request.seconds, 1, LONGEST_EXTENSION)
    if reason := request.unsupported():
        raise invalid(reason)
    for name, reference in request.references:
        sources.check(name, reference)
    if request.output and not request.output.upload_url.startswith(("http://", "https://")):
        raise invalid(f"output.upload_url must be an http(s) URL, got {request.output.upload_url[:80]!r}.")
    storage.check(request.storage_options)
    return request


def check_generation(request: GenerateVideo, custom_voices: tuple[str, ...]) -> None:
    """Refuse values that the API refuses.

    :param custom_voices: ids of voices besides the presets.
    :raises Refusal: 422 for a value outside an enum, else 400.
    """
    check_enum("aspect_ratio", request.aspect_ratio, ASPECT_RATIOS)
    check_enum("resolution", request.resolution, RESOLUTIONS)
    if not request.references and not (request.prompt or "").strip():
        raise invalid("prompt must not be empty for a video made from text alone.")
    check_counts(request)
    if not request.from_references or request.served_model == VIDEO_LITE or request.seconds < 1:
        check_range("duration", request.seconds, 1, 15)  # from references each model has a limit of its own
    for index, frame in enumerate(request.keyframes or []):
        if not 0 < frame.timestamp_s < request.seconds:
            raise invalid(
                f"keyframes[{index}].timestamp_s must lie between 0 and the duration ({request.seconds}), "
                f"got {frame.timestamp_s}."
            )
    for index, audio in enumerate(request.reference_audios or []):
        if bool(audio.url) == bool(audio.voice_id):
            raise invalid(f"reference_audios[{index}] must have either a url or a voice_id.")
        check_voice(audio.voice_id, custom_voices)


def check_voice(voice_id: str | None, custom_voices: tuple[str, ...]) -> None:
    """Refuse a voice that is neither a preset nor one of the team's own.

    :raises Refusal: 400 listing the presets.
    """
    if voice_id and voice_id not in VOICES and voice_id not in custom_voices:
        raise invalid(
            f"Unknown voice_id {voice_id[:80]!r}. Available voices: {', '.join(VOICES)}. "
            "Ids of custom voices (/v1/custom-voices) are accepted too."
        )


def check_counts(request: GenerateVideo) -> None:
    """Refuse lists with too few or too many elements.

    :raises Refusal: 400.
    """
    images, audios, frames = (request.reference_images, request.reference_audios or [], request.keyframes or [])
    if images is not None and not images:
        raise invalid("reference_images must not be empty.")
    if images and len(images) > MOST_REFERENCE_IMAGES:
        raise invalid(f"Too many reference images: {len(images)}. Maximum allowed is {MOST_REFERENCE_IMAGES}.")
    if len(audios) > MOST_REFERENCE_AUDIOS:
        raise invalid(f"Too many reference audio clips: {len(audios)}. Maximum allowed is {MOST_REFERENCE_AUDIOS}.")
    if len(frames) > MOST_KEYFRAMES:
        raise invalid(f"Too many keyframes: {len(frames)}. Maximum allowed is {MOST_KEYFRAMES}.")
