"""Pictures come from hosts that the settings name, never from one that a receipt names."""

from __future__ import annotations

import pytest

from airflow_provider_grok.ui.media import CDN, MediaHosts, host_of, kind_of

HOSTS = MediaHosts.of("cdn.example.com, http://127.0.0.1:8642")


@pytest.mark.parametrize(
    "url",
    [
        "https://files-cdn.x.ai/token/file_1.png",
        "https://FILES-CDN.x.ai/a.mp4?x=1#t",
        "https://cdn.example.com/a.png",
        "http://127.0.0.1:8642/f/a.png",
    ],
)
def test_a_named_host_is_allowed(url: str) -> None:
    assert HOSTS.allow(url)


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "a.png",
        "//files-cdn.x.ai/a.png",
        "http://files-cdn.x.ai/a.png",
        "https://files-cdn.x.ai.evil.test/a.png",
        "https://files-cdn.x.ai@evil.test/a.png",
        "https://user:pw@files-cdn.x.ai/a.png",
        "https://evil.test/files-cdn.x.ai",
        "https://files-cdn.x.ai:444/a.png",
        "https://files-cdn.x.ai\\@evil.test/a.png",
        "https://files-cdn.x.ai/a.png\nx",
        'https://files-cdn.x.ai/"onerror=x',
        "javascript:alert(1)//https://files-cdn.x.ai/",
        "data:image/png;base64,AA==",
        " https://files-cdn.x.ai/a.png",
        "https://127.0.0.1:8642/f/a.png",
        "https://files-cdn\u3002x.ai/a.png",
    ],
)
def test_everything_else_is_not(url: str | None) -> None:
    assert not HOSTS.allow(url)


def test_what_is_no_host_is_left_out_with_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    bad = "*; script-src; * cdn.example.com'unsafe-inline' https://good.test/path good.test"
    hosts = MediaHosts.of(bad)
    assert hosts.origins == (CDN, "https://good.test")
    assert "gallery_media_hosts" in caplog.text


def test_the_policy_names_the_hosts_and_nothing_else() -> None:
    policy = HOSTS.policy()
    media = "'self' https://files-cdn.x.ai https://cdn.example.com http://127.0.0.1:8642"
    assert f"img-src {media};" in policy
    assert f"media-src {media};" in policy
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; ")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.PNG", "image"), ("https://h/x.mp4?a=.png", "video"), ("a.svg", "file"), ("a.html", "file"), ("png", "image")],
)
def test_a_kind_is_told_by_the_ending(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_a_foreign_host_is_named_as_text() -> None:
    assert host_of("https://evil.test/a.png") == "evil.test"
    assert host_of("javascript:alert(1)") == "no web address"
