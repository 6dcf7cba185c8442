"""Errands: one task each, with the endpoint that a mishap befalls, and what the task must have come to in the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_grok.operators.batches import (
    GrokBatchCancelOperator,
    GrokBatchOperator,
    GrokPersistOperator,
    generate_image,
)
from airflow_provider_grok.operators.files import (
    GrokDeleteOperator,
    GrokDownloadOperator,
    GrokShareOperator,
    GrokUnshareOperator,
    GrokUploadOperator,
)
from airflow_provider_grok.operators.images import GrokImagineEditOperator, GrokImagineGenerateOperator
from airflow_provider_grok.operators.videos import (
    GrokImagineVideoEditOperator,
    GrokImagineVideoExtendOperator,
    GrokImagineVideoOperator,
)
from airflow_provider_grok.sandbox.server import Sandbox
from airflow_provider_grok.sensors.batches import GrokBatchSensor
from airflow_provider_grok.sensors.files import GrokFileSensor
from tests.airflow_task import TaskRun, picture

ROWS = [generate_image(f"row-{number}", prompt=f"cup {number}", model="grok-imagine-image") for number in range(3)]


@dataclass(frozen=True)
class World:
    """What an errand finds around it.

    :param sandbox: the server.
    :param store: puts a picture into it, and returns its id.
    :param folder: an empty folder.
    """

    sandbox: Sandbox
    store: Callable[..., str]
    folder: Path

    def photo(self) -> str:
        """A picture on the disk."""
        return str(picture(self.folder / "photo.png"))

    def film(self) -> str:
        """A stored video of two seconds; filmed once, for that takes long."""
        if not _film:
            film = TaskRun(GrokImagineVideoOperator, task_id="film", prompt="waves", duration=2)
            _film.append(self.read(str(film.execute())))
            self.sandbox.backend.reset()
            self.sandbox.clock.rate = 0
        path = self.folder / "film.mp4"
        path.write_bytes(_film[0])
        return str(TaskRun(GrokUploadOperator, task_id="film", source=str(path)).execute())

    def read(self, file_id: str) -> bytes:
        """A stored file's bytes."""
        target = str(self.folder / "read")
        return Path(TaskRun(GrokDownloadOperator, file=file_id, destination=target).execute()).read_bytes()

    def batch(self) -> str:
        """A batch that is over."""
        batch_id = str(TaskRun(GrokBatchOperator, task_id="batch", requests=ROWS).execute())
        self.sandbox.clock.advance(60)
        return batch_id


@dataclass(frozen=True)
class Errand:
    """A task, and the request of it that something befalls.

    :param operator: of the task.
    :param method: of the request.
    :param path: glob of the request's path.
    :param arguments: makes the operator's arguments out of the world.
    :param lead: orders of faults that lead the task to the request.
    """

    operator: type[Any]
    method: str
    path: str
    arguments: Callable[[World], dict[str, Any]]
    lead: tuple[dict[str, Any], ...] = ()

    @property
    def thorough(self) -> bool:
        """Whether the request costs money, or makes what does."""
        return self.method == "POST" and self.path.startswith(("/v1/images/gen", BATCHES))

    def task(self, world: World) -> TaskRun:
        """The task, not yet run."""
        run = TaskRun(self.operator, task_id="task", **self.arguments(world))
        for order in self.lead:
            world.sandbox.faults.add(order)
        return run


def _edit(world: World) -> dict[str, Any]:
    return {"prompt": "in snow", "image": world.store(), "share": True}


def _generate(world: World) -> dict[str, Any]:
    return {"prompt": "a red bicycle", "n": 2}


def _waves(_: World) -> dict[str, Any]:
    return {"prompt": "waves", "duration": 1}


def _clip(world: World) -> dict[str, Any]:
    return {"prompt": "slower", "video": world.film()}


def _file(world: World) -> dict[str, Any]:
    return {"file": world.store()}


def _download(world: World) -> dict[str, Any]:
    return {"file": world.store(), "destination": f"{world.folder}/out/"}


def _persist(world: World) -> dict[str, Any]:
    return {"batch_id": world.batch()}


def _unstored(world: World) -> dict[str, Any]:
    world.sandbox.faults.add({"path": "/v1/images/generations", "action": {"storage_error": True}})
    return {"prompt": "a red bicycle"}


_film: list[bytes] = []
LOST_BATCH = {"method": "POST", "path": "/v1/batches", "action": {"drop": "after"}}
LOST_ADD = {"method": "POST", "path": "/v1/batches/*/requests", "action": {"drop": "after"}}

IMAGES, VIDEOS, FILES, BATCHES = "/v1/images/*", "/v1/videos/*", "/v1/files", "/v1/batches"
ERRANDS = {
    "upload": Errand(GrokUploadOperator, "POST", FILES, lambda world: {"source": world.photo()}),
    "list-files": Errand(GrokUploadOperator, "GET", FILES, lambda world: {"source": world.photo()}),
    "models": Errand(GrokImagineEditOperator, "GET", "/v1/image-generation-models", _edit),
    "edit": Errand(GrokImagineEditOperator, "POST", "/v1/images/edits", _edit),
    "generate": Errand(GrokImagineGenerateOperator, "POST", "/v1/images/generations", _generate),
    "poll-image": Errand(GrokImagineGenerateOperator, "GET", IMAGES, _generate),
    "video": Errand(GrokImagineVideoOperator, "POST", "/v1/videos/generations", _waves),
    "edit-video": Errand(GrokImagineVideoEditOperator, "POST", "/v1/videos/edits", _clip),
    "extend-video": Errand(GrokImagineVideoExtendOperator, "POST", "/v1/videos/extensions", _clip),
    "poll-video": Errand(GrokImagineVideoOperator, "GET", VIDEOS, _waves),
    "rescue-link": Errand(GrokImagineGenerateOperator, "GET", "/imgen/*", _unstored),
    "rescue-upload": Errand(GrokImagineGenerateOperator, "POST", FILES, _unstored),
    "get-file": Errand(GrokShareOperator, "GET", f"{FILES}/*", _file),
    "share": Errand(GrokShareOperator, "POST", f"{FILES}/*/public-url", _file),
    "revoke": Errand(GrokUnshareOperator, "POST", f"{FILES}/*/revoke", _file),
    "delete": Errand(GrokDeleteOperator, "DELETE", f"{FILES}/*", _file),
    "content": Errand(GrokDownloadOperator, "GET", f"{FILES}/*/content", _download),
    "await-file": Errand(GrokFileSensor, "GET", FILES, lambda world: {"filename": world.store() and "hero.png"}),
    "make-batch": Errand(GrokBatchOperator, "POST", BATCHES, lambda _: {"requests": ROWS}),
    "list-batches": Errand(GrokBatchOperator, "GET", BATCHES, lambda _: {"requests": ROWS}, (LOST_BATCH,)),
    "add-requests": Errand(GrokBatchOperator, "POST", f"{BATCHES}/*/requests", lambda _: {"requests": ROWS}),
    "list-requests": Errand(
        GrokBatchOperator, "GET", f"{BATCHES}/*/requests", lambda _: {"requests": ROWS}, (LOST_ADD,)
    ),
    "get-batch": Errand(GrokPersistOperator, "GET", f"{BATCHES}/*[!s]", _persist),
    "results": Errand(GrokPersistOperator, "GET", f"{BATCHES}/*/results", _persist),
    "order-of-results": Errand(GrokPersistOperator, "GET", f"{BATCHES}/*/requests", _persist),
    "manifest": Errand(GrokPersistOperator, "POST", FILES, _persist),
    "cancel": Errand(GrokBatchCancelOperator, "POST", f"{BATCHES}/*:cancel", _persist),
    "await-batch": Errand(GrokBatchSensor, "GET", f"{BATCHES}/*[!s]", _persist),
}
