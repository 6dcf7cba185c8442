"""Airflow's real API server on a socket of 127.0.0.1, in a thread of the test's process, with the plugin mounted."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn


class ApiServer:
    """The running server, and its users' tokens.

    :param url: its address.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def token(self, user: Any) -> str:
        """A token as a login gives it.

        :param user: a user of the auth manager in use.
        """
        from airflow.api_fastapi.app import get_auth_manager

        return str(get_auth_manager().generate_jwt(user))

    def client(self, token: str | None = None, *, cookie: bool = False) -> httpx.Client:
        """A client, signed in where there is a token.

        :param token: the token.
        :param cookie: send it as the browser does.
        """
        headers = {"Authorization": f"Bearer {token}"} if token and not cookie else {}
        cookies = {"_token": token} if token and cookie else {}
        return httpx.Client(base_url=self.url, headers=headers, cookies=cookies, trust_env=False, timeout=60)


@contextmanager
def api_server(settings: Mapping[str, str]) -> Iterator[ApiServer]:
    """Run the server with some settings.

    :param settings: environment variables.
    """
    from airflow.api_fastapi.app import create_app, purge_cached_app

    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        _forget_plugin_app()
        purge_cached_app()
        server = uvicorn.Server(uvicorn.Config(create_app("core"), host="127.0.0.1", port=0, log_level="warning"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive(), "the API server did not start"
                time.sleep(0.01)
            port = server.servers[0].sockets[0].getsockname()[1]
            yield ApiServer(f"http://127.0.0.1:{port}")
        finally:
            server.should_exit = True
            thread.join(20)
            purge_cached_app()


def _forget_plugin_app() -> None:
    """The plugin builds its app once per process, with the settings of then."""
    from airflow_provider_grok.ui.plugin import GrokPlugin

    for entry in GrokPlugin.fastapi_apps:
        entry["app"]._app = None
