"""Who may see what: Airflow's own permission to read a DAG's XCom, asked on every route.

Two traps of Airflow 3.3: `requires_access_dag` looks only at a path parameter named exactly `dag_id` and takes `~` for
"any DAG"; and the list of DAGs that a user may read holds DAGs whose XCom is forbidden.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import get_user, requires_access_dag
from airflow.models.dag import DagModel
from fastapi import Depends, HTTPException

_read_xcom = requires_access_dag(method="GET", access_entity=DagAccessEntity.XCOM)


def _one_dag(dag_id: str, user: Annotated[Any, Depends(get_user)]) -> None:
    """Refuse Airflow's word for "all DAGs", for which nobody's rights would be asked.

    :param dag_id: from the path.
    :param user: who asks; a stranger is told so first.
    """
    if dag_id == "~":
        raise HTTPException(403, "Name one DAG: '~' is not taken here.")


#: What a route with `{dag_id}` in its path depends on.
DAG_READER = [Depends(_one_dag), Depends(_read_xcom)]
#: What every other route depends on.
SIGNED_IN = [Depends(get_user)]


def readable_dags(dag_ids: Iterable[str], user: Any) -> list[str]:
    """Those of some DAGs whose XCom a user may read, in order.

    :param dag_ids: the DAGs.
    :param user: who asks.
    """
    asked = [dag_id for dag_id in dict.fromkeys(dag_ids) if dag_id and dag_id != "~"]
    teams = DagModel.get_dag_id_to_team_name_mapping(asked) if asked else {}
    return [dag_id for dag_id in asked if _may(DagAccessEntity.XCOM, dag_id, teams.get(dag_id), user)]


def may_read_task_instances(dag_id: str, user: Any) -> bool:
    """Whether a user may read a DAG's task instances, of which map index labels are a part.

    :param dag_id: the DAG.
    :param user: who asks.
    """
    return _may(DagAccessEntity.TASK_INSTANCE, dag_id, DagModel.get_team_name(dag_id), user)


def _may(entity: DagAccessEntity, dag_id: str, team: str | None, user: Any) -> bool:
    details = DagDetails(id=dag_id, team_name=team)
    return bool(get_auth_manager().is_authorized_dag(method="GET", access_entity=entity, details=details, user=user))
