"""Account: the key, the caller, and the models it may use (docs.x.ai, Models)."""

from __future__ import annotations

from airflow_provider_grok.api.call import Call
from airflow_provider_grok.api.model import ApiModel


class ApiKey(ApiModel):
    """The key that asks; never the key itself."""

    redacted_api_key: str = ""
    name: str = ""
    team_id: str = ""
    acls: tuple[str, ...] = ()
    api_key_id: str = ""
    team_blocked: bool = False
    api_key_blocked: bool = False
    api_key_disabled: bool = False


class Me(ApiModel):
    """Who asks; `zdr_status` is `zdr` for a team without data retention, which cannot store files."""

    user_id: str = ""
    team_id: str = ""
    zdr_status: str = ""
    team_blocked: bool = False


class Model(ApiModel):
    """A model of any kind."""

    id: str
    aliases: tuple[str, ...] = ()
    created: int = 0
    owned_by: str = ""


class Tier(ApiModel):
    """What an image of a quality and resolution costs, in ticks."""

    quality: str = ""
    resolution: str = ""
    price_per_image: int


class ImageModel(Model):
    """A model that makes images."""

    max_prompt_length: int | None = None
    image_price: int | None = None
    pricing: tuple[Tier, ...] = ()


class VideoModel(Model):
    """A model that makes videos; the API names no prices for these."""

    input_modalities: tuple[str, ...] = ()


class _Models(ApiModel):
    data: tuple[Model, ...] = ()


class _ImageModels(ApiModel):
    models: tuple[ImageModel, ...] = ()


class _VideoModels(ApiModel):
    models: tuple[VideoModel, ...] = ()


def key() -> Call[ApiKey]:
    """Ask about the key itself; costs nothing (docs.x.ai, API key information)."""
    return Call("GET", "/api-key", ApiKey.read)


def me() -> Call[Me]:
    """Ask who the caller is (docs.x.ai, Me)."""
    return Call("GET", "/me", Me.read)


def models() -> Call[list[Model]]:
    """List all models (docs.x.ai, Models)."""
    return Call("GET", "/models", lambda answer: list(_Models.read(answer).data))


def image_models() -> Call[list[ImageModel]]:
    """List the models that make images, with their prices (docs.x.ai, Image generation models)."""
    return Call("GET", "/image-generation-models", lambda answer: list(_ImageModels.read(answer).models))


def video_models() -> Call[list[VideoModel]]:
    """List the models that make videos (docs.x.ai, Video generation models)."""
    return Call("GET", "/video-generation-models", lambda answer: list(_VideoModels.read(answer).models))
