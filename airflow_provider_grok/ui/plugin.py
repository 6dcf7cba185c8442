"""The Airflow plugin: tabs and entries in the navigation, and an app that is built when it is first asked.

Every Airflow process imports this module at its start, so it imports neither FastAPI nor anything of ours.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PREFIX = "/grok"
_ICONS = {"icon": "grok/static/icon.svg", "icon_dark_mode": "grok/static/icon-dark.svg"}


class LazyApp:
    """An ASGI app that is built at its first request: an API server that nobody asks for pictures pays nothing."""

    def __init__(self) -> None:
        self._app: Any = None
        self._lock = threading.Lock()

    async def __call__(
        self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        """Answer a request.

        :param scope: ASGI scope.
        :param receive: ASGI receive.
        :param send: ASGI send.
        """
        await self._built()(scope, receive, send)

    def _built(self) -> Any:
        with self._lock:
            if self._app is None:
                from airflow_provider_grok.ui.app import build

                self._app = build()
            return self._app


def _view(name: str, destination: str, href: str, route: str) -> dict[str, Any]:
    # No slash in front: an absolute address is not found where Airflow lives below a path.
    return {"name": name, "destination": destination, "href": href, "url_route": route, **_ICONS}


class GrokPlugin(AirflowPlugin):
    """Gallery and spend inside Airflow's UI."""

    name = "grok"
    fastapi_apps = [{"app": LazyApp(), "url_prefix": PREFIX, "name": "Grok gallery and spend"}]
    external_views = [
        _view("Grok gallery", "nav", "grok/gallery", "grok-gallery"),
        _view("Grok spend", "nav", "grok/spend", "grok-spend"),
        _view("Gallery", "dag", "grok/gallery/dags/{DAG_ID}", "grok-gallery-dag"),
        _view("Gallery", "dag_run", "grok/gallery/dags/{DAG_ID}/run/{RUN_ID}", "grok-gallery-run"),
        _view(
            "Gallery",
            "task_instance",
            "grok/gallery/dags/{DAG_ID}/task/{TASK_ID}/{MAP_INDEX}/run/{RUN_ID}",
            "grok-gallery-task",
        ),
    ]
