"""Bodies of image requests: what is refused, with which status, before anything is billed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from airflow_provider_grok.sandbox.server import Sandbox

URL = "data:image/png;base64,AAAA"


@pytest.fixture(autouse=True)
def nothing_is_billed_for_a_refusal(sandbox: Sandbox) -> Iterator[None]:
    yield
    assert sandbox.ledger.charges == []


@pytest.mark.parametrize("name", ["size", "style", "mask", "seed"])
def test_parameters_of_other_apis_are_refused_by_name(client: httpx.Client, name: str) -> None:
    refused = client.post("/images/generations", json={"prompt": "x", name: "1024x1024"})
    assert refused.status_code == 400
    assert refused.json() == {"code": "invalid-argument", "error": f"Argument not supported: {name}"}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"n": 0}, "n must be between 1 and 10, got 0"),
        ({"n": 11}, "got 11"),
        ({"deferred": True, "response_format": "b64_json"}, "deferred"),
        ({"output": {"upload_urls": ["http://bucket.test/1"]}, "n": 2}, "upload_urls must have n"),
        ({"output": {"upload_urls": ["http://bucket.test/1"]}, "response_format": "b64_json"}, "upload_urls"),
        ({"output": {"upload_urls": ["ftp://bucket.test/1"]}}, "http"),
        ({"storage_options": {"filename": ""}}, "filename"),
        ({"storage_options": {"filename": "a;b.jpg"}}, "semicolon"),
        ({"storage_options": {"filename": "a.jpg", "expires_after": 60}}, "got 60"),
        ({"storage_options": {"filename": "a.jpg", "expires_after": 2_592_001}}, "got 2592001"),
        ({"storage_options": {"filename": "a.jpg", "public_url": {"expires_after": 0}}}, "got 0"),
        (
            {"storage_options": {"filename": "a.jpg", "expires_after": 3600, "public_url": {"expires_after": 7200}}},
            "must not be more than",
        ),
    ],
)
def test_a_bad_value_is_a_400_that_names_it(client: httpx.Client, fields: dict[str, Any], words: str) -> None:
    refused = client.post("/images/generations", json={"prompt": "x"} | fields)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid-argument"), refused.text
    assert words in refused.json()["error"]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("aspect_ratio", "7:3", "unknown variant `7:3`, expected one of `1:1`, `3:4`,"),
        ("resolution", "4k", "unknown variant `4k`, expected one of `1k`, `1.5k`, `2k`"),
        ("quality", "ultra", "unknown variant `ultra`, expected one of `low`, `medium`, `high`, `auto`"),
        ("response_format", "png", "unknown variant `png`, expected `url` or `b64_json`"),
    ],
)
def test_a_value_outside_an_enum_is_a_422_in_plain_text(
    client: httpx.Client, field: str, value: str, words: str
) -> None:
    refused = client.post("/images/generations", json={"prompt": "x", field: value})
    assert (refused.status_code, refused.headers["content-type"].partition(";")[0]) == (422, "text/plain")
    assert refused.text.startswith("Failed to deserialize the JSON body into the target type: ")
    assert words in refused.text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("edits", {"image": {"url": URL}}),
        ("edits", {"prompt": "x", "image": URL}),
        ("edits", {"prompt": "x", "image": [{"url": URL}]}),
        ("edits", {"prompt": "x", "images": {"url": URL}}),
        ("generations", {"prompt": 5}),
        ("generations", {"prompt": "x", "n": "2"}),
        ("generations", {"prompt": "x", "n": 1.5}),
        ("generations", {"prompt": "x", "deferred": "yes"}),
        ("generations", {"prompt": "x", "storage_options": {}}),
        ("generations", {"prompt": "x", "storage_options": {"filename": "a.jpg", "public_url": "yes"}}),
        ("generations", ["x"]),
    ],
)
def test_a_body_that_cannot_be_read_is_a_422_in_plain_text(client: httpx.Client, path: str, body: Any) -> None:
    refused = client.post(f"/images/{path}", json=body)
    assert refused.status_code == 422
    assert refused.headers["content-type"].startswith("text/plain")
    assert refused.text.startswith("Failed to deserialize the JSON body into the target type: ")


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        ({}, "image or images"),
        ({"images": []}, "image or images"),
        ({"image": {"url": URL}, "images": [{"url": URL}]}, "exclude each other"),
        ({"images": [{"url": URL}] * 6}, "This model supports at most 5 input image(s), but 6 were provided."),
        ({"image": {}}, "either a url or a file_id"),
        ({"image": {"url": URL, "file_id": "file_1"}}, "either a url or a file_id"),
        ({"image": {"url": "ftp://example.com/a.png"}}, "http(s) or data URL"),
        ({"image": {"url": "data:image/png;base64,!!"}}, "data URL"),
        ({"image": {"url": URL}}, "not a readable image"),
    ],
)
def test_a_bad_source_is_a_400(client: httpx.Client, sources: dict[str, Any], words: str) -> None:
    refused = client.post("/images/edits", json={"prompt": "x"} | sources)
    assert refused.status_code == 400, refused.text
    assert words in refused.json()["error"]


def test_an_unknown_file_or_model_is_a_404(client: httpx.Client) -> None:
    by_file = client.post("/images/edits", json={"prompt": "x", "image": {"file_id": "file_nope"}})
    by_model = client.post("/images/generations", json={"prompt": "x", "model": "grok-foo"})
    assert (by_file.status_code, by_model.status_code) == (404, 404)
    assert "grok-foo" in by_model.json()["error"]


def test_a_multipart_body_is_a_415(client: httpx.Client, png: bytes) -> None:
    refused = client.post("/images/edits", files={"image": ("a.png", png)}, data={"prompt": "x"})
    assert refused.status_code == 415


def test_a_body_that_is_no_json_is_a_400(client: httpx.Client) -> None:
    headers = {"content-type": "application/json"}
    refused = client.post("/images/generations", content=b"{prompt", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid-argument")


def test_a_strict_sandbox_refuses_unknown_fields_by_name(connect: Callable[[Sandbox], httpx.Client]) -> None:
    with Sandbox(strict=True) as strict:
        client = connect(strict)
        for fields, name in (
            ({"output_format": "png"}, "output_format"),
            ({"image": {"url": URL, "type": "image_url"}}, "image.type"),
            ({"image": {"url": URL}, "storage_options": {"filename": "a", "folder": "b"}}, "storage_options.folder"),
            ({"images": [{"url": URL}, {"url": URL, "type": "x"}]}, "images[1].type"),
            ({"image": {"url": URL}, "model": "grok-imagine-image", "quality": "low"}, "quality"),
        ):
            refused = client.post("/images/edits", json={"prompt": "x"} | fields)
            assert refused.json() == {"code": "invalid-argument", "error": f"Argument not supported: {name}"}
        assert strict.ledger.charges == []
        assert strict.journal[-1]["unknown"] == ["quality"]
