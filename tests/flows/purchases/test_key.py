"""Idempotency keys are a contract with purchases already made: these literals were made by release 0.1.0.

If one of them changes, no purchase of that kind made so far is found again after an upgrade: a retry, a clear or
`reuse="always"` pays for it a second time. A formula that must change adds the old one to `earlier_digests`.
"""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_grok.api import batch_requests
from airflow_provider_grok.flows.batches.requests import BatchPurchaseRequest
from airflow_provider_grok.flows.files.upload import DIGEST_LENGTH
from airflow_provider_grok.flows.purchases.key import (
    Reuse,
    account_fingerprint,
    digest_of,
    earlier_digests,
    request_digest,
)
from airflow_provider_grok.flows.purchases.names import bears, marked_name
from airflow_provider_grok.flows.purchases.store import TaskIdentity, default_stem

TASK = TaskIdentity("shop", "manual__2026-11-01T00:00:00+00:00", "edit", 3)
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "edit": (
        "/images/edits",
        {
            "model": "grok-imagine-image-2.0",
            "prompt": "Put the mug on a marble table",
            "resolution": "1k",
            "quality": "medium",
            "image": {"file_id": "file_12"},
        },
    ),
    "generation": (
        "/images/generations",
        {
            "model": "grok-imagine-image-2.0",
            "prompt": "a red bicycle",
            "n": 2,
            "aspect_ratio": "auto",
            "resolution": "1k",
            "quality": "low",
        },
    ),
    "video": (
        "/videos/generations",
        {
            "model": "grok-imagine-video-1.5",
            "prompt": "slow dolly in",
            "duration": 6,
            "resolution": "720p",
            "image": {"url": "https://example.com/mug.png"},
            "generate_audio": True,
        },
    ),
}
GOLDEN: dict[tuple[str, Reuse], str] = {
    ("edit", "run"): "439717d7c9d9bd",
    ("edit", "attempt"): "d5e447cad6f9b4",
    ("edit", "always"): "be2e338a48db3e",
    ("generation", "run"): "d7dad4ddc6ace4",
    ("generation", "attempt"): "a2deaa932b55a7",
    ("generation", "always"): "60ce906a9d9ecb",
    ("video", "run"): "8eeb1815fa9105",
    ("video", "attempt"): "68214b05abe77a",
    ("video", "always"): "03506d14aaf397",
}


def digest(name: str) -> str:
    return request_digest(*REQUESTS[name])


@pytest.mark.parametrize(("name", "reuse"), GOLDEN)
def test_the_key_of_a_request_is_that_of_the_first_release(name: str, reuse: Reuse) -> None:
    assert TASK.key(digest(name), reuse, 0) == GOLDEN[name, reuse]


def test_the_key_of_a_second_generation_is_that_of_the_first_release() -> None:
    assert [TASK.key(digest(name), "attempt", 1) for name in REQUESTS] == [
        "44708f49571838",
        "5d4f2405b4c095",
        "c3c03969952ce0",
    ]


@pytest.mark.parametrize(
    ("filename", "extension", "name"),
    [
        (None, ".jpg", "shop.edit.439717d7c9d9bd.jpg"),
        ("hero.png", ".jpg", "hero.439717d7c9d9bd.png"),
        ("hero", ".mp4", "hero.439717d7c9d9bd.mp4"),
    ],
)
def test_the_name_of_a_stored_file_is_that_of_the_first_release(
    filename: str | None, extension: str, name: str
) -> None:
    key = GOLDEN["edit", "run"]
    assert marked_name(key, filename=filename, default=default_stem(TASK), extension=extension) == name


def test_the_key_of_a_batch_is_that_of_the_first_release() -> None:
    bicycle = {"model": "grok-imagine-image", "prompt": "a red bicycle"}
    blue = {"model": "grok-imagine-image", "prompt": "make it blue", "image": {"file_id": "file_12"}}
    batch = BatchPurchaseRequest(
        [
            batch_requests.request("row-1", "image_generation", bicycle),
            batch_requests.request("row-2", "image_edit", blue),
        ]
    )
    keys = [TASK.key(batch.digest, reuse, 0) for reuse in ("run", "attempt", "always")]
    assert keys == ["c160c48138a3e3", "069e1247c14464", "942b2f2eaf5ec2"]


def test_the_name_of_an_upload_is_that_of_the_first_release() -> None:
    content = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    keys = (content[:DIGEST_LENGTH], TASK.key(content, "run", TASK.max_tries))
    assert [marked_name(key, filename="hero.png", default="file", extension="") for key in keys] == [
        "hero.9f86d081884c.png",
        "hero.ebba33de73eb25.png",
    ]


@pytest.mark.parametrize(
    "query",
    [
        "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a%2Fb&X-Amz-Date=20261125T000000Z&X-Amz-Signature=0f",
        "?X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Expires=900&X-Goog-Signature=0f",
        "?AWSAccessKeyId=a&Signature=b&Expires=1",
        "?sv=2024-11-04&se=2026-11-25&sr=b&sp=r&sig=0f%3D",
    ],
)
def test_a_source_signed_anew_is_the_same_source(query: str) -> None:
    def signed(query: str) -> dict[str, Any]:
        return {"prompt": "x", "image": {"url": f"https://bucket.example.com/hero.png{query}"}}

    path = "/images/edits"
    assert request_digest(path, signed(query)) == request_digest(path, signed(""))
    assert request_digest(path, signed(query + "&v=2")) == request_digest(path, signed("?v=2"))
    assert request_digest(path, signed("?v=2")) != request_digest(path, signed("?v=1"))
    asked = {"prompt": "x", "image": signed(query)["image"]}
    assert earlier_digests(path, signed(query)) == [digest_of([path, asked])]


def test_a_request_whose_digest_never_changed_is_looked_for_once() -> None:
    assert [earlier_digests(*request) for request in REQUESTS.values()] == [[], [], []]


def test_a_picture_that_the_hook_of_the_first_release_bought_is_looked_for_too() -> None:
    path, body = REQUESTS["generation"]
    without = {name: value for name, value in body.items() if name != "aspect_ratio"}
    assert earlier_digests(path, body, by_hook=True) == [request_digest(path, without)]


@pytest.mark.parametrize(
    "name",
    [
        "SHOP.EDIT.439717D7C9D9BD.JPG",
        "shop_edit_439717d7c9d9bd_jpg",
        "shop.edit.439717d7c9d9bd (1).jpg",
        "439717d7c9d9bd",
        "写真.439717d7c9d9bd.jpg ",
        "shop.edit.439717d7c9d9bd-2.jpg",
    ],
)
def test_a_key_is_found_in_a_name_that_the_server_has_altered(name: str) -> None:
    assert bears(name, GOLDEN["edit", "run"])


@pytest.mark.parametrize(
    "name", ["shop.edit.439717d7c9d9bd0.jpg", "a439717d7c9d9bd.jpg", "shop.edit.439717d7c9d9b.jpg"]
)
def test_longer_and_shorter_hex_is_another_key(name: str) -> None:
    assert not bears(name, GOLDEN["edit", "run"])


def test_a_stem_is_cut_long_before_a_server_would_cut_the_key() -> None:
    name = marked_name("0123456789abcd", filename=f"{'x' * 200}.png", default="", extension=".jpg")
    assert name == f"{'x' * 60}.0123456789abcd.png"


def test_an_account_is_told_apart_and_not_given_away() -> None:
    assert account_fingerprint("xai-one") == account_fingerprint("xai-one") != account_fingerprint("xai-two")
    assert "one" not in account_fingerprint("xai-one")
