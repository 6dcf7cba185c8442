"""The key, the caller, the models."""

from __future__ import annotations

import httpx
import pytest

from airflow_provider_grok.sandbox.server import Sandbox


@pytest.mark.parametrize("authorization", [None, "Bearer xai-wrong-key-0000", "Bearer", "Basic xai-sandbox"])
@pytest.mark.parametrize("path", ["/api-key", "/files", "/nowhere"])
def test_a_wrong_key_is_a_400_everywhere(
    sandbox: Sandbox, passer_by: httpx.Client, authorization: str | None, path: str
) -> None:
    headers = {"authorization": authorization} if authorization else {}
    refused = passer_by.get(f"{sandbox.url}{path}", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid-argument")
    assert "Incorrect API key provided" in refused.json()["error"]
    assert "xai-wrong-key-0000" not in refused.text


def test_the_key_describes_itself(client: httpx.Client) -> None:
    key, caller = client.get("/api-key").json(), client.get("/me").json()
    assert key["redacted_api_key"] == caller["api_key"]["redacted_api_key"] == "xai-...dbox"
    assert key["team_id"] == caller["team_id"]
    assert not (key["team_blocked"] or key["api_key_blocked"] or key["api_key_disabled"])
    assert (caller["zdr_status"], caller["oauth"]) == ("no_zdr", None)


def test_image_models_tell_their_prices_in_ticks(client: httpx.Client) -> None:
    models = {model["id"]: model for model in client.get("/image-generation-models").json()["models"]}
    prices = {
        (tier["quality"], tier["resolution"]): tier["price_per_image"]
        for tier in models["grok-imagine-image-2.0"]["pricing"]
    }
    assert prices["medium", "2k"] == 800_000_000
    assert models["grok-imagine-image"]["image_price"] == 200_000_000


def test_video_models_tell_no_price(client: httpx.Client) -> None:
    models = client.get("/video-generation-models").json()["models"]
    assert "grok-imagine-video-1.5-lite" in [model["id"] for model in models]
    assert not any("price" in key or key == "pricing" for model in models for key in model)


def test_a_model_is_found_by_alias(client: httpx.Client) -> None:
    one = client.get("/video-generation-models/grok-imagine-video-1.5-preview").json()
    assert one["id"] == "grok-imagine-video-1.5"
    assert client.get("/models/grok-imagine-image-pro").json()["id"] == "grok-imagine-image-2.0"
    assert client.get("/image-generation-models/grok-imagine-video").status_code == 404


def test_the_list_of_all_models_holds_both_kinds(client: httpx.Client) -> None:
    listed = client.get("/models").json()
    assert listed["object"] == "list"
    assert {"grok-imagine-image", "grok-imagine-video"} <= {model["id"] for model in listed["data"]}
