"""Buttons in the Airflow UI: the public link of a result, and the console's page of what a task made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class GrokPublicLink(BaseOperatorLink):
    """Open the public link of what the task made or shared; the first of several."""

    name = "Open result"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """The link; an empty string where the task made none.

        :param operator: the operator.
        :param ti_key: the task instance.
        """
        from airflow.sdk.execution_time.xcom import XCom

        # Airflow logs an error for every XCom that is asked for and not there.
        if getattr(operator, "share", True) is False:
            return ""
        found = XCom.get_value(ti_key=ti_key, key="public_url")
        if isinstance(found, list):
            found = next((url for url in found if url), None)
        return str(found or "")


class GrokConsoleLink(BaseOperatorLink):
    """Open the team's page in the xAI console, where batches and keys are listed."""

    name = "xAI console"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """The console's address, which is the same for every task.

        :param operator: the operator.
        :param ti_key: the task instance.
        """
        return "https://console.x.ai"
