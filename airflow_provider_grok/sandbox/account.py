"""The key, the caller and the models (docs.x.ai, API keys and Models)."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

from airflow_provider_grok.sandbox import prices
from airflow_provider_grok.sandbox.request_context import RequestContext, route
from airflow_provider_grok.sandbox.team import IDS, KEY_ID

CREATED = 1_785_542_400  # unix seconds
KEY_CREATED = "2026-06-01T10:00:00Z"


def redact(key: str) -> str:
    """Return what may be shown of a key."""
    return f"xai-...{key[-4:]}"


async def api_key(context: RequestContext) -> Response:
    """GET /v1/api-key."""
    return JSONResponse(
        {
            "redacted_api_key": redact(context.backend.settings.api_key),
            **IDS,
            "name": "sandbox key",
            "create_time": KEY_CREATED,
            "modify_time": KEY_CREATED,
            "modified_by": IDS["user_id"],
            "acls": ["api-key:model:*", "api-key:endpoint:*"],
            "api_key_id": KEY_ID,
            "team_blocked": False,
            "api_key_blocked": False,
            "api_key_disabled": False,
        }
    )


async def me(context: RequestContext) -> Response:
    """GET /v1/me."""
    key = redact(context.backend.settings.api_key)
    return JSONResponse(
        {
            **IDS,
            "zdr_status": "no_zdr",
            "team_blocked": False,
            "api_key": {"redacted_api_key": key, "api_key_id": KEY_ID, "blocked": False, "disabled": False},
            "oauth": None,
        }
    )


def card(model: str) -> dict[str, Any]:
    """Return what the list of all models says about one."""
    shown = {
        "id": model,
        "aliases": list(prices.ALIASES[model]),
        "created": CREATED,
        "object": "model",
        "owned_by": "xai",
    }
    return shown | image_prices(model) if model in prices.IMAGE_MODELS else shown


def media_card(model: str) -> dict[str, Any]:
    """Return what the list of image or video models says about one."""
    image = model in prices.IMAGE_MODELS
    shown = card(model) | {
        "fingerprint": f"fp_{model.replace('-', '_')}",
        "version": "1.0",
        "input_modalities": ["text", "image"] if image or model != prices.VIDEO_1 else ["text", "image", "video"],
        "output_modalities": ["image" if image else "video"],
    }
    return shown | {"max_prompt_length": 1024} if image else shown


def image_prices(model: str) -> dict[str, Any]:
    """Return an image model's prices, in ticks."""
    tiers = prices.IMAGE_PRICES[model]
    pricing = [
        {"quality": quality, "resolution": resolution, "price_per_image": ticks}
        for (quality, resolution), ticks in tiers.items()
    ]
    return {"image_price": tiers["low", "1k"], "pricing": pricing}


async def list_models(context: RequestContext) -> Response:
    """GET /v1/models."""
    return JSONResponse({"data": [card(model) for model in prices.ALIASES], "object": "list"})


async def one_model(context: RequestContext) -> Response:
    """GET /v1/models/{model}."""
    return JSONResponse(card(prices.served_by(context.part("model"), tuple(prices.ALIASES))))


async def list_image_models(context: RequestContext) -> Response:
    """GET /v1/image-generation-models."""
    return JSONResponse({"models": [media_card(model) for model in prices.IMAGE_MODELS]})


async def one_image_model(context: RequestContext) -> Response:
    """GET /v1/image-generation-models/{model}."""
    return JSONResponse(media_card(prices.served_by(context.part("model"), prices.IMAGE_MODELS)))


async def list_video_models(context: RequestContext) -> Response:
    """GET /v1/video-generation-models."""
    return JSONResponse({"models": [media_card(model) for model in prices.VIDEO_MODELS]})


async def one_video_model(context: RequestContext) -> Response:
    """GET /v1/video-generation-models/{model}."""
    return JSONResponse(media_card(prices.served_by(context.part("model"), prices.VIDEO_MODELS)))


ROUTES = [
    route("GET", "/v1/api-key", api_key),
    route("GET", "/v1/me", me),
    route("GET", "/v1/models", list_models),
    route("GET", "/v1/models/{model}", one_model),
    route("GET", "/v1/image-generation-models", list_image_models),
    route("GET", "/v1/image-generation-models/{model}", one_image_model),
    route("GET", "/v1/video-generation-models", list_video_models),
    route("GET", "/v1/video-generation-models/{model}", one_video_model),
]
