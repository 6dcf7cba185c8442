"""Account: the key, the caller, the models it may use (docs.x.ai, Models), and what a request will cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_grok.api import validation
from airflow_provider_grok.api.call import Call
from airflow_provider_grok.api.model import ApiModel

#: 1 US dollar in ticks; all money is counted in them, as integers.
TICKS_PER_USD = 10**10

#: Day on which the prices below were read off docs.x.ai.
PRICED_ON = "2026-11-22"
#: Ticks per image, by model, and by quality and resolution; a model without qualities has "".
IMAGE_PRICES: dict[str, dict[tuple[str, str], int]] = {
    "grok-imagine-image": {("", "1k"): 200_000_000, ("", "2k"): 200_000_000},
    "grok-imagine-image-2.0": {
        ("low", "1k"): 400_000_000,
        ("low", "2k"): 600_000_000,
        ("medium", "1k"): 600_000_000,
        ("medium", "2k"): 800_000_000,
    },
}
_SIZES = ("1k", "1.5k", "2k")
#: Ticks per second of video, by model and resolution.
VIDEO_PRICES: dict[str, dict[str, int]] = {
    "grok-imagine-video": {"480p": 500_000_000, "720p": 700_000_000},
    "grok-imagine-video-1.5": {"480p": 800_000_000, "720p": 1_400_000_000, "1080p": 2_500_000_000},
    "grok-imagine-video-1.5-lite": {"480p": 200_000_000, "720p": 300_000_000, "1080p": 1_400_000_000},
}
#: Ticks per source image, by model.
SOURCE_PRICES = {
    "grok-imagine-image": 20_000_000,
    "grok-imagine-image-2.0": 100_000_000,
    "grok-imagine-video": 20_000_000,
    "grok-imagine-video-1.5": 100_000_000,
    "grok-imagine-video-1.5-lite": 0,
}
#: Ticks per second of a source video.
SOURCE_SECOND_PRICE = 100_000_000
#: Names that another model serves.
SERVED_BY = {
    "grok-imagine-image-quality": "grok-imagine-image-2.0",
    "grok-imagine-image-pro": "grok-imagine-image-2.0",
    "grok-imagine-image-quality-latest": "grok-imagine-image-2.0",
    "grok-imagine-video-1.5-preview": "grok-imagine-video-1.5",
    "grok-imagine-video-1.5-2026-05-30": "grok-imagine-video-1.5",
}
#: The longest source video, in seconds, of an edit and of an extension: what an unknown one is taken for.
LONGEST_EDITED, LONGEST_EXTENDED = 8.7, 15.0
#: Seconds and resolution of a video for which nothing else was asked.
USUAL_SECONDS, USUAL_RESOLUTION = 8, "480p"


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


def usd(ticks: int) -> float:
    """Turn ticks into US dollars, for showing.

    :param ticks: ticks of 1e-10 USD.
    """
    return ticks / TICKS_PER_USD


def image_ticks(body: Mapping[str, Any], models: Sequence[ImageModel] | None = None) -> int | None:
    """Estimate what an image request will cost, in ticks; None where the model's price is not known.

    :param body: body of a generation or an edit.
    :param models: what `image_models` answered; its prices win over the table's.
    """
    asked = str(body.get("model", ""))
    name = SERVED_BY.get(asked, asked)
    sources = _count(body["images"]) if "images" in body else int("image" in body)
    prices = _image_prices(asked, name, models or ())
    each = _image_price(prices, _quality(body, asked, edits=sources > 0), str(body.get("resolution") or "1k"))
    if each is None:
        return None
    return each * int(body.get("n") or 1) + sources * SOURCE_PRICES.get(name, max(SOURCE_PRICES.values()))


def _count(several: object) -> int:
    # What is no list came by `request_params`, unchecked: it is the server's to refuse.
    return len(several) if isinstance(several, list | tuple) else 1


def _image_prices(asked: str, name: str, models: Sequence[ImageModel]) -> dict[tuple[str, str], int]:
    prices = dict(IMAGE_PRICES.get(name, {}))
    for model in models:
        if {asked, name} & {model.id, *model.aliases}:
            if not prices and not model.pricing and model.image_price is not None:
                prices["", ""] = model.image_price
            prices |= {(tier.quality, tier.resolution): tier.price_per_image for tier in model.pricing}
    return prices


def _quality(body: Mapping[str, Any], asked: str, *, edits: bool) -> str:
    quality = str(body.get("quality") or "auto")
    if quality != "auto":
        return quality
    # A retired name is served at quality low, whatever it is asked to do.
    return "medium" if edits and asked not in SERVED_BY else "low"


def _image_price(prices: Mapping[tuple[str, str], int], quality: str, resolution: str) -> int | None:
    # An unlisted size is taken for the next larger one.
    sizes = _SIZES[_SIZES.index(resolution) :] if resolution in _SIZES else (resolution,)
    keys = [(grade, size) for grade in (quality, "") for size in (*sizes, "")]
    return next((prices[key] for key in keys if key in prices), None)


def video_ticks(body: Mapping[str, Any], source_seconds: float | None = None) -> int | None:
    """Estimate what a video request will cost, in ticks; None where the model's price is not known.

    :param body: body of a generation, an edit or an extension.
    :param source_seconds: length of the source video; None: taken for the longest allowed.
    """
    asked = str(body.get("model", ""))
    name = SERVED_BY.get(asked, asked)
    prices = VIDEO_PRICES.get(name)
    if prices is None:
        return None
    if "video" in body:
        return _remake_ticks(body, prices, source_seconds)
    price = prices.get(str(body.get("resolution") or USUAL_RESOLUTION), max(prices.values()))
    pictures = sum(key in body for key in ("image", "last_frame"))
    pictures += sum(_count(body.get(key) or ()) for key in ("reference_images", "keyframes"))
    seconds = validation.number(body.get("duration") or USUAL_SECONDS)
    return None if seconds is None else math.ceil(price * seconds) + pictures * SOURCE_PRICES[name]


def _remake_ticks(body: Mapping[str, Any], prices: Mapping[str, int], source_seconds: float | None) -> int | None:
    # Only an extension has a duration; an edit is as long as its source. Either is at most 720p, and is priced so.
    extends = "duration" in body
    source = source_seconds if source_seconds is not None else (LONGEST_EXTENDED if extends else LONGEST_EDITED)
    made = validation.number(body["duration"]) if extends else source
    return None if made is None else math.ceil(prices["720p"] * made) + math.ceil(SOURCE_SECOND_PRICE * source)
