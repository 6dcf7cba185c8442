"""Filters of the file list: an AIP-160 subset."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

import httpx
import pytest

from airflow_provider_grok.sandbox.server import Sandbox

Find = Callable[[str], list[str]]


@pytest.fixture
def find(sandbox: Sandbox, client: httpx.Client, upload: Callable[..., str]) -> Find:
    """Three files, and the names of those that a filter finds."""
    sandbox.clock.rate = 0
    upload("Hero.png", b"12345", "image/png", expires_after="7200")
    sandbox.clock.advance(100)
    upload("hero_2.jpg", b"123", "image/jpeg")
    sandbox.clock.advance(100)
    notes = upload("notes.txt", b"1", "text/plain")
    shared = client.get("/files", params={"filter": 'name = "hero_2.jpg"'}).json()["data"][0]["id"]
    assert client.post(f"/files/{shared}/public-url", json={"expires_after": 3600}).status_code == 200
    assert notes != shared

    def ask(text: str) -> list[str]:
        answer = client.get("/files", params={"filter": text, "order": "asc"})
        assert answer.status_code == 200, answer.text
        return [file["filename"] for file in answer.json()["data"]]

    return ask


HERO, HERO_2, NOTES = "Hero.png", "hero_2.jpg", "notes.txt"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('name = "hero"', [HERO, HERO_2]),
        ("name = hero", [HERO, HERO_2]),
        ('file_name != "hero"', [NOTES]),
        ('name : "2"', [HERO_2]),
        ('name = "notes*"', [NOTES]),
        ('name = "hero_"', [HERO_2]),
        ('name = "%"', []),
        ('content_type = "image/png"', [HERO]),
        ('content_type = "image"', [HERO, HERO_2]),
        ("content_type = 'text/plain'", [NOTES]),
        ("size_bytes > 1", [HERO, HERO_2]),
        ("size_bytes >= 3 AND size_bytes<=3", [HERO_2]),
        ("size_bytes != 3", [HERO, NOTES]),
        ("size_bytes < 3", [NOTES]),
        ("public_url != null", [HERO_2]),
        ("public_url = null", [HERO, NOTES]),
        ("public_url:*", [HERO_2]),
        ("public_url_expires_at != null", [HERO_2]),
        ('public_url_expires_at > "2000-01-01T00:00:00Z"', [HERO_2]),
        ("expires_at != null", [HERO]),
        ("expires_at = null", [HERO_2, NOTES]),
        ('created_at > "2000-01-01T00:00:00Z"', [HERO, HERO_2, NOTES]),
        ('created_at < "2000-01-01T00:00:00+02:00"', []),
        ('upload_status = "Complete"', [HERO, HERO_2, NOTES]),
        ('upload_status != "Complete"', []),
        ("user_defined_id = null", [HERO, HERO_2, NOTES]),
        ('NOT name = "hero"', [NOTES]),
        ('-name = "hero"', [NOTES]),
        ('NOT (name = "hero" AND size_bytes = 3)', [HERO, NOTES]),
        ('name = "notes" OR size_bytes = 5', [HERO, NOTES]),
        ('name = "hero" size_bytes = 5', [HERO]),
        ('(name = "notes" AND size_bytes = 1) OR size_bytes = 5', [HERO, NOTES]),
    ],
)
def test_a_filter_finds_what_it_says(find: Find, text: str, found: list[str]) -> None:
    assert find(text) == found


def test_or_binds_closer_than_and(find: Find) -> None:
    assert find('name = "notes" AND size_bytes = 1 OR size_bytes = 5') == [NOTES]
    assert find('size_bytes = 5 OR size_bytes = 1 AND name = "hero"') == [HERO]


def test_a_file_is_found_by_id_and_by_link(find: Find, client: httpx.Client) -> None:
    file = client.get("/files", params={"filter": "public_url != null"}).json()["data"][0]
    assert find(f'file_id = "{file["id"]}"') == [HERO_2]
    assert find(f'file_id = "{file["id"][:-1]}"') == []
    assert find(f'public_url = "{file["public_url"]}"') == [HERO_2]


def test_a_dead_link_is_null(find: Find, sandbox: Sandbox) -> None:
    sandbox.clock.advance(3601)
    assert find("public_url != null") == []


def test_a_time_is_compared_to_the_second(find: Find, client: httpx.Client) -> None:
    created = client.get("/files", params={"filter": 'name = "notes"'}).json()["data"][0]["created_at"]
    text = datetime.fromtimestamp(created, timezone.utc).isoformat()
    assert find(f'created_at >= "{text}"') == [NOTES]
    assert find(f'created_at < "{text}"') == [HERO, HERO_2]


@pytest.mark.parametrize(
    "text",
    [
        "name",
        "name =",
        'name = "hero',
        "colour = red",
        'name = "a" AND',
        '(name = "a"',
        'name = "a")',
        "size_bytes = big",
        "created_at > 5",
        "expires_at > null",
        "AND name = a",
        "name ! a",
        "(" * 300 + "name = a" + ")" * 300,
        " AND ".join(["name = a"] * 2000),
    ],
)
def test_a_filter_that_cannot_be_understood_is_refused(client: httpx.Client, text: str) -> None:
    refused = client.get("/files", params={"filter": text})
    assert refused.status_code == 400
    assert refused.json()["error"].startswith("Invalid filter: ")
