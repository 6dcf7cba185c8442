"""An order's cost and model are checked before it is sent."""

from __future__ import annotations

import pytest

from airflow_provider_grok.api import errors
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import paid
from tests.purchase_run import Shop

POST = {"method": "POST", "path": "/v1/images/generations"}


def test_the_cost_limit_refuses_before_anything_is_sent(shop: Shop, sandbox: Sandbox) -> None:
    with pytest.raises(errors.CostLimit, match=r"about 0\.0400 USD, more than max_cost_usd=0\.03"):
        shop.buy(max_cost_usd=0.03)
    assert not paid(sandbox)


def test_the_cost_limit_counts_what_earlier_tries_spent(shop: Shop, sandbox: Sandbox) -> None:
    sandbox.faults.add({**POST, "action": {"moderate": True}})
    shop.buy(max_cost_usd=0.07)
    shop.max_tries += 1
    with pytest.raises(errors.CostLimit, match=r"after 0\.0400 USD spent by this task already"):
        shop.buy(max_cost_usd=0.07)
    assert shop.charges == 1


def test_the_cost_limit_counts_a_job_that_was_left_behind(shop: Shop) -> None:
    shop.die(3, torn=True, max_cost_usd=0.07)
    with pytest.raises(errors.CostLimit, match=r"after 0\.0400 USD"):
        shop.buy(prompt="a blue bicycle", max_cost_usd=0.07)
    assert shop.charges == 1


def test_the_cost_limit_lets_a_finished_purchase_be_read(shop: Shop) -> None:
    shop.buy(max_cost_usd=0.04)
    assert shop.buy(max_cost_usd=0.04).reused


def test_a_model_without_a_known_price_is_refused_under_a_limit(shop: Shop, sandbox: Sandbox) -> None:
    sandbox.faults.add({"path": "/v1/image-generation-models", "times": None, "action": {"status": 404}})
    with pytest.raises(errors.CostLimit, match="no price is known"):
        shop.buy(max_cost_usd=1, fields={"params": {"model": "grok-imagine-image-9"}})
    assert not paid(sandbox)


@pytest.mark.parametrize("status", [403, 404, 503])
def test_a_key_that_gets_no_list_of_models_can_buy(shop: Shop, sandbox: Sandbox, status: int) -> None:
    sandbox.faults.add({"path": "/v1/image-generation-models", "times": None, "action": {"status": status}})
    assert shop.buy(max_cost_usd=0.04).ticks == 400_000_000


def test_a_gateway_that_has_a_web_page_instead_of_a_list_of_models_can_be_bought_from(
    shop: Shop, sandbox: Sandbox
) -> None:
    page = {"status": 404, "headers": {"content-type": "text/html"}, "body": "<h1>Not found</h1>"}
    sandbox.faults.add({"path": "/v1/image-generation-models", "times": None, "action": page})
    assert shop.buy().ticks == 400_000_000


def test_where_nothing_is_the_api_nothing_is_bought(shop: Shop, sandbox: Sandbox) -> None:
    page = {"status": 200, "headers": {"content-type": "text/html"}, "body": "<h1>Welcome</h1>"}
    sandbox.faults.add({"method": "GET", "times": None, "action": page})
    with pytest.raises(errors.NotAnApiResponse, match="must be the API's base URL"):
        shop.buy()
    assert not paid(sandbox)


def test_a_wrong_key_is_told_before_anything_is_bought(shop: Shop, sandbox: Sandbox) -> None:
    words = {"code": "invalid-argument", "error": "Incorrect API key provided: xa***ox."}
    sandbox.faults.add({"path": "/v1/image-generation-models", "action": {"status": 400, "body": words}})
    with pytest.raises(errors.PermissionDenied, match="Check the API key"):
        shop.buy()
    assert not paid(sandbox)
