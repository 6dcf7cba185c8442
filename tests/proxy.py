"""A disturbing proxy between the client and the sandbox: a server whose answers lag, lose or change something."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import connect

#: Changes an answer: gets status and JSON body of the sandbox's own, returns what is answered instead.
Change = Callable[[int, Any], tuple[int, Any]]
#: Changes a request's JSON body before it is passed on.
ChangeRequest = Callable[[Any], Any]


class Proxy:
    """Forwards to a sandbox; rules change what is said of some paths.

    :param target: the sandbox's base URL, without `/v1`.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self.answers: list[tuple[str, str, Change]] = []
        self.requests: list[tuple[str, str, ChangeRequest]] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, method: str, path: str, change: Change) -> None:
        """Change the answers to a method and a path (a glob)."""
        self.answers.append((method, path, change))

    def request(self, method: str, path: str, change: ChangeRequest) -> None:
        """Change the JSON bodies of requests before they are passed on."""
        self.requests.append((method, path, change))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                path = self.path.partition("?")[0]
                for method, glob, change in proxy.requests:
                    if method == self.command and fnmatchcase(path, glob):
                        body = json.dumps(change(json.loads(body))).encode()
                kept = {
                    name: value
                    for name, value in self.headers.items()
                    # The host stays, so that links in answers lead through here too.
                    if name.lower() not in ("content-length", "connection", "accept-encoding")
                }
                try:
                    got = httpx.request(self.command, proxy.target + self.path, headers=kept, content=body, timeout=30)
                except httpx.HTTPError:
                    # The sandbox hung up, so the client is hung up on.
                    self.close_connection = True
                    return
                status, content = got.status_code, got.content
                for method, glob, change_answer in proxy.answers:
                    if method == self.command and fnmatchcase(path, glob):
                        status, document = change_answer(status, json.loads(content))
                        content = json.dumps(document).encode()
                self.send_response(status)
                for name, value in got.headers.items():
                    if name.lower() in ("content-type", "date", "x-request-id"):
                        self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = _pass

            def log_message(self, *args: Any) -> None:
                """Be quiet."""

        return Handler


@pytest.fixture
def proxy(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy before the sandbox, which `grok_default` leads through."""
    made = Proxy(sandbox.url.removesuffix("/v1"))
    connect(monkeypatch, None, host=made.url, password=sandbox.api_key)
    yield made
    made.server.shutdown()
    made.server.server_close()
