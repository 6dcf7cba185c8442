"""Whatever people, or their templates, write into arguments: it is taken, or refused in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_grok.api import batch_requests, errors, files, images, media, validation, videos
from airflow_provider_grok.api.endpoint import Endpoint
from airflow_provider_grok.flows.files.download import safe_name
from airflow_provider_grok.flows.purchases import names, orphans
from airflow_provider_grok.flows.purchases import options as terms
from airflow_provider_grok.flows.purchases.options import Settings
from airflow_provider_grok.hooks.connection import settings_of
from airflow_provider_grok.operators import requests, values
from airflow_provider_grok.operators.review import plain
from tests.fuzz import documents
from tests.fuzz.pace import fuzz

FIELDS = ("prompt", "image", "images", "n", "keyframes", "generate_audio", "quality")
anything = documents.values | st.datetimes() | st.timedeltas() | st.binary(max_size=4)
READERS: dict[str, Any] = {
    "text": lambda value: validation.text(value, "prompt"),
    "whole": lambda value: validation.whole(value, "n", 1, 10),
    "share": lambda value: validation.share(value, "min_success"),
    "choice": lambda value: validation.choice(value, "quality", ("low", "high")),
    "source": media.source,
    "file id": files.check_id,
    "duration": lambda value: terms.seconds("timeout", value),
    "moment": lambda value: terms.moment("expires_at", value),
    "life": lambda value: terms.life(value, None),
    "end": lambda value: terms.life(None, value),
    "link": lambda value: terms.link_life(value, 7200),
    "reuse": terms.reuse_of,
    "likely": lambda value: validation.likely(value, "resolution", ("1k",), validation.SIZE),
    "several": lambda value: validation.several(value, "images", 2, 5, "Give more."),
    "json": lambda value: validation.check_json(value, "request"),
    "fields": lambda value: values.rendered_fields(dict.fromkeys(FIELDS, value)),
    "secret": lambda value: values.refuse_secret(value, "xai-sandbox"),
    "row": lambda value: requests.checked(requests.edit_image("a", prompt=value, image=value, seed=value), 0),
    "film": lambda value: requests.checked(requests.generate_video("a", keyframes=value, reference_audios=value), 0),
    "truth": lambda value: values.truth("share", value),
    "entry": lambda value: requests.checked(value, 0),
    "expires_after": lambda value: settings_of({"expires_after": value}),
    "max_cost_usd": lambda value: settings_of({"max_cost_usd": value}),
    "cost": lambda value: terms.PurchaseOptions.of(Settings(), max_cost_usd=value),
    "interval": lambda value: terms.PurchaseOptions.of(Settings(), poll_interval=value),
}


@fuzz
@example(name="life", value=2**63)
@example(name="json", value="\ud83d")
@example(name="row", value="\ud83d")
@example(name="entry", value=["x"])
@example(name="share", value=10**400)
@example(name="interval", value=10**400)
@example(name="max_cost_usd", value=10**400)
@given(name=st.sampled_from(sorted(READERS)), value=anything)
def test_an_argument_is_taken_or_refused_in_words(name: str, value: Any) -> None:
    try:
        READERS[name](value)
    except errors.InvalidRequest as error:
        assert str(error).isprintable()


@fuzz
@given(value=anything)
def test_any_nest_becomes_a_flat_list(value: Any) -> None:
    flat = values.flat(value)
    assert not any(isinstance(one, list) or one is None for one in flat)
    values.in_shape(value, flat)
    values.given(value)


_fields: dict[str, tuple[Any, list[str]]] = {
    "generate": (images.generation_body, ["prompt", "model", "n", "aspect_ratio", "resolution", "quality"]),
    "edit": (images.edit_body, ["prompt", "model", "image", "images", "n", "quality", "aspect_ratio"]),
    "film": (
        videos.generation_body,
        ["prompt", "model", "duration", "image", "reference_images", "keyframes", "last_frame", "resolution"],
    ),
    "edit film": (videos.edit_body, ["prompt", "model", "video"]),
    "extend film": (videos.extension_body, ["prompt", "model", "video", "duration"]),
}


@fuzz
@given(name=st.sampled_from(sorted(_fields)), data=st.data())
def test_a_body_is_made_or_refused_in_words(name: str, data: st.DataObject) -> None:
    make, fields = _fields[name]
    likely = st.sampled_from(["grok-imagine-video", "grok-imagine-image-2.0", "file_1", "https://x.ai/a.png", 4, "4"])
    given_fields = data.draw(st.fixed_dictionaries(dict.fromkeys(fields, likely | anything)))
    try:
        body = make(**given_fields)
    except errors.InvalidRequest as error:
        assert str(error).isprintable()
    else:
        json.dumps(body)


@fuzz
@given(
    entries=st.lists(
        documents.objects | st.builds(batch_requests.request, documents.texts, documents.texts, documents.objects)
    )
)
def test_a_list_of_requests_is_checked_in_words(entries: list[Any]) -> None:
    try:
        batch_requests.check(entries)
    except errors.InvalidRequest as error:
        assert str(error).isprintable()


@fuzz
@given(lines=st.lists(documents.bodies, max_size=4))
def test_an_input_file_is_checked_line_by_line(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    path = Path(tmp_path_factory.getbasetemp()) / "requests.jsonl"
    path.write_bytes(b"\n".join(lines))
    try:
        batch_requests.check_jsonl(path)
    except errors.InvalidRequest as error:
        assert str(error).isprintable()


@fuzz
@given(url=st.text() | st.text().map("https://{}.x.ai/".format) | st.text().map("https://x.ai{}".format))
def test_only_plain_hosts_of_xai_are_trusted(url: str) -> None:
    import httpx

    if Endpoint("https://api.x.ai/v1").trusts(url):
        try:
            host = httpx.URL(url).host
        except httpx.InvalidURL:
            return
        assert host.rstrip(".") == "x.ai" or host.rstrip(".").endswith(".x.ai")


@fuzz
@given(name=st.text(), other=st.text())
def test_a_name_of_a_server_is_a_name_in_a_folder(name: str, other: str) -> None:
    safe = safe_name(name, "file_1")
    assert safe
    assert safe not in (".", "..")
    assert "/" not in safe
    assert "\\" not in safe
    assert safe.isprintable()
    assert len(safe) <= 200
    assert plain(name).isprintable() or not name.isprintable()
    orphans.key_of(other)
    names.split_batch_name(name, other)


@fuzz
@given(stem=st.text(min_size=1), id=st.text(min_size=1, max_size=128))
def test_the_name_of_a_result_is_one_that_the_api_takes(stem: str, id: str) -> None:
    name = names.result_name(stem, id, "0123456789abcd", ".jpg")
    assert files.storage_options(name)["filename"] == name
    assert orphans.key_of(name) == "0123456789abcd"
