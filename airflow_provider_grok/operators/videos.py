"""Operators for videos: make one from words or stored pictures, edit one, lengthen one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_grok.operators.make import GrokMakeOperator
from airflow_provider_grok.operators.values import fields, flat, given, truth, unpacked

if TYPE_CHECKING:
    from airflow.sdk import XComArg

    from airflow_provider_grok.api.call import Call
    from airflow_provider_grok.api.jobs import Accepted

    Duration = timedelta | float | str


class GrokImagineVideoOperator(GrokMakeOperator):
    """Make a video from words, a first picture, references or keyframes; returns the stored file's id.

    With `image` the video keeps the picture's ratio, whatever `aspect_ratio` says. Prices per second are in the README
    (docs.x.ai, Videos). Arguments shared with all operators that make something are described at `GrokMakeOperator`;
    `timeout` is 1 hour here.

    :param prompt: what happens; needed unless there is a picture to start from.
    :param image: first frame: file id or https URL.
    :param reference_images: one to seven pictures of what is to appear.
    :param reference_audios: up to three voices: ids or https URLs.
    :param last_frame: last frame: file id or https URL.
    :param keyframes: up to four of `{"image": ..., "timestamp_s": seconds}`.
    :param model: the model's name.
    :param duration: length in seconds, 1 to 15.
    :param aspect_ratio: such as `9:16`; None: the API's `16:9`.
    :param resolution: `480p`, `720p` or `1080p`, as the model allows.
    :param generate_audio: whether it has sound.
    :param timeout: how long to wait for xAI, from the submission: timedelta or seconds.
    """

    template_fields = (
        *GrokMakeOperator.template_fields,
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
        model: str = "grok-imagine-video-1.5",
        duration: int | str = 8,
        aspect_ratio: str | None = None,
        resolution: str = "480p",
        generate_audio: bool | str = True,
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

        if given(self.image) is not None and given(self.aspect_ratio) is not None:
            self.log.warning("aspect_ratio=%s does nothing: a video keeps its picture's ratio.", self.aspect_ratio)
        body = videos.generation_body(
            prompt=given(self.prompt),
            model=self.model,
            duration=self.duration,
            aspect_ratio=given(self.aspect_ratio),
            resolution=given(self.resolution),
            image=unpacked(given(self.image)),
            reference_images=None if given(self.reference_images) is None else flat(self.reference_images),
            reference_audios=None if given(self.reference_audios) is None else flat(self.reference_audios),
            last_frame=unpacked(given(self.last_frame)),
            keyframes=None if given(self.keyframes) is None else flat(self.keyframes),
            generate_audio=truth("generate_audio", self.generate_audio),
            user=given(self.user),
            params=fields(self.request_params),
        )
        return videos.generate(body)


class GrokImagineVideoEditOperator(GrokMakeOperator):
    """Change a stored video; returns the result's file id (docs.x.ai, Videos: edits).

    The result is as long as its source, which may have 8.7 s at the most. Arguments shared with all operators that
    make something are described at `GrokMakeOperator`.

    :param prompt: what to change.
    :param video: the source, an MP4: file id or https URL.
    :param model: the model's name; only `grok-imagine-video` can.
    :param timeout: how long to wait for xAI, from the submission: timedelta or seconds.
    """

    template_fields = (*GrokMakeOperator.template_fields, "prompt", "video", "model")
    template_fields_renderers = {"prompt": "md"}
    ui_color = "#e8daef"

    def __init__(
        self,
        *,
        prompt: str | XComArg,
        video: str | XComArg,
        model: str = "grok-imagine-video",
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

        return videos.edit(
            videos.edit_body(
                prompt=given(self.prompt),
                video=unpacked(self.video),
                model=self.model,
                user=given(self.user),
                params=fields(self.request_params),
            )
        )


class GrokImagineVideoExtendOperator(GrokImagineVideoEditOperator):
    """Lengthen a stored video; returns the file id of one clip, the source and its extension.

    The source may have 2 to 15 s (docs.x.ai, Videos: extensions). The API takes no `user` here. Arguments shared with
    all operators that make something are described at `GrokMakeOperator`.

    :param prompt: how it goes on.
    :param video: the source, an MP4: file id or https URL.
    :param model: the model's name; only `grok-imagine-video` can.
    :param duration: seconds to add, 2 to 10.
    """

    template_fields = (*GrokImagineVideoEditOperator.template_fields, "duration")

    def __init__(self, *, prompt: str | XComArg, video: str | XComArg, duration: int | str = 6, **kwargs: Any) -> None:
        super().__init__(prompt=prompt, video=video, **kwargs)
        self.duration = duration

    def request(self) -> Call[Accepted]:
        """The paid call, with all arguments checked.

        :raises InvalidRequest: for an argument that cannot be.
        """
        from airflow_provider_grok.api import videos

        return videos.extend(
            videos.extension_body(
                prompt=given(self.prompt),
                video=unpacked(self.video),
                model=self.model,
                duration=self.duration,
                params=fields(self.request_params),
            )
        )
