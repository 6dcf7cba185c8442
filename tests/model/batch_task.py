"""The seam to the real code of batches: submit and persist, as their operators call them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from unittest import mock

from airflow_provider_grok.api import batch_requests, images, wire
from airflow_provider_grok.api.endpoint import Endpoint
from airflow_provider_grok.flows.batches.persist import Persisting
from airflow_provider_grok.flows.batches.purchase import BatchPurchase, has_begun
from airflow_provider_grok.flows.batches.requests import BatchPurchaseRequest
from airflow_provider_grok.flows.purchases.options import PurchaseOptions, Settings
from airflow_provider_grok.flows.purchases.store import TaskIdentity
from tests.model.batch_options import BatchPlan, Row
from tests.model.batches import PICTURE
from tests.model.store import WorkerStore
from tests.model.task import Silence

#: Carries a call or a flow out, in virtual time.
CarryOut = Callable[[Endpoint, Any], Any]


class Submit:
    """One try of `GrokBatchOperator`.

    :param plan: the task.
    :param rows: the list that it submits.
    :param cap: its `max_cost_usd`; None: no limit.
    :param store: the task state store.
    :param key: API key.
    :param try_number: Airflow's.
    :param max_tries: Airflow's.
    """

    def __init__(
        self,
        plan: BatchPlan,
        rows: Sequence[Row],
        cap: int | None,
        store: WorkerStore,
        *,
        key: str,
        try_number: int,
        max_tries: int,
    ) -> None:
        self.endpoint = Endpoint(key=key)
        entries = [
            batch_requests.request(
                name,
                "image_generation",
                images.generation_body(
                    prompt=text, model="grok-imagine-image-2.0", n=1, resolution="1k", quality="low"
                ),
            )
            for name, text in rows
        ]
        options = PurchaseOptions.of(
            Settings(),
            begun=has_begun(store),
            reuse=plan.reuse,
            max_cost_usd=None if cap is None else cap * PICTURE / 1e10,
        )
        request = BatchPurchaseRequest(entries, None, options.expires_after, options.link, options.max_cost)
        identity = TaskIdentity(
            "Shop_dag",
            "manual__1",
            "submit",
            -1,
            max_tries,
            store,
            try_number=try_number,
            retries_left=try_number <= max_tries,
        )
        self.purchase = BatchPurchase(request, identity, reuse=options.reuse, log=Silence())

    def execute(self) -> Generator[Any, Any, str]:
        """What the operator does; returns the batch id."""
        placed = yield from self.purchase.place()
        return placed.batch.batch_id

    def billed(self) -> dict[str, Any]:
        """The receipt's `billed`."""
        return self.purchase.billed()


class Persist:
    """One try of `GrokPersistOperator`, not deferrable.

    :param batch_id: the batch.
    :param store: the task state store.
    :param key: API key.
    """

    def __init__(self, batch_id: str, store: WorkerStore, key: str) -> None:
        self.persisting = Persisting(
            Endpoint(key=key),
            batch_id,
            store,
            destination=None,
            max_concurrency=2,
            min_success=0.0,
            options=PurchaseOptions.of(Settings(), timeout=25 * 3600),
            log=Silence(),
        )

    def execute(self) -> list[tuple[str, str, list[str]]]:
        """What the operator does; returns id, state and files of each row."""
        while not self.persisting.step():
            self.persisting.rest()
        kept = self.persisting.conclude()
        kept.check()
        return [
            (row.batch_request_id, row.state, [str(one.file_id) for one in row.files if one.file_id])
            for row in kept.rows
        ]


class _Clock:
    """The model's time in place of the machine's."""

    def __init__(self, now: Callable[[], float], rest: Callable[[float], None]) -> None:
        self.now, self.sleep = now, rest

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)


@contextmanager
def in_virtual_time(carry_out: CarryOut, now: Callable[[], float], rest: Callable[[float], None]) -> Iterator[None]:
    """Let code that drives its flows itself drive them through the model.

    :param carry_out: carries a call or a flow out.
    :param now: the model's time.
    :param rest: lets it pass.
    """

    def run(endpoint: Endpoint, work: Any, **_: Any) -> Any:
        return carry_out(endpoint, work)

    async def arun(endpoint: Endpoint, work: Any, **_: Any) -> Any:
        return carry_out(endpoint, work)

    @asynccontextmanager
    async def shared_client(endpoint: Endpoint) -> AsyncIterator[None]:
        yield

    async def at_once(action: Callable[..., Any], *arguments: Any) -> Any:
        return action(*arguments)

    with (
        mock.patch.multiple(wire, run=run, arun=arun, shared_client=shared_client, REAL_CLOCK=_Clock(now, rest)),
        mock.patch.object(asyncio, "to_thread", at_once),
    ):
        yield
