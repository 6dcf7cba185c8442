"""Fixtures of the hooks' tests: a shop that buys by either driver, over as many tries as a test likes."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from airflow_provider_grok.api import images, wire
from airflow_provider_grok.hooks.grok import GrokHook
from airflow_provider_grok.hooks.memory import Buyer
from airflow_provider_grok.hooks.order import Bought
from airflow_provider_grok.hooks.purchase import Purchase
from airflow_provider_grok.hooks.terms import Terms
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import Killed, StateStore, Time
from tests.airflow_task import one_sandbox as one_sandbox
from tests.airflow_task import sandbox as sandbox
from tests.airflow_task import slow as slow
from tests.airflow_task import store as store
from tests.airflow_task import time as time
from tests.airflow_task import unused as unused
from tests.airflow_task import web_page as web_page
from tests.batch_run import memory as memory
from tests.batch_run import settle as settle


class Shop:
    """One task instance that buys pictures; its store lasts over its tries."""

    def __init__(self, driver: str, sandbox: Sandbox) -> None:
        self.driver, self.sandbox = driver, sandbox
        self.store, self.max_tries = StateStore(), 0
        self.buyer: dict[str, Any] = {"dag_id": "shop", "run_id": "monday", "task_id": "edit"}

    def purchase(self, *, prompt: str = "a red bicycle", fields: Any = None, **options: Any) -> tuple[Purchase, Any]:
        hook = GrokHook()
        terms = Terms.of(hook.settings, **options)
        body = images.generation_body(prompt=prompt, model="grok-imagine-image-2.0", quality="low", **(fields or {}))
        call = images.generate(body)
        buyer = Buyer(**self.buyer, max_tries=self.max_tries, store=self.store)
        purchase = hook.purchase(call, terms, buyer=buyer, slot="purchase")
        purchase.log = purchase.left.log = logging.getLogger("shop")
        return purchase, purchase.complete(terms.timeout_of(call), terms.poll_interval)

    def carry(self, work: Any) -> Any:
        endpoint = GrokHook().endpoint
        return wire.run(endpoint, work) if self.driver == "run" else asyncio.run(wire.arun(endpoint, work))

    def buy(self, **order: Any) -> Bought:
        """One try."""
        bought: Bought = self.carry(self.purchase(**order)[1])
        return bought

    def die(self, write: int, *, torn: bool = False, **order: Any) -> None:
        """One try in which the worker dies at a write to the store."""
        self.store.die_at(write, torn=torn)
        with pytest.raises(Killed):
            self.buy(**order)

    @property
    def charges(self) -> int:
        return len(self.sandbox.ledger.charges)


@pytest.fixture(params=["run", "arun"])
def shop(request: pytest.FixtureRequest, sandbox: Sandbox, time: Time, caplog: pytest.LogCaptureFixture) -> Shop:
    """A shop with either driver, in virtual time."""
    caplog.set_level(logging.INFO)
    return Shop(request.param, sandbox)
