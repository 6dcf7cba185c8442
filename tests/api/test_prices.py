"""Prices: the table, the server's own list over it, and the estimate of what a request costs."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_grok.api import images, prices, videos
from airflow_provider_grok.api.account import ImageModel


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
        ({"model": "grok-imagine-image-quality-20260403"}, 400_000_000),
        ({"model": "grok-imagine-image-2026-03-02", "resolution": "2k"}, 200_000_000),
        ({"model": "grok-imagine-image-2.0", "quality": "high"}, None),
        ({"model": "grok-imagine-image-9"}, None),
    ],
)
def test_a_picture_is_estimated_by_the_table(options: dict[str, Any], ticks: int | None) -> None:
    assert prices.image_ticks(images.generation_body(prompt="a mug", **options)) == ticks


def test_an_edit_pays_for_every_source_and_for_medium_quality_by_default() -> None:
    one = images.edit_body(prompt="blue", model="grok-imagine-image-2.0", image="file_1")
    three = images.edit_body(prompt="blue", model="grok-imagine-image", images=["file_1", "file_2", "file_3"], n=2)
    assert prices.image_ticks(one) == 600_000_000 + 100_000_000
    assert prices.image_ticks(three) == 2 * 200_000_000 + 3 * 20_000_000


def test_a_models_own_prices_win() -> None:
    tier = {"quality": "low", "resolution": "1k", "price_per_image": 5}
    model = ImageModel.parse({"id": "grok-imagine-image-2.0", "pricing": [tier]}, "test")
    body = images.generation_body(prompt="a mug", model="grok-imagine-image-2.0", quality="low")
    assert prices.image_ticks(body, [model]) == 5
    assert prices.image_ticks({**body, "quality": "medium"}, [model]) == 600_000_000


def test_a_new_model_is_estimated_by_what_the_server_says_of_it() -> None:
    model = ImageModel.parse({"id": "grok-imagine-image-9", "aliases": ["newest"], "image_price": 7}, "test")
    assert prices.image_ticks({"model": "newest", "prompt": "a mug", "n": 2}, [model]) == 14


@pytest.mark.parametrize(
    ("options", "ticks"),
    [
        ({"model": "grok-imagine-video-1.5"}, 8 * 800_000_000),
        ({"model": "grok-imagine-video-1.5", "duration": 6, "resolution": "720p", "image": "file_1"}, 8_500_000_000),
        ({"model": "grok-imagine-video-1.5-preview", "duration": 1, "resolution": "1080p"}, 2_500_000_000),
        ({"model": "grok-imagine-video", "duration": 10, "reference_images": ["file_1", "file_2"]}, 5_040_000_000),
        ({"model": "grok-imagine-video-1.5-lite", "duration": 4, "resolution": "720p"}, 1_200_000_000),
        ({"model": "grok-imagine-video-1.5-lite", "duration": 1, "image": "file_1"}, 300_000_000),
        ({"model": "grok-imagine-video-1.5-2026-05-30", "duration": 1}, 800_000_000),
        ({"model": "grok-imagine-video-9"}, None),
    ],
)
def test_a_video_is_estimated_by_the_table(options: dict[str, Any], ticks: int | None) -> None:
    assert prices.video_ticks(videos.generation_body(prompt="waves", **options)) == ticks


def test_an_edit_of_a_video_pays_for_both_lengths_at_the_most_where_the_source_is_unknown() -> None:
    body = videos.edit_body(prompt="at night", video="file_1")
    assert prices.video_ticks(body, 5.0) == 5 * 700_000_000 + 5 * 100_000_000
    assert prices.video_ticks(body) == 6_090_000_000 + 870_000_000


def test_an_extension_pays_for_what_is_added_and_for_its_source() -> None:
    body = videos.extension_body(prompt="it goes on", video="file_1", duration=4)
    assert prices.video_ticks(body, 5.0) == 4 * 700_000_000 + 5 * 100_000_000


def test_estimates_are_whole_ticks() -> None:
    body = videos.edit_body(prompt="at night", video="file_1")
    assert isinstance(prices.video_ticks(body, 3.337), int)
    assert prices.usd(8_500_000_000) == 0.85


def test_what_is_no_list_of_sources_is_priced_and_left_to_the_server_to_refuse() -> None:
    assert prices.image_ticks({"model": "grok-imagine-image-2.0", "images": 5, "quality": "low"}) == 500_000_000
    assert prices.video_ticks({"model": "grok-imagine-video", "keyframes": 5, "duration": 1}) == 520_000_000
    assert prices.video_ticks({"model": "grok-imagine-video", "duration": "long"}) is None


@pytest.mark.parametrize("price", [0, -5])
def test_a_price_list_that_says_nothing_costs_lifts_no_cap(price: int) -> None:
    tier = {"quality": "low", "resolution": "1k", "price_per_image": price}
    known = ImageModel.parse({"id": "grok-imagine-image-2.0", "image_price": price, "pricing": [tier]}, "test")
    body = images.generation_body(prompt="a mug", model="grok-imagine-image-2.0", quality="low")
    assert prices.image_ticks(body, [known]) == 400_000_000
    for offer in ({"image_price": price}, {"pricing": [tier]}):
        unknown = ImageModel.parse({"id": "grok-imagine-image-9", **offer}, "test")
        assert prices.image_ticks({"model": "grok-imagine-image-9", "prompt": "a mug"}, [unknown]) is None


def test_an_edit_by_a_retired_name_is_priced_at_low_quality_and_one_by_a_dated_alias_at_medium() -> None:
    retired = images.edit_body(prompt="blue", model="grok-imagine-image-quality-latest", image="file_1")
    assert prices.image_ticks(retired) == 400_000_000 + 100_000_000
    dated = ImageModel.parse({"id": "grok-imagine-image-2.0", "aliases": ["grok-imagine-image-2.0-2026-08-18"]}, "test")
    tier = {"quality": "medium", "resolution": "1k", "price_per_image": 7}
    dated = dated.model_copy(update={"pricing": ImageModel.parse({"id": "x", "pricing": [tier]}, "test").pricing})
    asked = images.edit_body(prompt="blue", model="grok-imagine-image-2.0-2026-08-18", image="file_1")
    assert prices.image_ticks(asked, [dated]) == 7 + 100_000_000
