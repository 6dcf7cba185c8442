"""Key, caller, models, and the estimates of what a request costs."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_grok.api import account, errors, images, videos
from airflow_provider_grok.api.account import ImageModel


def test_the_key_says_who_it_is(carry: Any) -> None:
    key = carry(account.key())
    assert key.team_id
    assert (key.team_blocked, key.api_key_blocked, key.api_key_disabled) == (False, False, False)
    assert carry(account.me()).team_id == key.team_id


def test_a_wrong_key_is_not_allowed(carry: Any, sandbox: Any) -> None:
    with pytest.raises(errors.PermissionDenied, match="API key") as caught:
        carry(account.key(), account_at(sandbox.url))
    assert caught.value.status == 400


def account_at(url: str) -> Any:
    from airflow_provider_grok.api.endpoint import Endpoint

    return Endpoint(url, "xai-wrong")


def test_models_are_listed_and_priced(carry: Any) -> None:
    models = {model.id: model for model in carry(account.image_models())}
    assert models["grok-imagine-image-2.0"].pricing
    assert {model.id for model in carry(account.video_models())} >= set(account.VIDEO_PRICES)
    assert {model.id for model in carry(account.models())}


def test_a_model_without_prices_or_length_is_read(ask: Any, script: Any) -> None:
    script.say(200, '{"models": [{"id": "new", "pricing": null, "image_price": null}]}')
    assert ask(account.image_models())[0].max_prompt_length is None


@pytest.mark.parametrize(
    ("options", "ticks"),
    [
        ({"model": "grok-imagine-image"}, 200_000_000),
        ({"model": "grok-imagine-image", "resolution": "2k", "n": 3}, 600_000_000),
        ({"model": "grok-imagine-image-2.0"}, 400_000_000),
        ({"model": "grok-imagine-image-2.0", "quality": "low", "resolution": "2k"}, 600_000_000),
        ({"model": "grok-imagine-image-2.0", "quality": "medium", "resolution": "1k"}, 600_000_000),
        ({"model": "grok-imagine-image-2.0", "quality": "medium", "resolution": "2k"}, 800_000_000),
        ({"model": "grok-imagine-image-2.0", "quality": "low", "resolution": "1.5k"}, 600_000_000),
        ({"model": "grok-imagine-image-quality"}, 400_000_000),
        ({"model": "grok-imagine-image-2.0", "quality": "high"}, None),
        ({"model": "grok-imagine-image-9"}, None),
    ],
)
def test_a_picture_is_estimated_by_the_table(options: dict[str, Any], ticks: int | None) -> None:
    assert account.image_ticks(images.generation_body(prompt="a mug", **options)) == ticks


def test_an_edit_pays_for_every_source_and_for_medium_quality_by_default() -> None:
    one = images.edit_body(prompt="blue", model="grok-imagine-image-2.0", image="file_1")
    three = images.edit_body(prompt="blue", model="grok-imagine-image", images=["file_1", "file_2", "file_3"], n=2)
    assert account.image_ticks(one) == 600_000_000 + 100_000_000
    assert account.image_ticks(three) == 2 * 200_000_000 + 3 * 20_000_000


def test_a_models_own_prices_win() -> None:
    tier = {"quality": "low", "resolution": "1k", "price_per_image": 5}
    model = ImageModel.parse({"id": "grok-imagine-image-2.0", "pricing": [tier]}, "test")
    body = images.generation_body(prompt="a mug", model="grok-imagine-image-2.0", quality="low")
    assert account.image_ticks(body, [model]) == 5
    assert account.image_ticks({**body, "quality": "medium"}, [model]) == 600_000_000


def test_a_new_model_is_estimated_by_what_the_server_says_of_it() -> None:
    model = ImageModel.parse({"id": "grok-imagine-image-9", "aliases": ["newest"], "image_price": 7}, "test")
    assert account.image_ticks({"model": "newest", "prompt": "a mug", "n": 2}, [model]) == 14


@pytest.mark.parametrize(
    ("options", "ticks"),
    [
        ({"model": "grok-imagine-video-1.5"}, 8 * 800_000_000),
        ({"model": "grok-imagine-video-1.5", "duration": 6, "resolution": "720p", "image": "file_1"}, 8_500_000_000),
        ({"model": "grok-imagine-video-1.5-preview", "duration": 1, "resolution": "1080p"}, 2_500_000_000),
        ({"model": "grok-imagine-video", "duration": 10, "reference_images": ["file_1", "file_2"]}, 5_040_000_000),
        ({"model": "grok-imagine-video-1.5-lite", "duration": 4, "resolution": "720p"}, 1_200_000_000),
        ({"model": "grok-imagine-video-9"}, None),
    ],
)
def test_a_video_is_estimated_by_the_table(options: dict[str, Any], ticks: int | None) -> None:
    assert account.video_ticks(videos.generation_body(prompt="waves", **options)) == ticks


def test_an_edit_of_a_video_pays_for_both_lengths_at_the_most_where_the_source_is_unknown() -> None:
    body = videos.edit_body(prompt="at night", video="file_1")
    assert account.video_ticks(body, 5.0) == 5 * 700_000_000 + 5 * 100_000_000
    assert account.video_ticks(body) == 6_090_000_000 + 870_000_000


def test_an_extension_pays_for_what_is_added_and_for_its_source() -> None:
    body = videos.extension_body(prompt="it goes on", video="file_1", duration=4)
    assert account.video_ticks(body, 5.0) == 4 * 700_000_000 + 5 * 100_000_000


def test_estimates_are_whole_ticks() -> None:
    body = videos.edit_body(prompt="at night", video="file_1")
    assert isinstance(account.video_ticks(body, 3.337), int)
    assert account.usd(8_500_000_000) == 0.85


def test_what_is_no_list_of_sources_is_priced_and_left_to_the_server_to_refuse() -> None:
    assert account.image_ticks({"model": "grok-imagine-image-2.0", "images": 5, "quality": "low"}) == 500_000_000
    assert account.video_ticks({"model": "grok-imagine-video", "keyframes": 5, "duration": 1}) == 520_000_000
    assert account.video_ticks({"model": "grok-imagine-video", "duration": "long"}) is None
