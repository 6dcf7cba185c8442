"""Tasks that die, by SIGKILL, at a point that their run's conf names: `{"case", "point", "marks", ...}`.

The package knows nothing of it: the points of death are planted here, in the task's own process, around the functions
that matter. A mark in the folder `marks` says that a run has died, so that it dies once; with the point `twice` its
first two tries die, each at a step whose number `steps` gives.
"""

from __future__ import annotations

import asyncio
import datetime
import importlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_grok.operators.batches import GrokBatchOperator, GrokPersistOperator, generate_image
from airflow_provider_grok.operators.files import GrokUploadOperator
from airflow_provider_grok.operators.images import GrokImagineEditOperator, GrokImagineGenerateOperator
from airflow_provider_grok.operators.videos import GrokImagineVideoOperator

PROVIDER = "airflow_provider_grok"
BATCH_SIZE = 5
CASE = "{{ dag_run.conf['case'] }}"


@dataclass(frozen=True)
class Death:
    """One point of death.

    :param where: `module:class` below the package
    :param method: whose call is deadly
    :param when: whether these arguments, `self` first, are the ones; all by default
    :param after: die when the call has returned, not before it begins
    :param worker: take the executor's worker along, so that nobody is left to report the death
    """

    where: str
    method: str
    when: Callable[..., bool] = lambda *_, **__: True
    after: bool = False
    worker: bool = False

    def plant(self, die: Callable[[], None]) -> None:
        """Wrap the method."""
        module, _, name = self.where.partition(":")
        owner = getattr(importlib.import_module(f"{PROVIDER}.{module}"), name)
        original = getattr(owner, self.method)

        def mortal(*args: Any, **kwargs: Any) -> Any:
            if not self.after and self.when(*args, **kwargs):
                die()
            value = original(*args, **kwargs)
            if self.after and self.when(*args, **kwargs):
                die()
            return value

        setattr(owner, self.method, mortal)


def _phase(phase: str, *, after: bool, worker: bool = False) -> Death:
    """Die around the writing of a purchase's record."""
    when = lambda store, ledger: ledger.current.last and ledger.current.last.state == phase  # noqa: E731
    return Death("flows.purchases.store:LedgerStore", "write", when, after, worker)


def _batch_phase(phase: str, *, after: bool) -> Death:
    """Die around the writing of a batch's record."""
    when = lambda purchase, record: record.phase == phase  # noqa: E731
    return Death("flows.batches.purchase:BatchPurchase", "_save", when, after)


def _posted(ending: str) -> Callable[..., bool]:
    """Whether an exchange with the API is a POST to a path, but for a manifest."""

    def when(intake: Any, *_: Any) -> bool:
        call = intake.call
        manifest = call.upload and ".manifest." in call.upload.filename
        return call.method == "POST" and call.path.endswith(ending) and not manifest

    return when


def _manifest(intake: Any, *_: Any) -> bool:
    return bool(intake.call.upload and ".manifest." in intake.call.upload.filename)


def _paid(intake: Any, *_: Any) -> bool:
    return bool(intake.call.paid)


# `body` is called when the answer's headers are there, so the work is done; `answer` when all of it has been read.
_unread = partial(Death, "api.response:ResponseReader", "body")
_read = partial(Death, "api.response:ResponseReader", "answer", after=True)
_PURCHASE = {
    "before-intent": _phase("intended", after=False),
    "intended": _phase("intended", after=True),
    "id-recorded": _phase("submitted", after=True),
    "before-done": _phase("done", after=False),
    "done": _phase("done", after=True),
}
_MAKE = _PURCHASE | {
    "answer-unread": _unread(_paid),
    "answer-read": _read(_paid),
    "worker-too": _phase("submitted", after=True, worker=True),
    "event-seen": Death("operators.make:GrokMakeOperator", "execute_complete"),
}
_BATCH = {
    "before-intent": _batch_phase("intended", after=False),
    "intended": _batch_phase("intended", after=True),
    "id-recorded": _batch_phase("submitted", after=True),
    "before-done": _batch_phase("done", after=False),
    "done": _batch_phase("done", after=True),
    "answer-unread": _unread(_posted("/batches")),
    "answer-read": _read(_posted("/batches")),
    "requests-unread": _unread(_posted("/requests")),
    "half-added": _read(_posted("/requests")),
}
_PERSIST = {
    "before-copying": Death("flows.batches.results:BatchResultStore", "_keep_all"),
    "copy-unread": _unread(_posted("/files")),
    "copy-read": _read(_posted("/files")),
    "copies-recorded": Death(
        "flows.batches.persist:Persisting", "_remember", lambda it, **_: bool(it.rows), after=True
    ),
    "event-seen": Death("operators.batches:GrokPersistOperator", "execute_complete"),
    "manifest-unread": _unread(_manifest),
    "done": Death("flows.batches.persist:Persisting", "conclude", after=True),
}
_UPLOAD = {
    "before-sending": Death("api.response:ResponseReader", "request", _posted("/files")),
    "answer-unread": _unread(_posted("/files")),
    "answer-read": _read(_posted("/files")),
    "done": Death("operators.base:GrokOperator", "push", after=True),
}
DEATHS = dict.fromkeys(("edit", "generate", "video", "hook"), _MAKE) | {
    "batch": _BATCH,
    "parts": _BATCH,
    "persist": _PERSIST,
    "upload": _UPLOAD,
}


#: What counts as a step: every exchange with the API, in three parts, and every record, before and after.
_STEPS = [
    *(Death("api.response:ResponseReader", method) for method in ("request", "body")),
    Death("api.response:ResponseReader", "answer", after=True),
    *(Death("flows.purchases.store:LedgerStore", "write", after=after) for after in (False, True)),
    *(Death("flows.batches.purchase:BatchPurchase", "_save", after=after) for after in (False, True)),
    Death("flows.batches.persist:Persisting", "_remember", after=True),
]
#: Every task gets here in the end, so no try is spared.
_LAST_STEP = Death("operators.base:GrokOperator", "push", after=True)


def doomed(kind: str) -> Callable[[Any], None]:
    """The `pre_execute` of a task that is to die where its run's conf says."""

    def plant(context: Any) -> None:
        if kind in ("batch", "parts"):
            _add_by_twos()
        conf = context["dag_run"].conf
        mark = Path(conf["marks"]) / conf["case"]
        if conf["point"] == "twice":
            _plant_steps(conf["steps"], mark)
        elif conf["point"] in DEATHS[kind]:
            death = DEATHS[kind][conf["point"]]
            death.plant(partial(_die, mark, death.worker))

    return plant


def _plant_steps(steps: list[int], mark: Path) -> None:
    marks = [mark, mark.with_name(f"{mark.name}-again")]
    for step, own in zip(steps, marks, strict=True):
        if not own.exists():
            _plant_step(step, partial(_die, own))
            return


def _plant_step(step: int, die: Callable[[], None]) -> None:
    left = iter(range(step, 1, -1))
    for death in _STEPS:
        death.plant(lambda: None if next(left, None) else die())
    _LAST_STEP.plant(die)


def _add_by_twos() -> None:
    """Let a batch take several calls to fill."""
    from airflow_provider_grok.api import batch_requests

    batch_requests.chunks = partial(batch_requests.chunks, max_count=2)


def _die(mark: Path, worker: bool = False) -> None:
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return
    if worker:
        os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _requests() -> list[dict[str, Any]]:
    return [generate_image(f"{CASE}-{n}", prompt=f"view {n} of {CASE}") for n in range(BATCH_SIZE)]


async def buy_two(**context: Any) -> list[str]:
    """Buy two pictures side by side, with the hook."""
    from airflow_provider_grok.api import images
    from airflow_provider_grok.api.request_fields import GENERATE_IMAGE
    from airflow_provider_grok.hooks.grok import GrokHook

    case, hook = context["dag_run"].conf["case"], GrokHook()
    prompts = [f"{case}, {side} side" for side in ("sunny", "shady")]
    bodies = [images.generation_body(prompt=prompt, model=GENERATE_IMAGE.model, resolution="1k") for prompt in prompts]
    bought = await asyncio.gather(*(hook.abuy(images.generate(body), filename=f"{case}.jpg") for body in bodies))
    return [file_id for one in bought for file_id in one.file_ids]


def _work(kind: str, **more: Any) -> None:
    """The task that dies."""
    common: dict[str, Any] = {"task_id": "work", "pre_execute": doomed(kind), **more}
    # What is to be seen of a deferrable task is its deferral.
    at_once = {"defer_after": 0} if more.get("deferrable") else {}
    picture: dict[str, Any] = {"prompt": CASE, "filename": f"{CASE}.jpg", **at_once, **common}
    if kind == "edit":
        GrokImagineEditOperator(image="{{ dag_run.conf['image'] }}", **picture)
    elif kind == "generate":
        GrokImagineGenerateOperator(n=2, **picture)
    elif kind == "video":
        GrokImagineVideoOperator(duration=1, **(picture | {"filename": f"{CASE}.mp4"}))
    elif kind == "hook":
        task(**common)(buy_two)()
    elif kind == "batch":
        GrokBatchOperator(requests=_requests(), name=CASE, **common)
    elif kind == "parts":
        first = GrokBatchOperator(task_id="first", requests=_requests()[:3], name=CASE, reuse="always")
        _ = first >> GrokBatchOperator(requests=_requests(), name=CASE, reuse="always", **common)
    elif kind == "upload":
        GrokUploadOperator(source="{{ dag_run.conf['source'] }}", **common)
    else:
        batch = GrokBatchOperator(task_id="batch", requests=_requests(), name=CASE, grok_conn_id="grok_copies")
        # Ahead of other runs' batches, so that it begins before its own is over.
        batch_id = "{{ ti.xcom_pull('batch') }}"
        _ = batch >> GrokPersistOperator(batch_id=batch_id, grok_conn_id="grok_copies", priority_weight=100, **common)


# Few runs of each at a time, or jobs would end before their tasks get a slot again.
LIMITS: dict[str, Any] = {"schedule": None, "max_active_runs": 2}
ARGUMENTS = {"retries": 3, "retry_delay": datetime.timedelta(seconds=1)}

for kind in DEATHS:
    with DAG(f"crash_{kind}", default_args=ARGUMENTS, **LIMITS):
        _work(kind)
    if kind not in ("hook", "batch", "parts", "upload"):
        with DAG(f"crash_{kind}_deferrable", default_args=ARGUMENTS, **LIMITS):
            _work(kind, deferrable=True)
