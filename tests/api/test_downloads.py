"""Downloads: which hosts are trusted, how redirects are followed, and what a dead link looks like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_grok.api import errors, files
from airflow_provider_grok.api.endpoint import Endpoint


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/a.png",
        "http://imgen.x.ai/a.png",
        "https://x.ai.evil.example/a.png",
        "https://imgen.x.ai@evil.example/a.png",
        "https://notx.ai/a.png",
        "file:///etc/passwd",
        "/etc/passwd",
        "",
    ],
)
def test_a_link_to_a_foreign_host_is_not_fetched(buy: Any, tmp_path: Path, url: str) -> None:
    with pytest.raises(errors.InvalidRequest, match="download_hosts"):
        buy(files.fetch(Endpoint(), url, tmp_path / "got"))
    assert not (tmp_path / "got").exists()


def test_hosts_of_xai_and_allowed_ones_are_trusted() -> None:
    endpoint = Endpoint(download_hosts=("cdn.example",))
    trusted = ["https://imgen.x.ai/a", "https://X.AI/a", "https://files-cdn.x.ai:443/a", "https://cdn.example/a"]
    assert all(map(endpoint.trusts, [*trusted, "https://api.x.ai/v1/files"]))


def test_a_redirect_is_followed_between_trusted_hosts_without_the_key(ask: Any, script: Any, tmp_path: Path) -> None:
    script.say(302, location="/v1/there")
    script.say(200, b"bytes")
    assert ask(files.fetch(ask.endpoint, f"{script.url}/here?sig=1", tmp_path / "got")).length == 5
    assert script.requests[1].startswith(b"GET /v1/there ")
    assert not any(b"authorization" in request.lower() for request in script.requests)


def test_a_redirect_to_a_foreign_host_is_refused(ask: Any, script: Any, tmp_path: Path) -> None:
    script.say(302, location="http://127.0.0.1:9/meta-data")
    with pytest.raises(errors.InvalidRequest, match="download_hosts"):
        ask(files.fetch(ask.endpoint, f"{script.url}/here", tmp_path / "got"))


def test_redirects_without_end_are_given_up(ask: Any, script: Any, tmp_path: Path) -> None:
    for _ in range(10):
        script.say(307, location="/v1/again")
    with pytest.raises(errors.InvalidRequest, match="more than 5 times"):
        ask(files.fetch(ask.endpoint, f"{script.url}/here", tmp_path / "got"))
    assert len(script.requests) == 6


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_dead_link_is_not_found_however_the_storage_says_so(
    ask: Any, script: Any, tmp_path: Path, status: int
) -> None:
    script.say(status, "<Error>AccessDenied</Error>")
    with pytest.raises(errors.NotFound):
        ask(files.fetch(ask.endpoint, f"{script.url}/dead", tmp_path / "got"))


def test_a_download_that_grows_over_its_limit_stops(ask: Any, script: Any, tmp_path: Path) -> None:
    for _ in range(5):
        script.answers.append(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + bytes(5000))
    with pytest.raises(errors.NotAnApiResponse, match="1000 are the most"):
        ask(files.fetch(ask.endpoint, f"{script.url}/a", tmp_path / "got", limit=1000))


def test_a_host_may_be_trusted_at_one_port_only() -> None:
    endpoint = Endpoint(download_hosts=("cdn.example:8443",))
    assert endpoint.trusts("https://cdn.example:8443/a.jpg")
    assert not endpoint.trusts("https://cdn.example/a.jpg")
    assert not endpoint.trusts("http://cdn.example:8443/a.jpg")
