"""Prices: the list of November 2026."""

from __future__ import annotations

import pytest

from airflow_provider_grok.sandbox.errors import Refusal
from airflow_provider_grok.sandbox.prices import IMAGE_MODELS, VIDEO_MODELS, image_ticks, served_by


@pytest.mark.parametrize(
    ("model", "quality", "resolution", "n", "sources", "dollars"),
    [
        ("grok-imagine-image", "low", "1k", 1, 0, 0.02),
        ("grok-imagine-image", "low", "2k", 10, 1, 0.202),
        ("grok-imagine-image-2.0", "low", "1k", 1, 5, 0.09),
        ("grok-imagine-image-2.0", "medium", "2k", 2, 1, 0.17),
        ("grok-imagine-image-2.0", "low", "1.5k", 1, 0, 0.06),
    ],
)
def test_every_output_and_once_every_input_is_paid(
    model: str, quality: str, resolution: str, n: int, sources: int, dollars: float
) -> None:
    assert image_ticks(model, quality, resolution, n=n, sources=sources) == round(dollars * 1e10)


def test_a_retired_name_is_still_served() -> None:
    assert served_by("grok-imagine-image-quality", IMAGE_MODELS) == "grok-imagine-image-2.0"


def test_a_model_of_the_other_kind_does_not_exist_here() -> None:
    with pytest.raises(Refusal, match="grok-imagine-image does not exist"):
        served_by("grok-imagine-image", VIDEO_MODELS)
