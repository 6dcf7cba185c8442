"""Prices: a dated table, and the estimate of a request's cost by it or by the server's list (docs.x.ai, Models).

Money is counted in ticks, as integers. An estimate is never knowingly too low: a cap (`max_cost_usd`) stands on it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_grok.api import validation

if TYPE_CHECKING:
    from airflow_provider_grok.api.account import ImageModel

#: 1 US dollar in ticks.
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
    "grok-imagine-video-1.5-lite": 100_000_000,
}
#: Ticks per second of a source video.
SOURCE_SECOND_PRICE = 100_000_000
#: Retired names: served by `grok-imagine-image-2.0` at quality low.
RETIRED = (
    "grok-imagine-image-quality",
    "grok-imagine-image-pro",
    "grok-imagine-image-quality-latest",
    "grok-imagine-image-quality-20260403",
)
#: Names that another model serves: retired ones, and aliases, some of them dated.
SERVED_BY = {
    **dict.fromkeys(RETIRED, "grok-imagine-image-2.0"),
    "grok-imagine-image-2026-03-02": "grok-imagine-image",
    "grok-imagine-video-1.5-preview": "grok-imagine-video-1.5",
    "grok-imagine-video-1.5-2026-05-30": "grok-imagine-video-1.5",
}
#: The longest source video, in seconds, of an edit and of an extension: what an unknown one is taken for.
LONGEST_EDITED, LONGEST_EXTENDED = 8.7, 15.0
#: Seconds and resolution of a video whose request names none: the API's own defaults.
API_SECONDS, API_RESOLUTION = 8, "480p"


def usd(ticks: int) -> float:
    """Turn ticks into US dollars, for showing.

    :param ticks: ticks of 1e-10 USD.
    """
    return ticks / TICKS_PER_USD


def served_by(model: str) -> str:
    """The model that serves a name, as far as is known; else the name itself.

    :param model: a model's name or alias.
    """
    return SERVED_BY.get(model, model)


def image_ticks(body: Mapping[str, Any], models: Sequence[ImageModel] | None = None) -> int | None:
    """Estimate what an image request will cost, in ticks; None where the model's price is not known.

    :param body: body of a generation or an edit.
    :param models: what `account.image_models` answered; its prices win over the table's, unless they are 0.
    """
    asked = str(body.get("model", ""))
    name = served_by(asked)
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
    """A model's prices of the table, and over them the server's; one of 0 would lift every cap, so it is left out."""
    prices = dict(IMAGE_PRICES.get(name, {}))
    for model in models:
        if {asked, name} & {model.id, *model.aliases}:
            tiers = {(one.quality, one.resolution): one.price_per_image for one in model.pricing}
            if not prices and not tiers and model.image_price is not None:
                tiers["", ""] = model.image_price
            prices |= {tier: price for tier, price in tiers.items() if price > 0}
    return prices


def _quality(body: Mapping[str, Any], asked: str, *, edits: bool) -> str:
    quality = str(body.get("quality") or "auto")
    if quality != "auto":
        return quality
    return "medium" if edits and asked not in RETIRED else "low"


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
    name = served_by(str(body.get("model", "")))
    prices = VIDEO_PRICES.get(name)
    if prices is None:
        return None
    if "video" in body:
        return _remake_ticks(body, prices, source_seconds)
    price = prices.get(str(body.get("resolution") or API_RESOLUTION), max(prices.values()))
    pictures = sum(key in body for key in ("image", "last_frame"))
    pictures += sum(_count(body.get(key) or ()) for key in ("reference_images", "keyframes"))
    seconds = validation.number(body.get("duration") or API_SECONDS)
    return None if seconds is None else math.ceil(price * seconds) + pictures * SOURCE_PRICES[name]


def _remake_ticks(body: Mapping[str, Any], prices: Mapping[str, int], source_seconds: float | None) -> int | None:
    # Only an extension has a duration; an edit is as long as its source. Either is at most 720p, and is priced so.
    extends = "duration" in body
    source = source_seconds if source_seconds is not None else (LONGEST_EXTENDED if extends else LONGEST_EDITED)
    made = validation.number(body["duration"]) if extends else source
    return None if made is None else math.ceil(prices["720p"] * made) + math.ceil(SOURCE_SECOND_PRICE * source)
