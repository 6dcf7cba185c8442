"""Operators for videos: make one from words or stored pictures, edit one, lengthen one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_grok.api.request_fields import EDIT_VIDEO, EXTEND_VIDEO, GENERATE_VIDEO
from airflow_provider_grok.operators.make import GrokMakeOperator
from airflow_provider_grok.operators.values import fields, given, rendered_fields

if TYPE_CHECKING:
    from airflow.sdk import XComArg

    from airflow_provider_grok.api.call import Call
    from airflow_provider_grok.api.jobs import Accepted
    from airflow_provider_grok.api.request_fields import Duration, VideoRatio, VideoResolution


class GrokImagineVideoOperator(GrokMakeOperator):
    """Make a video from words, a first picture, references or keyframes; returns the stored file's id.

    With `image` the video keeps the picture's ratio, whatever `aspect_ratio` says. Prices per second are in
    docs/money.md (docs.x.ai, Videos). Arguments shared with all operators that make something are described at
    `GrokMakeOperator`; `timeout` is 1 hour here.

    :param prompt: what happens; needed unless there is a picture to go by.
    :param image: first frame: file id or https URL.
    :param reference_images: one to fourteen pictures of what is to appear.
    :param reference_audios: up to three voices: names, ids of custom voices, or https URLs.
    :param last_frame: last frame, alone or with `image`: file id or https URL.
    :param keyframes: up to four of `{"image": ..., "timestamp_s": seconds}`.
    :param model: the model's name.
    :param duration: length in seconds, 1 to 15.
    :param aspect_ratio: such as `9:16`; None: the API's `16:9`.
    :param resolution: `480p`, `720p` or `1080p`, as the model allows.
    :param generate_audio: whether it has sound.
    :param timeout: how long to wait for xAI, from the submission: timedelta or seconds.
    """

    request_fields: tuple[str, ...] = (
        "prompt",
        "image",
        "reference_images",
        "reference_audios",
        "last_frame",
        "keyframes",
        "model",
        "duration",
        "aspect_ratio",
        "resolution",
        "generate_audio",
    )
    template_fields = (*GrokMakeOperator.template_fields, *request_fields)
    template_fields_renderers = {"prompt": "md"}
    ui_color = "#e8daef"

    def __init__(
        self,
        *,
        prompt: str | XComArg | None = None,
        image: str | XComArg | None = None,
        reference_images: list[Any] | XComArg | None = None,
        reference_audios: list[Any] | None = None,
        last_frame: str | XComArg | None = None,
        keyframes: list[dict[str, Any]] | None = None,
        model: str = GENERATE_VIDEO.model,
        duration: int | str = GENERATE_VIDEO.duration,
        aspect_ratio: VideoRatio | str | None = GENERATE_VIDEO.aspect_ratio,
        resolution: VideoResolution | str = GENERATE_VIDEO.resolution,
        generate_audio: bool | str = GENERATE_VIDEO.generate_audio,
        timeout: Duration | None = timedelta(hours=1),
        **kwargs: Any,
    ) -> None:
        super().__init__(timeout=timeout, **kwargs)
        self.prompt = prompt
        self.image = image
        self.reference_images = reference_images
        self.reference_audios = reference_audios
        self.last_frame = last_frame
        self.keyframes = keyframes
        self.model = model
        self.duration = duration
        self.aspect_ratio = aspect_ratio
        self.resolution = resolution
        self.generate_audio = generate_audio

    def request(self) -> Call[Accepted]:
        """The paid call, with all arguments checked.

        :raises InvalidRequest: for an argument that cannot be, or a combination that the model refuses.
        """
        from airflow_provider_grok.api import videos

        asked = rendered_fields({name: getattr(self, name) for name in self.request_fields}, needs_prompt=False)
        if asked["image"] is not None and asked["aspect_ratio"] is not None:
            self.log.warning("aspect_ratio=%s does nothing: a video keeps its picture's ratio.", self.aspect_ratio)
        return videos.generate(
            videos.generation_body(**asked, user=given(self.user), params=fields(self.request_params))
        )


class GrokImagineVideoEditOperator(GrokMakeOperator):
    """Change a stored video; returns the result's file id (docs.x.ai, Videos: edits).

    The result is as long as its source, which may have 8.7 s at the most. Arguments shared with all operators that
    make something are described at `GrokMakeOperator`.

    :param prompt: what to change.
    :param video: the source, an MP4: file id or https URL.
    :param model: the model's name; only `grok-imagine-video` can.
    :param timeout: how long to wait for xAI, from the submission: timedelta or seconds.
    """

    request_fields: tuple[str, ...] = ("prompt", "video", "model")
    template_fields = (*GrokMakeOperator.template_fields, *request_fields)
    template_fields_renderers = {"prompt": "md"}
    ui_color = "#e8daef"

    def __init__(
        self,
        *,
        prompt: str | XComArg,
        video: str | XComArg,
        model: str = EDIT_VIDEO.model,
        timeout: Duration | None = timedelta(hours=1),
        **kwargs: Any,
    ) -> None:
        super().__init__(timeout=timeout, **kwargs)
        self.prompt = prompt
        self.video = video
        self.model = model

    def request(self) -> Call[Accepted]:
        """The paid call, with all arguments checked.

        :raises InvalidRequest: for an argument that cannot be.
        """
        from airflow_provider_grok.api import videos

        return videos.edit(videos.edit_body(**self._fields(), user=given(self.user)))

    def _fields(self) -> dict[str, Any]:
        read = rendered_fields({name: getattr(self, name) for name in self.request_fields})
        return {**read, "params": fields(self.request_params)}


class GrokImagineVideoExtendOperator(GrokImagineVideoEditOperator):
    """Lengthen a stored video; returns the file id of one clip, the source and its extension.

    The source may have 2 to 15 s (docs.x.ai, Videos: extensions). The API takes no `user` here. Arguments shared with
    all operators that make something are described at `GrokMakeOperator`.

    :param prompt: how it goes on.
    :param video: the source, an MP4: file id or https URL.
    :param model: the model's name; only `grok-imagine-video` can.
    :param duration: seconds to add, 1 to 15.
    """

    request_fields = (*GrokImagineVideoEditOperator.request_fields, "duration")
    template_fields = (*GrokMakeOperator.template_fields, *request_fields)

    def __init__(
        self,
        *,
        prompt: str | XComArg,
        video: str | XComArg,
        model: str = EXTEND_VIDEO.model,
        duration: int | str = EXTEND_VIDEO.duration,
        **kwargs: Any,
    ) -> None:
        super().__init__(prompt=prompt, video=video, model=model, **kwargs)
        self.duration = duration

    def request(self) -> Call[Accepted]:
        """The paid call, with all arguments checked.

        :raises InvalidRequest: for an argument that cannot be.
        """
        from airflow_provider_grok.api import videos

        return videos.extend(videos.extension_body(**self._fields()))
