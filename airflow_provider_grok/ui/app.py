"""The plugin's app: routes, headers that every answer has, and errors in words."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException

from airflow_provider_grok.ui.media import MediaHosts
from airflow_provider_grok.ui.pages import router
from airflow_provider_grok.ui.paths import Paths
from airflow_provider_grok.ui.plugin import PREFIX
from airflow_provider_grok.ui.templating import render

_WORDS = {
    401: "You are not signed in to Airflow. Load the whole page again.",
    403: "You may not read the XCom of this DAG. Ask for the right to read it.",
    404: "There is nothing here.",
}


def build() -> FastAPI:
    """Make the app; Airflow's own routes, middlewares and rights lie outside of it."""
    app = FastAPI(title="Grok gallery and spend", openapi_url=None, docs_url=None, redoc_url=None)
    app.include_router(router)
    app.add_exception_handler(HTTPException, _refusal)
    app.add_middleware(SafeHeaders, policy=MediaHosts.of_airflow().policy())
    return app


class SafeHeaders:
    """Adds what keeps a page from loading or doing anything that it should not.

    :param app: the app.
    :param policy: the Content-Security-Policy.
    """

    def __init__(self, app: Any, policy: str) -> None:
        self._app = app
        self._headers = {
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "SAMEORIGIN",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
        }

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request.

        :param scope: ASGI scope.
        :param receive: ASGI receive.
        :param send: ASGI send.
        """

        async def send_safely(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(self._headers)
                headers.setdefault("Cache-Control", _keeping(scope["path"], message["status"]))
            await send(message)

        await self._app(scope, receive, send_safely)


def _keeping(path: str, status: int) -> str:
    """How long a browser may keep an answer: previews are billed, scripts change with the package.

    :param path: of the request, with or without the path that Airflow lives at.
    :param status: of the answer.
    """
    if status not in (200, 206, 304):
        return "no-store"
    section = path.partition(f"{PREFIX}/")[2].partition("/")[0]
    return {"previews": "private, max-age=3600", "static": "private, max-age=300"}.get(section, "private, no-store")


async def _refusal(request: Request, error: Exception) -> Response:
    """A page for people, JSON for programs."""
    status, detail = getattr(error, "status_code", 500), str(getattr(error, "detail", ""))
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"detail": detail}, status)
    paths = Paths(request.scope.get("root_path", ""))
    return HTMLResponse(render("error.html", paths=paths, status=status, words=_WORDS.get(status, detail)), status)
