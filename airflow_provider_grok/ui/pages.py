"""The plugin's routes: all of them GET, each asking Airflow whether its reader may read that DAG's XCom."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import anyio
from airflow.api_fastapi.core_api.security import get_user
from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, Response

from airflow_provider_grok.ui import gallery, spend_page, xcoms
from airflow_provider_grok.ui.paths import Paths
from airflow_provider_grok.ui.permissions import DAG_READER, SIGNED_IN, may_read_task_instances, readable_dags
from airflow_provider_grok.ui.previews import NoPreview, Previews
from airflow_provider_grok.ui.receipts import Place
from airflow_provider_grok.ui.templating import render
from airflow_provider_grok.ui.view import Reader, View

router = APIRouter()
router.include_router(spend_page.router)
User = Annotated[Any, Depends(get_user)]
STATIC = Path(__file__).parent / "static"
#: Runs on the first page, and results of each; runs on the page of a DAG, and receipts of each.
LATEST_RUNS, RESULTS_EACH = 20, 12
DAG_RUNS, RECEIPTS_EACH = 10, 500
#: Previews that are fetched or sent at a time: the API server has other things to do.
_previewing = anyio.CapacityLimiter(4)
_previews = Previews()


class Wanted:
    """The filter and the part of a page, from the query.

    :param state: a key of `gallery.STATES`.
    :param q: words to look for.
    :param task: a task id.
    :param start: the first card.
    :param part: only cards, to be put behind those that are there.
    """

    def __init__(
        self,
        state: Annotated[str, Query(max_length=40)] = "",
        q: Annotated[str, Query(max_length=500)] = "",
        task: Annotated[str, Query(max_length=300)] = "",
        start: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
        part: bool = False,
    ) -> None:
        self.filter = gallery.Filter(state if state in gallery.STATES else "", q.strip(), task)
        self.start = start
        self.part = part

    @property
    def query(self) -> dict[str, object]:
        """The filter as parameters."""
        return {"state": self.filter.state, "q": self.filter.words, "task": self.filter.task}


def reader_of(request: Request) -> Reader:
    """What a request reads with.

    :param request: the request.
    """
    return Reader(Paths(request.scope.get("root_path", "")), _previews)


@router.get("/gallery", dependencies=SIGNED_IN)
def latest(request: Request, user: User) -> HTMLResponse:
    """The latest runs of all DAGs whose XCom the reader may read."""
    reader, paths = reader_of(request), Paths(request.scope.get("root_path", ""))
    dags = readable_dags(xcoms.dags_with_receipts(), user)
    runs = xcoms.latest_runs(dags, limit=LATEST_RUNS)
    rows = xcoms.newest_receipts_of_runs(runs, each=RESULTS_EACH)
    shown = []
    for run in runs:
        mine = [row for row in rows if (row.dag_id, row.run_id) == (run.dag_id, run.run_id)]
        shown.append((run, mine))
    views = _latest_views(reader, shown)
    return HTMLResponse(render("latest.html", paths=paths, runs=views, here="gallery"))


def _latest_views(reader: Reader, runs: Sequence[tuple[xcoms.Run, Sequence[xcoms.Row]]]) -> list[dict[str, Any]]:
    from airflow_provider_grok.ui import receipts

    read = [(run, receipts.read(rows)) for run, rows in runs]
    batches, _ = reader.batches([one for _, several in read for one in several], manifests=False)
    return [
        {
            "run": run,
            "cards": (cards := reader.cards(several, batches))[:RESULTS_EACH],
            "more": len(cards) > RESULTS_EACH,
        }
        for run, several in read
    ]


@router.get("/gallery/dags/{dag_id}", dependencies=DAG_READER)
def of_dag(request: Request, dag_id: str, user: User, wanted: Annotated[Wanted, Depends()]) -> HTMLResponse:
    """The newest runs of a DAG."""
    runs = xcoms.latest_runs([dag_id], limit=DAG_RUNS)
    rows = xcoms.newest_receipts_of_runs(runs, each=RECEIPTS_EACH)
    # Run after run, the newest first.
    place = {run.run_id: number for number, run in enumerate(runs)}
    rows.sort(key=lambda row: place[row.run_id])
    note = f"The newest {DAG_RUNS} runs with results, and the newest {RECEIPTS_EACH} tasks of each."
    return _page(request, wanted, rows, user, Place(dag_id, "", ""), note)


@router.get("/gallery/dags/{dag_id}/run/{run_id:path}", dependencies=DAG_READER)
def of_run(
    request: Request, dag_id: str, run_id: str, user: User, wanted: Annotated[Wanted, Depends()]
) -> HTMLResponse:
    """A run of a DAG."""
    return _page(request, wanted, xcoms.receipts(dag_id, run_id), user, Place(dag_id, run_id, ""))


@router.get("/gallery/dags/{dag_id}/task/{task_id}/{map_index}/run/{run_id:path}", dependencies=DAG_READER)
def of_task(
    request: Request,
    dag_id: str,
    task_id: str,
    map_index: str,
    run_id: str,
    user: User,
    wanted: Annotated[Wanted, Depends()],
) -> HTMLResponse:
    """A task instance, with what the others of its run tell of its sources and links."""
    index = _index(map_index)
    rows = xcoms.receipts(dag_id, run_id)
    return _page(request, wanted, rows, user, Place(dag_id, run_id, task_id, index))


def _index(map_index: str) -> int:
    """The map index; Airflow leaves its placeholder as it is where a task is not mapped."""
    try:
        return max(int(map_index), -1)
    except ValueError:
        return -1


def _page(
    request: Request, wanted: Wanted, rows: Sequence[xcoms.Row], user: Any, place: Place, note: str = ""
) -> HTMLResponse:
    paths = Paths(request.scope.get("root_path", ""))
    labels = may_read_task_instances(place.dag_id, user)
    view = reader_of(request).view(rows, wanted.filter, labels=labels, only=place if place.task_id else None)
    # Not the request's own path: a proxy may have taken off what Airflow lives below.
    here = paths.gallery(place)
    return HTMLResponse(
        render(
            "cards.html" if wanted.part else "gallery.html",
            paths=paths,
            view=view,
            place=place,
            note=note,
            wanted=wanted.filter,
            states=gallery.STATES,
            cards=view.cards[wanted.start : wanted.start + gallery.PAGE],
            start=wanted.start,
            more=_more(paths, here, wanted, view),
            clear=here,
            now=time.time(),
            here="gallery",
        )
    )


def _more(paths: Paths, here: str, wanted: Wanted, view: View) -> str:
    following = wanted.start + gallery.PAGE
    return paths.with_query(here, wanted.query, start=following, part=1) if following < len(view.cards) else ""


@router.get(
    "/previews/dags/{dag_id}/files/{file_id}/task/{task_id}/{map_index}/run/{run_id:path}", dependencies=DAG_READER
)
async def preview(
    request: Request, dag_id: str, file_id: str, task_id: str, map_index: str, run_id: str
) -> FileResponse:
    """A stored file that an XCom of the task instance names, where the settings allow previews."""
    place = Place(dag_id, run_id, task_id, _index(map_index))

    def fetch() -> FileResponse:
        found = _previews.get(reader_of(request).preview_connection(place, file_id), file_id)
        return FileResponse(found.path, media_type=found.content_type, content_disposition_type="inline")

    try:
        return await anyio.to_thread.run_sync(fetch, limiter=_previewing)
    except NoPreview as error:
        raise HTTPException(404, str(error)) from None


@router.get("/static/{name}", dependencies=SIGNED_IN)
def static(name: str) -> Response:
    """Scripts, styles and icons of the pages."""
    found = STATIC / name
    if name not in {one.name for one in STATIC.iterdir()}:
        raise HTTPException(404, "There is no such file.")
    return FileResponse(found)
