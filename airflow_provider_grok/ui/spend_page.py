"""The routes of Spend: the table, its picture, and the table as a file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any

from airflow.api_fastapi.core_api.security import get_user
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response

from airflow_provider_grok.ui import receipts, spend, xcoms
from airflow_provider_grok.ui.paths import Paths
from airflow_provider_grok.ui.permissions import DAG_READER, SIGNED_IN, readable_dags
from airflow_provider_grok.ui.templating import render

router = APIRouter()
User = Annotated[Any, Depends(get_user)]
#: Rows that the page shows; the file has all.
MOST_ROWS = 500


class Asked:
    """What is to be summed, from the query.

    :param by: a key of `spend.DIMENSIONS`.
    :param days: how far to look back.
    """

    def __init__(self, by: Annotated[str, Query(max_length=40)] = "day", days: int = 30) -> None:
        self.by = by if by in spend.DIMENSIONS else "day"
        self.days = days if days in spend.SPANS else 30

    @property
    def query(self) -> dict[str, object]:
        """As parameters."""
        return {"by": self.by, "days": self.days}

    def rows(self, dag_ids: Sequence[str]) -> list[xcoms.Row]:
        """The receipts of some DAGs.

        :param dag_ids: DAGs whose XCom the reader may read.
        """
        since = datetime.now(timezone.utc) - timedelta(days=self.days)
        return xcoms.receipts_since(dag_ids, since, limit=spend.MOST_RECEIPTS)


Question = Annotated[Asked, Depends()]


@router.get("/spend", dependencies=SIGNED_IN)
def everywhere(request: Request, user: User, asked: Question) -> HTMLResponse:
    """Spend of all DAGs whose XCom the reader may read."""
    return _page(request, asked, asked.rows(_readable(user)), None)


@router.get("/spend.csv", dependencies=SIGNED_IN)
def everywhere_as_csv(user: User, asked: Question) -> Response:
    """The same as a file."""
    return _file(asked, asked.rows(_readable(user)))


@router.get("/spend/dags/{dag_id}", dependencies=DAG_READER)
def of_dag(request: Request, dag_id: str, asked: Question) -> HTMLResponse:
    """Spend of one DAG."""
    return _page(request, asked, asked.rows([dag_id]), dag_id)


@router.get("/spend/dags/{dag_id}/table.csv", dependencies=DAG_READER)
def of_dag_as_csv(dag_id: str, asked: Question) -> Response:
    """The same as a file."""
    return _file(asked, asked.rows([dag_id]))


def _readable(user: Any) -> list[str]:
    return readable_dags(xcoms.dags_with_receipts(), user)


def _page(request: Request, asked: Asked, rows: Sequence[xcoms.Row], dag_id: str | None) -> HTMLResponse:
    paths = Paths(request.scope.get("root_path", ""))
    read = receipts.read(rows)
    charges = spend.charges(read)
    sums = spend.totals(charges, asked.by)
    return HTMLResponse(
        render(
            "spend.html",
            paths=paths,
            asked=asked,
            dag_id=dag_id,
            dimensions=spend.DIMENSIONS,
            spans=spend.SPANS,
            total=spend.total(charges),
            sums=sums[:MOST_ROWS],
            left_out=max(len(sums) - MOST_ROWS, 0),
            bars=spend.bars(sums, asked.by),
            box=(spend.WIDTH, spend.HEIGHT),
            cut=len(rows) >= spend.MOST_RECEIPTS and spend.MOST_RECEIPTS,
            unreadable=sum(1 for one in read if one.problem),
            unrecorded=sum(1 for one in charges if one.receipt.billed is None),
            here="spend",
        )
    )


def _file(asked: Asked, rows: Sequence[xcoms.Row]) -> Response:
    sums = spend.totals(spend.charges(receipts.read(rows)), asked.by)
    name = f"grok-spend-by-{asked.by}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(spend.as_csv(sums, asked.by), media_type="text/csv; charset=utf-8", headers=headers)
