"""What all operators that make a picture or a video share: terms, waiting with or without a worker, delivery."""

from __future__ import annotations

import math
from abc import abstractmethod
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from airflow.sdk import conf

from airflow_provider_grok.hooks.errors import translate_errors
from airflow_provider_grok.links import GrokPublicLink
from airflow_provider_grok.operators.base import GrokOperator, count_cost, receipt
from airflow_provider_grok.operators.values import refuse_secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from airflow.sdk import Context

    from airflow_provider_grok.api.call import Call, Flow, Work
    from airflow_provider_grok.api.errors import JobModerated, Moderated
    from airflow_provider_grok.api.jobs import Accepted
    from airflow_provider_grok.flows.purchases.key import Reuse
    from airflow_provider_grok.flows.purchases.options import PurchaseOptions
    from airflow_provider_grok.flows.purchases.purchase import Purchase, RecoveryPending
    from airflow_provider_grok.flows.purchases.result import PurchaseResult, PurchaseState

    Duration = timedelta | float | str

T = TypeVar("T")
#: Seconds that the scheduler's own limit on a deferral lies behind the trigger's deadline.
BACKSTOP = 60.0
#: Where the task state store keeps the record of a task's one purchase.
SLOT = "purchase"
#: The most paid repeats of a withheld result.
MOST_REPEATS = 10


class GrokMakeOperator(GrokOperator):
    """Make an asset, never twice, and keep it in xAI Files.

    :param filename: name of the stored file; a token goes before its ending. None: `<dag>.<task>`.
    :param expires_after: life of the stored file: timedelta, seconds or text of seconds, 1 hour to 30 days; None: the
        connection's default, else no end.
    :param expires_at: its end instead: aware datetime or ISO text.
    :param share: whether to make a public link: True (7 days, or as long as the file), or its life.
    :param max_cost_usd: most US dollars that this task instance may spend over all its tries; None: the connection's.
    :param reuse: `run`: an equal request in the same task of the same run is the same purchase; `attempt`: the same,
        but clearing the finished task buys anew; `always`: an equal request anywhere is the same purchase.
    :param on_moderated: `fail` or `skip` the task when the content rules took a result away; `retry`: buy it again, and
        fail when that was of no use.
    :param moderation_retries: how many paid repeats `on_moderated="retry"` allows over all tries of the task, 1 to 10.
        Only what was generated and then withheld is repeated; each repeat is billed and counts for `max_cost_usd`.
    :param deferrable: wait in the triggerer, not on a worker; default: Airflow's `[operators] default_deferrable`.
    :param timeout: how long to wait for xAI, from the submission: timedelta or seconds.
    :param poll_interval: seconds between two polls; None: by the job's age.
    :param defer_after: seconds from the submission that a deferrable task waits on its worker first, for a deferral
        costs about two starts of a task; None: 20 s for pictures, 5 s for videos.
    :param user: tag of an end user, for xAI's logs.
    :param request_params: further fields of the request, merged last and not checked.
    """

    template_fields: tuple[str, ...] = (
        "grok_conn_id",
        "filename",
        "expires_after",
        "expires_at",
        "share",
        "max_cost_usd",
        "reuse",
        "on_moderated",
        "moderation_retries",
        "timeout",
        "poll_interval",
        "defer_after",
        "user",
        "request_params",
    )
    operator_extra_links = (GrokPublicLink(),)

    def __init__(
        self,
        *,
        filename: str | None = None,
        expires_after: Duration | None = None,
        expires_at: datetime | str | None = None,
        share: bool | Duration = False,
        max_cost_usd: float | str | None = None,
        reuse: Reuse = "run",
        on_moderated: Literal["fail", "skip", "retry"] = "fail",
        moderation_retries: int | str = 2,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        timeout: Duration | None = timedelta(minutes=15),
        poll_interval: float | None = None,
        defer_after: Duration | None = None,
        user: str | None = None,
        request_params: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filename = filename
        self.expires_after = expires_after
        self.expires_at = expires_at
        self.share = share
        self.max_cost_usd = max_cost_usd
        self.reuse = reuse
        self.on_moderated = on_moderated
        self.moderation_retries = moderation_retries
        self.deferrable = deferrable
        self.timeout = timeout
        self.poll_interval = poll_interval
        self.defer_after = defer_after
        self.user = user
        self.request_params = request_params

    @abstractmethod
    def request(self) -> Call[Accepted]:
        """The paid call, with all arguments checked.

        :raises InvalidRequest: for an argument that cannot be.
        """

    def wants_list(self) -> bool:
        """Whether the task returns a list of file ids."""
        return False

    # -- the life of a task --------------------------------------------------------------------------------------

    def execute(self, context: Context) -> Any:
        """Find what an earlier try bought, or buy; then wait, here or in the triggerer, and deliver."""
        with translate_errors(), self._receipt_at_least(context), self._one_session():
            self._check()
            purchase = self._purchase(context)
            return self._carry_out(context, purchase, purchase.submit())

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None, **_: Any) -> Any:
        """Poll the job again after the trigger did, and deliver; the event is believed for nothing but its id.

        :param context: the task's context.
        :param event: what the trigger said.
        """
        event = event or {}
        with translate_errors(), self._receipt_at_least(context), self._one_session():
            purchase = self._purchase(context)
            ended = event.get("status") == "ended"
            return self._carry_out(context, purchase, purchase.resume(event.get("job_id"), ended=ended), event)

    def _carry_out(
        self, context: Context, purchase: Purchase, flow: Flow[PurchaseState], event: dict[str, Any] | None = None
    ) -> Any:
        from airflow_provider_grok.flows.purchases.purchase import RecoveryPending

        try:
            state = self._drive(flow)
            if event is not None and not state.ended:
                self._check_event(purchase, state, event)
            if self.deferrable and not state.ended:
                state = self._wait_in_place(purchase, state)
                if not state.ended:
                    self._defer(state)
            state = self._drive(purchase.wait(state, poll_interval=self._options.poll_interval))
        except RecoveryPending as pending:
            if not self.deferrable:
                raise
            self._defer_search(pending)
        except self._moderation() as error:
            self._push_receipt(context, purchase.partial_result(error))
            count_cost(error.ticks or 0, (self._call.body or {}).get("model"))
            return self._refused(context, purchase, error)
        return self._deliver(context, purchase, state)

    def _check_event(self, purchase: Purchase, state: PurchaseState, event: dict[str, Any]) -> None:
        """What the trigger came back with, where the job it waited for has not ended.

        :raises GrokError: for an error of the trigger, or a job that was not finished in time.
        """
        from pendulum import now

        from airflow_provider_grok.api.errors import GrokError

        seen = event.get("status")
        if purchase.submissions or (event and not event.get("job_id")):
            # The trigger looked for a lost response, or the job it waited for has been replaced.
            return
        if seen in ("error", "gone"):
            raise GrokError(str(event.get("message")))
        raise purchase.timeout_error(state, now("UTC").timestamp())

    def _wait_in_place(self, purchase: Purchase, state: PurchaseState) -> PurchaseState:
        """Wait on the worker while that costs less than a deferral, which is about two starts of a task."""
        from airflow_provider_grok.api.errors import JobTimeout
        from airflow_provider_grok.api.kinds import KINDS

        state = self._drive(purchase.poll_once(state))
        usual = KINDS[state.kind].defer_after
        patience = usual if self._options.defer_after is None else self._options.defer_after
        try:
            return self._drive(purchase.wait(state, patience, self._options.poll_interval)) if patience else state
        except JobTimeout:
            return state

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume; where the trigger was lost or overdue, the job itself is asked what became of it."""
        from airflow.sdk.exceptions import TaskDeferralError, TaskDeferralTimeout

        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except (TaskDeferralTimeout, TaskDeferralError) as error:
            self.log.warning("The trigger did not come back (%s); asking for the job itself.", error)
            return self.execute_complete(context, None)

    def on_kill(self) -> None:
        """Say what goes on: pictures and videos cannot be cancelled."""
        self.log.warning(
            "Killed. A job that was submitted cannot be cancelled: it will be billed, and its result stored in xAI "
            "Files under the name in this log. Clearing the task adopts it."
        )

    # -- steps -------------------------------------------------------------------------------------------------------

    @contextmanager
    def _one_session(self) -> Iterator[None]:
        """All requests of this slice of the task go over the same connections."""
        from airflow_provider_grok.api import wire

        with wire.session(self.hook.endpoint) as self._session:
            yield

    def _drive(self, flow: Work[T]) -> T:
        return self._session.run(flow)

    def _check(self) -> None:
        from airflow_provider_grok.api.errors import InvalidRequest

        if self.on_moderated not in ("fail", "skip", "retry"):
            raise InvalidRequest(f"on_moderated={self.on_moderated!r} is neither 'fail' nor 'skip' nor 'retry'.")
        self._repeats_allowed()

    def _repeats_allowed(self) -> int:
        """How many paid repeats a withheld result may have.

        :raises InvalidRequest: for `moderation_retries` that is no number from 1 to 10, where it is read.
        """
        from airflow_provider_grok.api.validation import whole

        if self.on_moderated != "retry":
            return 0
        return whole(self.moderation_retries, "moderation_retries", 1, MOST_REPEATS)

    def _purchase(self, context: Context) -> Purchase:
        from airflow_provider_grok.flows.purchases.options import PurchaseOptions
        from airflow_provider_grok.flows.purchases.store import LedgerStore
        from airflow_provider_grok.hooks.task import task_identity

        identity = task_identity(context)
        self._options: PurchaseOptions = PurchaseOptions.of(
            self.hook.settings,
            begun=LedgerStore(identity.store, SLOT).read().has_begun(),
            filename=self.filename,
            expires_after=self.expires_after,
            expires_at=self.expires_at,
            share=self.share,
            max_cost_usd=self.max_cost_usd,
            reuse=self.reuse,
            timeout=self.timeout,
            poll_interval=self.poll_interval,
            defer_after=self.defer_after,
        )
        call = self.request()
        refuse_secret({**(call.body or {}), "filename": self.filename}, self.hook.endpoint.key)
        self._call = call
        self._buying = self.hook.purchase(call, self._options, identity=identity, slot=SLOT, can_defer=self.deferrable)
        return self._buying

    def _defer(self, state: PurchaseState) -> None:
        deadline = state.submitted_at + self._options.timeout_of(self._call)
        self._defer_until(
            deadline,
            kind=state.kind,
            job_id=state.job_id,
            submitted_at=state.submitted_at,
            poll_interval=self._options.poll_interval,
            name=state.name,
        )

    def _defer_search(self, pending: RecoveryPending) -> None:
        """Let the triggerer look for the result of a lost response: this costs no worker."""
        from pendulum import now

        self.log.warning("%s", pending)
        self._defer_until(
            pending.until,
            kind=pending.kind,
            job_id="",
            submitted_at=now("UTC").timestamp(),
            key=pending.key,
            count=pending.count,
        )

    def _defer_until(self, deadline: float, **arguments: Any) -> None:
        from pendulum import now

        from airflow_provider_grok.triggers.jobs import GrokJobTrigger

        left = max(deadline - now("UTC").timestamp(), 0.0) + BACKSTOP
        trigger = GrokJobTrigger(deadline=deadline, grok_conn_id=self.grok_conn_id, **arguments)
        self.defer(trigger=trigger, method_name="execute_complete", timeout=timedelta(seconds=math.ceil(left)))

    # -- delivery --------------------------------------------------------------------------------------------------

    @contextmanager
    def _receipt_at_least(self, context: Context) -> Iterator[None]:
        """Whatever error ends the task: what is known of the purchase by then is in XCom before."""
        from airflow_provider_grok.api.errors import GrokError
        from airflow_provider_grok.flows.purchases.result import PurchaseResult

        self._bought: PurchaseResult | None = None
        try:
            yield
        except GrokError as error:
            if self._bought is None:
                purchase = getattr(self, "_buying", None)
                self._push_receipt(
                    context, purchase.partial_result(error) if purchase else PurchaseResult([], 0, False, None)
                )
            raise

    def _deliver(self, context: Context, purchase: Purchase, state: PurchaseState) -> Any:
        from airflow_provider_grok.operators.delivery import check

        bought = self._drive(purchase.conclude(state))
        self._push_receipt(context, bought)
        if not bought.reused:
            count_cost(bought.ticks, (self._call.body or {}).get("model"))
        if isinstance(bought.failure, self._moderation()):
            return self._refused(context, purchase, bought.failure)
        if bought.failure:
            raise bought.failure
        check(bought, self.on_moderated)
        if self._options.link and any(row.file_id and not row.public_url for row in bought.rows):
            self._push_receipt(context, self._shared(bought))
        ids = bought.file_ids
        return ids if self.wants_list() else ids[0]

    def _shared(self, bought: PurchaseResult) -> PurchaseResult:
        """Make the links that are missing, or raise why: the pictures are kept, and a retry makes only the links."""
        from dataclasses import replace

        from airflow_provider_grok.api import files

        link, rows = self._options.link, list(bought.rows)
        for index, row in enumerate(rows):
            if row.file_id and not row.public_url:
                made = self._drive(files.share(row.file_id, None if link is True else link))
                url, end = made.public_url, made.expires_at
                rows[index] = replace(row, public_url=url, public_url_expires_at=end, reason=None)
        return replace(bought, rows=rows)

    def _push_receipt(self, context: Context, bought: PurchaseResult) -> None:
        from airflow_provider_grok.operators.delivery import request_told

        self._bought = bought
        call, purchase = getattr(self, "_call", None), getattr(self, "_buying", None)
        self.push(
            context,
            receipt=receipt(
                files=[row.row() for row in bought.rows],
                request=request_told(call.body or {}) if call else {},
                usage=bought.usage(),
                billed=purchase.billed() if purchase else self._billed_before(context),
                request_id=bought.job_id,
                reused=bought.reused,
                submitted_at=bought.submitted_at,
                seconds=bought.seconds,
            ),
        )
        if getattr(self, "_options", None) and self._options.link:
            urls = [row.public_url for row in bought.rows if row.file_id]
            self.push(context, public_url=urls if self.wants_list() else (urls or [None])[0])

    def _billed_before(self, context: Context) -> dict[str, Any]:
        """The receipt's `billed` where the task ended before its purchase was looked at."""
        from airflow_provider_grok.flows.purchases.ledger import Ledger
        from airflow_provider_grok.flows.purchases.store import LedgerStore, StoreUnavailable, UnreadableRecord
        from airflow_provider_grok.hooks.task import TaskStateStore

        try:
            return LedgerStore(TaskStateStore(context["task_state_store"]), SLOT).read().billed()
        except (StoreUnavailable, UnreadableRecord) as error:
            self.log.warning("What this task was billed before is not known: %s", error)
            return {**Ledger().billed(), "estimated": True}

    def _moderation(self) -> tuple[type[Moderated | JobModerated], ...]:
        from airflow_provider_grok.api.errors import JobModerated, Moderated

        return (Moderated, JobModerated)

    def _refused(self, context: Context, purchase: Purchase, error: Moderated | JobModerated) -> Any:
        """What the content rules refused: the receipt says what it cost; buy it again, fail or skip."""
        from airflow.sdk.exceptions import AirflowSkipException

        if self._may_repeat(purchase, error):
            return self._carry_out(context, purchase, purchase.buy_again())
        if self.on_moderated == "skip":
            raise AirflowSkipException(str(error)) from error
        raise error

    def _may_repeat(self, purchase: Purchase, error: Moderated | JobModerated) -> bool:
        """Whether a withheld result is bought again; the log says so, with the price, before it is."""
        from airflow_provider_grok.api.prices import usd
        from airflow_provider_grok.operators.delivery import was_generated

        allowed = self._repeats_allowed()
        if not allowed or not was_generated(error):
            return False
        # The ledger counts them, so that neither a deferral nor a retry of the task begins anew.
        attempts = purchase.record.attempts
        withheld = max(sum(one.moderated for one in attempts), 1)
        if withheld > allowed:
            self.log.warning("The result was withheld %d times: moderation_retries=%d is used up.", withheld, allowed)
            return False
        estimate = attempts[-1].estimate if attempts else None
        price = "an unknown price" if estimate is None else f"about {usd(estimate):.4f} USD"
        paid = f", billed {usd(error.ticks):.4f} USD" if error.ticks else ""
        self.log.warning(
            "The content rules withheld what was generated (%s%s). on_moderated='retry': buying it again for %s, "
            "repeat %d of %d.",
            *(error.message.rstrip(". "), paid, price, withheld, allowed),
        )
        return True
