"""One task instance that buys pictures in tests, over as many tries as a test likes, by either driver."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from airflow_provider_grok.api import images, wire
from airflow_provider_grok.flows.purchases.options import PurchaseOptions
from airflow_provider_grok.flows.purchases.purchase import Purchase
from airflow_provider_grok.flows.purchases.result import PurchaseResult
from airflow_provider_grok.flows.purchases.store import TaskIdentity
from airflow_provider_grok.hooks.grok import GrokHook
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import Killed, StateStore


class Shop:
    """One task instance that buys pictures; its store lasts over its tries."""

    def __init__(self, driver: str, sandbox: Sandbox) -> None:
        self.driver, self.sandbox = driver, sandbox
        self.store, self.max_tries = StateStore(), 0
        self.buyer: dict[str, Any] = {"dag_id": "shop", "run_id": "monday", "task_id": "edit"}

    def purchase(self, *, prompt: str = "a red bicycle", fields: Any = None, **options: Any) -> tuple[Purchase, Any]:
        hook = GrokHook()
        terms = PurchaseOptions.of(hook.settings, **options)
        body = images.generation_body(prompt=prompt, model="grok-imagine-image-2.0", quality="low", **(fields or {}))
        call = images.generate(body)
        identity = TaskIdentity(**self.buyer, max_tries=self.max_tries, store=self.store)
        purchase = hook.purchase(call, terms, identity=identity, slot="purchase")
        purchase.log = purchase.reattachment.log = logging.getLogger("shop")
        return purchase, purchase.complete(terms.poll_interval)

    def carry(self, work: Any) -> Any:
        endpoint = GrokHook().endpoint
        return wire.run(endpoint, work) if self.driver == "run" else asyncio.run(wire.arun(endpoint, work))

    def buy(self, **order: Any) -> PurchaseResult:
        """One try."""
        bought: PurchaseResult = self.carry(self.purchase(**order)[1])
        return bought

    def die(self, write: int, *, torn: bool = False, **order: Any) -> None:
        """One try in which the worker dies at a write to the store."""
        self.store.die_at(write, torn=torn)
        with pytest.raises(Killed):
            self.buy(**order)

    @property
    def charges(self) -> int:
        return len(self.sandbox.ledger.charges)
