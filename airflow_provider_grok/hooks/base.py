"""The Airflow connection `grok` as an endpoint of the API: calls, flows and purchases."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import BaseHook

from airflow_provider_grok.hooks.storage import open_storage

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_provider_grok.api.call import Call, Work
    from airflow_provider_grok.api.endpoint import Endpoint
    from airflow_provider_grok.api.jobs import Accepted
    from airflow_provider_grok.flows.purchases.options import PurchaseOptions, Settings
    from airflow_provider_grok.flows.purchases.purchase import Purchase
    from airflow_provider_grok.flows.purchases.result import PurchaseResult
    from airflow_provider_grok.flows.purchases.store import TaskIdentity

T = TypeVar("T")


class BaseGrokHook(BaseHook):
    """Hold a connection to xAI's API: calls, flows and purchases, in tasks and in triggers.

    :param grok_conn_id: the Airflow connection: password = API key, host = base URL.
    """

    conn_name_attr = "grok_conn_id"
    default_conn_name = "grok_default"
    conn_type = "grok"
    hook_name = "xAI Grok"
    #: How flows open object storage.
    open_storage = staticmethod(open_storage)

    def __init__(self, grok_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.grok_conn_id = grok_conn_id

    @cached_property
    def _connection(self) -> Connection:
        return self.get_connection(self.grok_conn_id)

    @cached_property
    def endpoint(self) -> Endpoint:
        """Where the connection asks, and as whom.

        :raises InvalidRequest: when the connection lacks its key, or an extra has no sensible value.
        """
        from airflow_provider_grok.hooks.connection import endpoint_of

        return endpoint_of(self._connection, self._connection.extra_dejson)

    @cached_property
    def settings(self) -> Settings:
        """The connection's defaults for stored files and money."""
        from airflow_provider_grok.hooks.connection import settings_of

        return settings_of(self._connection.extra_dejson)

    async def aendpoint(self) -> Endpoint:
        """The endpoint, for event loops: the connection is fetched without blocking, at most once a minute."""
        from airflow_provider_grok.hooks import connection_cache

        return await connection_cache.endpoint(type(self), self.grok_conn_id)

    def get_conn(self) -> Endpoint:
        """The endpoint: there is no session to hold open."""
        return self.endpoint

    def run(self, work: Work[T]) -> T:
        """Carry out a call or a flow that costs nothing, in this thread.

        :param work: e.g. `files.get(file_id)`.
        :raises InvalidRequest: for a call that costs money: `buy` is for those.
        """
        from airflow_provider_grok.api import wire

        return wire.run(self.endpoint, work, may_buy=False)

    async def arun(self, work: Work[T]) -> T:
        """Carry out a call or a flow that costs nothing, on the running event loop.

        :param work: e.g. `files.get(file_id)`.
        :raises InvalidRequest: for a call that costs money: `abuy` is for those.
        """
        from airflow_provider_grok.api import wire

        return await wire.arun(await self.aendpoint(), work, may_buy=False)

    def buy(self, call: Call[Accepted], key: str | None = None, **options: Any) -> PurchaseResult:
        """Buy a picture or video and wait for it; inside a task never twice, whatever dies in between.

        :param call: a paid call, such as `images.edit(images.edit_body(prompt=..., image=...))`.
        :param key: tells equal requests of one task apart; without it an equal request is the same purchase.
        :param options: as the operators take them: `reuse`, `filename`, `expires_after`, `expires_at`, `share`,
            `max_cost_usd`, `timeout`, `poll_interval`.
        :raises InvalidRequest: for a call that is no purchase of a picture or a video.
        :raises GrokError: when the job failed; says whether it was billed.
        """
        from airflow_provider_grok.api import wire
        from airflow_provider_grok.flows.purchases.in_flight import alone
        from airflow_provider_grok.flows.purchases.options import PurchaseOptions

        chosen = PurchaseOptions.of(self.settings, **options)
        purchase = self.purchase(call, chosen, key=key)
        with alone(purchase.in_common):
            return _or_raise(wire.run(self.endpoint, purchase.complete(chosen.poll_interval)))

    async def abuy(self, call: Call[Accepted], key: str | None = None, **options: Any) -> PurchaseResult:
        """Buy like `buy`, on the running event loop.

        :param call: a paid call.
        :param key: tells equal requests of one task apart.
        :param options: as for `buy`.
        """
        import asyncio

        from airflow_provider_grok.api import wire
        from airflow_provider_grok.flows.purchases.in_flight import alone_on_loop
        from airflow_provider_grok.flows.purchases.options import PurchaseOptions

        chosen = await asyncio.to_thread(lambda: PurchaseOptions.of(self.settings, **options))
        purchase = await asyncio.to_thread(self.purchase, call, chosen, key=key)
        async with alone_on_loop(purchase.in_common):
            return _or_raise(await wire.arun(purchase.endpoint, purchase.complete(chosen.poll_interval)))

    def purchase(
        self,
        call: Call[Accepted],
        options: PurchaseOptions,
        *,
        key: str | None = None,
        identity: TaskIdentity | None = None,
        slot: str | None = None,
        can_defer: bool = False,
    ) -> Purchase:
        """The purchase of a paid call, as flows.

        :param call: the paid call.
        :param options: how it is to be stored, reused and limited.
        :param key: tells equal requests of one task apart.
        :param identity: who buys; None: the task that is running, or nobody.
        :param slot: its own part of the record key; None: one for each different request.
        :param can_defer: whether a trigger can go on looking for the result of a lost response.
        """
        from airflow_provider_grok.flows.purchases.key import digest_of, earlier_digests, request_digest
        from airflow_provider_grok.flows.purchases.purchase import Purchase
        from airflow_provider_grok.flows.purchases.result import check_purchase
        from airflow_provider_grok.hooks.task import current_task

        check_purchase(call)
        body = call.body or {}
        digest = request_digest(call.path, body)
        digests = [digest, *earlier_digests(call.path, body, by_hook=slot is None or options.reuse == "always")]
        return Purchase(
            options.request(call),
            identity or current_task(),
            self.endpoint,
            digests=[digest_of([one, key]) if key else one for one in digests],
            slot=slot or digest_of([digest, key])[:16],
            reuse=options.reuse,
            recovery_wait=options.recovery_wait_of(call),
            timeout=options.timeout_of(call),
            can_defer=can_defer,
            log=self.log,
        )

    def test_connection(self) -> tuple[bool, str]:
        """Ask the API who the key belongs to, and say it in words; costs nothing."""
        from airflow_provider_grok.api import account, errors, wire
        from airflow_provider_grok.hooks.connection import in_words

        try:
            # Once: a person waits for the answer, and will press the button again.
            endpoint, _ = self.endpoint, self.settings
            key = wire.run(endpoint, replace(account.key(), attempts=1))
        except errors.GrokError as error:
            return False, str(error)
        return in_words(key, self._connection.extra_dejson)


def _or_raise(bought: PurchaseResult) -> PurchaseResult:
    """Give a purchase back, unless nothing came of it."""
    from airflow_provider_grok.api.errors import GrokError

    if bought.failure:
        raise bought.failure
    if not bought.file_ids:
        raise GrokError("; ".join(row.reason or "no file" for row in bought.rows) or "The job made nothing.")
    return bought
