"""Models and what they cost, in ticks of 1e-10 US dollars (docs.x.ai, Models and pricing, November 2026)."""

from __future__ import annotations

from airflow_provider_grok.sandbox.errors import Refusal

IMAGE_1, IMAGE_2 = "grok-imagine-image", "grok-imagine-image-2.0"
VIDEO_1, VIDEO_15, VIDEO_LITE = "grok-imagine-video", "grok-imagine-video-1.5", "grok-imagine-video-1.5-lite"

# Retired names that are still served, by 2.0 at quality low.
RETIRED_IMAGE = (
    "grok-imagine-image-quality",
    "grok-imagine-image-pro",
    "grok-imagine-image-quality-latest",
    "grok-imagine-image-quality-20260403",
)
ALIASES: dict[str, tuple[str, ...]] = {
    IMAGE_1: ("grok-imagine-image-2026-03-02",),
    IMAGE_2: RETIRED_IMAGE,
    VIDEO_1: (),
    VIDEO_15: ("grok-imagine-video-1.5-preview", "grok-imagine-video-1.5-2026-05-30"),
    VIDEO_LITE: (),
}
IMAGE_MODELS = (IMAGE_1, IMAGE_2)
VIDEO_MODELS = (VIDEO_1, VIDEO_15, VIDEO_LITE)

# model -> (quality, resolution) -> ticks; 1.5k is not in the price list and billed as 2k.
IMAGE_PRICES: dict[str, dict[tuple[str, str], int]] = {
    IMAGE_1: {("low", "1k"): 200_000_000, ("low", "2k"): 200_000_000},
    IMAGE_2: {
        ("low", "1k"): 400_000_000,
        ("low", "2k"): 600_000_000,
        ("medium", "1k"): 600_000_000,
        ("medium", "2k"): 800_000_000,
    },
}
VIDEO_SECOND_PRICES: dict[str, dict[str, int]] = {
    VIDEO_1: {"480p": 500_000_000, "720p": 700_000_000},
    VIDEO_15: {"480p": 800_000_000, "720p": 1_400_000_000, "1080p": 2_500_000_000},
    VIDEO_LITE: {"480p": 200_000_000, "720p": 300_000_000, "1080p": 1_400_000_000},
}
INPUT_IMAGE_PRICES = {
    IMAGE_1: 20_000_000,
    IMAGE_2: 100_000_000,
    VIDEO_1: 20_000_000,
    VIDEO_15: 100_000_000,
    VIDEO_LITE: 100_000_000,
}
INPUT_VIDEO_SECOND_PRICES = {VIDEO_1: 100_000_000}


def served_by(name: str, models: tuple[str, ...]) -> str:
    """Return the model that serves a name.

    :param name: a model or an alias.
    :param models: those that the endpoint can use.
    :raises Refusal: 404 if there is none.
    """
    for model in models:
        if name == model or name in ALIASES[model]:
            return model
    raise Refusal(404, f"The model {name} does not exist or your team does not have access to it.")


def image_ticks(model: str, quality: str, resolution: str, *, n: int, sources: int) -> int:
    """Return what an image request costs: every output and, once, every input.

    :param quality: the served one, `low` or `medium`; models without qualities have `low` only.
    """
    tier = (quality, "1k" if resolution == "1k" else "2k")
    return n * IMAGE_PRICES[model][tier] + sources * INPUT_IMAGE_PRICES[model]
