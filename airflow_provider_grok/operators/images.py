"""Operators for pictures: make one from words, or edit stored ones by file id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_grok.api.request_fields import EDIT_IMAGE, GENERATE_IMAGE
from airflow_provider_grok.operators.make import GrokMakeOperator
from airflow_provider_grok.operators.values import fields, given, rendered_fields

if TYPE_CHECKING:
    from airflow.sdk import XComArg

    from airflow_provider_grok.api.call import Call
    from airflow_provider_grok.api.jobs import Accepted
    from airflow_provider_grok.api.request_fields import ImageQuality, ImageRatio, ImageResolution


class GrokImagineGenerateOperator(GrokMakeOperator):
    """Make pictures from words; returns the stored file's id, or a list of ids if `n` is given.

    Prices per picture are in docs/money.md (docs.x.ai, Imagine). Arguments shared with all operators that make
    something are described at `GrokMakeOperator`.

    :param prompt: what to show.
    :param model: the model's name.
    :param n: how many pictures, 1 to 10; None: one, returned alone.
    :param aspect_ratio: such as `3:2`; `auto` leaves it to the model.
    :param resolution: `1k`, `1.5k` or `2k`.
    :param quality: `low`, `medium`, `high` or `auto`; sent only to models that know it.
    """

    request_fields: tuple[str, ...] = ("prompt", "model", "n", "aspect_ratio", "resolution", "quality")
    template_fields = (*GrokMakeOperator.template_fields, *request_fields)
    template_fields_renderers = {"prompt": "md"}
    ui_color = "#dfe7fd"

    def __init__(
        self,
        *,
        prompt: str | XComArg,
        model: str = GENERATE_IMAGE.model,
        n: int | str | None = GENERATE_IMAGE.n,
        aspect_ratio: ImageRatio | str | None = GENERATE_IMAGE.aspect_ratio,
        resolution: ImageResolution | str = GENERATE_IMAGE.resolution,
        quality: ImageQuality | str = GENERATE_IMAGE.quality,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.prompt = prompt
        self.model = model
        self.n = n
        self.aspect_ratio = aspect_ratio
        self.resolution = resolution
        self.quality = quality

    def wants_list(self) -> bool:
        """Whether the task returns a list of file ids."""
        return given(self.n) is not None

    def request(self) -> Call[Accepted]:
        """The paid call, with all arguments checked.

        :raises InvalidRequest: for an argument that cannot be.
        """
        from airflow_provider_grok.api import images

        return images.generate(images.generation_body(**self._fields()))

    def _fields(self) -> dict[str, Any]:
        read = rendered_fields({name: getattr(self, name) for name in self.request_fields})
        return {**read, "user": given(self.user), "params": fields(self.request_params)}


class GrokImagineEditOperator(GrokImagineGenerateOperator):
    """Edit stored pictures by file id; returns the result's file id, or a list of ids if `n` is given.

    The source stays as it is; an edit is a new file. With one source the picture keeps its ratio, whatever
    `aspect_ratio` says. Arguments shared with all operators that make something are described at `GrokMakeOperator`.

    :param prompt: what to change; several sources are called `<IMAGE_0>`, `<IMAGE_1>`, ...
    :param image: one source: file id or https URL.
    :param images: two to five sources instead.
    :param model: the model's name.
    :param n: how many pictures, 1 to 10; None: one, returned alone.
    :param aspect_ratio: such as `3:2`, for several sources.
    :param resolution: `1k`, `1.5k` or `2k`.
    :param quality: `low`, `medium`, `high` or `auto`; sent only to models that know it.
    """

    request_fields = (*GrokImagineGenerateOperator.request_fields, "image", "images")
    template_fields = (*GrokMakeOperator.template_fields, *request_fields)
    ui_color = "#e2f0d9"

    def __init__(
        self,
        *,
        prompt: str | XComArg,
        image: str | XComArg | None = None,
        images: list[Any] | XComArg | None = None,
        aspect_ratio: ImageRatio | str | None = EDIT_IMAGE.aspect_ratio,
        quality: ImageQuality | str = EDIT_IMAGE.quality,
        **kwargs: Any,
    ) -> None:
        super().__init__(prompt=prompt, aspect_ratio=aspect_ratio, quality=quality, **kwargs)
        self.image = image
        self.images = images

    def request(self) -> Call[Accepted]:
        """The paid call, with all arguments checked.

        :raises InvalidRequest: for an argument that cannot be.
        """
        from airflow_provider_grok.api import images as api

        asked = self._fields()
        if asked["aspect_ratio"] not in (None, "auto") and asked["images"] is None:
            self.log.warning(
                "aspect_ratio=%s has no effect: an edit of one picture keeps its ratio.", self.aspect_ratio
            )
        return api.edit(api.edit_body(**asked))
