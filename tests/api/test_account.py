"""Key, caller and models."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_grok.api import account, errors, prices


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
    assert {model.id for model in carry(account.video_models())} >= set(prices.VIDEO_PRICES)
    assert {model.id for model in carry(account.models())}


def test_a_model_without_prices_or_length_is_read(ask: Any, script: Any) -> None:
    script.say(200, '{"models": [{"id": "new", "pricing": null, "image_price": null}]}')
    assert ask(account.image_models())[0].max_prompt_length is None
