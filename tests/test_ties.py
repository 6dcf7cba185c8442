"""Copies that must agree: a change made in one of them only fails here."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import airflow_provider_grok
from airflow_provider_grok import get_provider_info
from airflow_provider_grok.api import batch_requests, images, prices, request_fields, videos
from airflow_provider_grok.api.kinds import KINDS, kind_of, kind_of_batch_request
from airflow_provider_grok.flows.purchases.options import PurchaseOptions, Settings
from airflow_provider_grok.hooks import connection
from airflow_provider_grok.hooks.grok import TERMS, GrokHook
from airflow_provider_grok.operators import requests
from airflow_provider_grok.operators.images import GrokImagineEditOperator, GrokImagineGenerateOperator
from airflow_provider_grok.operators.make import GrokMakeOperator
from airflow_provider_grok.operators.videos import (
    GrokImagineVideoEditOperator,
    GrokImagineVideoExtendOperator,
    GrokImagineVideoOperator,
)
from airflow_provider_grok.sandbox import faults as sandbox_faults
from airflow_provider_grok.sandbox import image_requests, video_bodies, video_requests
from airflow_provider_grok.sandbox import prices as sandbox_prices

PACKAGE = Path(airflow_provider_grok.__file__).parent
#: The manual: the README, and the chapters beside the code.
MANUAL = "\n".join(
    file.read_text(encoding="utf-8") for file in [PACKAGE.parent / "README.md", *sorted(PACKAGE.glob("docs/*.md"))]
)

# -- fields of requests ----------------------------------------------------------------------------------------------

#: Body function, operator, function for batches, defaults, body of the sandbox; a row for each request that is billed.
WAYS: dict[str, tuple[Callable[..., Any], type[Any], Callable[..., Any], Any, type[Any]]] = {
    "images/generations": (
        images.generation_body,
        GrokImagineGenerateOperator,
        requests.generate_image,
        request_fields.GENERATE_IMAGE,
        image_requests.GenerateImage,
    ),
    "images/edits": (
        images.edit_body,
        GrokImagineEditOperator,
        requests.edit_image,
        request_fields.EDIT_IMAGE,
        image_requests.EditImage,
    ),
    "videos/generations": (
        videos.generation_body,
        GrokImagineVideoOperator,
        requests.generate_video,
        request_fields.GENERATE_VIDEO,
        video_bodies.GenerateVideo,
    ),
    "videos/edits": (
        videos.edit_body,
        GrokImagineVideoEditOperator,
        requests.edit_video,
        request_fields.EDIT_VIDEO,
        video_bodies.EditVideo,
    ),
    "videos/extensions": (
        videos.extension_body,
        GrokImagineVideoExtendOperator,
        requests.extend_video,
        request_fields.EXTEND_VIDEO,
        video_bodies.ExtendVideo,
    ),
}
#: Parameters of the body functions that are no fields of their own in operators, or have another name there.
BESIDE = {"storage_options", "response_format", "upload_urls", "upload_url", "user", "params"}
#: What a field is set to, to see it arrive.
VALUES: dict[str, Any] = {
    "prompt": "something else",
    "model": "grok-imagine-video-9",
    "n": 3,
    "aspect_ratio": "3:2",
    "resolution": {"images": "2k", "videos": "720p"},
    "quality": "high",
    "image": "file_7",
    "images": ["file_7", "file_8"],
    "video": "file_7",
    "reference_images": ["file_7"],
    "reference_audios": ["eve"],
    "last_frame": "file_7",
    "keyframes": [{"image": "file_7", "timestamp_s": 1}],
    "duration": 5,
    "generate_audio": False,
}
#: How the API's form of a value differs from ours.
SHOWN: dict[str, Any] = {
    "image": {"file_id": "file_7"},
    "video": {"file_id": "file_7"},
    "last_frame": {"file_id": "file_7"},
    "images": [{"file_id": "file_7"}, {"file_id": "file_8"}],
    "reference_images": [{"file_id": "file_7"}],
    "reference_audios": [{"voice_id": "eve"}],
    "keyframes": [{"image": {"file_id": "file_7"}, "timestamp_s": 1}],
}


def names_of(function: Callable[..., Any]) -> set[str]:
    """The named parameters of a function."""
    return {name for name, one in inspect.signature(function).parameters.items() if one.kind is not one.VAR_KEYWORD}


def own_arguments(operator: type[Any]) -> dict[str, inspect.Parameter]:
    """The arguments of an operator that no other operator of ours shares."""
    found: dict[str, inspect.Parameter] = {}
    for one in operator.__mro__:
        if one is GrokMakeOperator:
            break
        for name, parameter in inspect.signature(vars(one)["__init__"]).parameters.items():
            if parameter.kind is parameter.KEYWORD_ONLY and name != "timeout":
                found.setdefault(name, parameter)
    return found


@pytest.mark.parametrize("way", WAYS)
def test_a_field_stands_in_operator_body_and_batch_request(way: str) -> None:
    body, operator, batch, _, _ = WAYS[way]
    fields = names_of(body) - BESIDE
    assert set(own_arguments(operator)) == fields
    assert set(operator.request_fields) == fields
    assert names_of(batch) - {"id"} == fields


@pytest.mark.parametrize("way", WAYS)
def test_a_default_stands_once(way: str) -> None:
    _, operator, batch, defaults, _ = WAYS[way]
    for name, parameter in {**own_arguments(operator), **inspect.signature(batch).parameters}.items():
        if name in ("id", "more") or parameter.default is parameter.empty:
            assert name not in defaults._fields
        else:
            assert parameter.default == getattr(defaults, name, None), name
    for name, parameter in own_arguments(operator).items():
        assert parameter.default == inspect.signature(batch).parameters[name].default, name


def test_no_other_module_has_a_default_model_of_its_own() -> None:
    found = [
        f"{file.relative_to(PACKAGE)}: {default.value!r}"
        for file in PACKAGE.rglob("*.py")
        if "sandbox" not in file.parts
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for default in [*node.args.defaults, *node.args.kw_defaults]
        if isinstance(default, ast.Constant) and repr(default.value)[1:].startswith("grok-imagine")
    ]
    assert found == []


ARRIVALS = [(way, name) for way, (body, *_) in WAYS.items() for name in sorted(names_of(body) - BESIDE)]


@pytest.mark.parametrize(("way", "name"), ARRIVALS)
def test_a_field_arrives_in_the_body_whichever_way_it_goes(
    monkeypatch: pytest.MonkeyPatch, way: str, name: str
) -> None:
    _, operator, batch, _, _ = WAYS[way]
    value = VALUES[name][way.partition("/")[0]] if isinstance(VALUES[name], dict) else VALUES[name]
    usual: dict[str, Any] = {"prompt": "x"}
    usual |= {"video": "file_1"} if way in ("videos/edits", "videos/extensions") else {}
    usual |= {"image": "file_1"} if way == "images/edits" and name != "images" else {}
    arguments = usual | {name: value}
    sent = operator(task_id="x", **arguments).request().body
    (entry,) = requests.checked(batch("row", **arguments), 0)["batch_request"].values()
    for made in (sent, entry):
        assert made[name] == SHOWN.get(name, value)
    method = {"images/generations": "generate", "images/edits": "edit", "videos/generations": "video"}.get(way)
    if method:
        assert _hook_body(monkeypatch, method, arguments)[name] == sent[name]


class _Sent(Exception):
    """The hook is about to buy."""


def _hook_body(monkeypatch: pytest.MonkeyPatch, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
    calls: list[Any] = []

    def buy(self: GrokHook, call: Any, **terms: Any) -> Any:
        calls.append(call)
        raise _Sent

    monkeypatch.setattr(GrokHook, "buy", buy)
    with pytest.raises(_Sent):
        getattr(GrokHook(), method)(**arguments)
    body: dict[str, Any] = dict(calls[0].body)
    return body


@pytest.mark.parametrize(
    ("method", "way"),
    [("generate", "images/generations"), ("edit", "images/edits"), ("video", "videos/generations")],
)
def test_options_of_the_hook_are_the_parameters_of_the_body(
    monkeypatch: pytest.MonkeyPatch, method: str, way: str
) -> None:
    samples = {
        "response_format": "url",
        "storage_options": {"filename": "a.jpg"},
        "user": "u-1",
        "params": {"seed": 1},
        "upload_urls": ["https://bucket.example/put"],
        "upload_url": "https://bucket.example/put",
    }
    for name in names_of(WAYS[way][0]) & BESIDE:
        arguments = {"prompt": "x", name: samples[name]} | ({"image": "file_1"} if method == "edit" else {})
        body = _hook_body(monkeypatch, method, arguments)
        assert {"params": "seed", "upload_urls": "output", "upload_url": "output"}.get(name, name) in body


def test_options_of_a_purchase_are_those_that_buy_takes() -> None:
    taken = {name for name in TERMS if _is_option(name)}
    assert taken == TERMS - {"key"}
    assert "key" in inspect.signature(GrokHook.buy).parameters
    said = re.findall(r"`(\w+)`", MANUAL.partition("and the options of `buy`: ")[2].partition("They wait")[0])
    assert set(said) == TERMS


def _is_option(name: str) -> bool:
    from airflow_provider_grok.api.errors import InvalidRequest

    try:
        options: dict[str, Any] = {name: None}
        PurchaseOptions.of(Settings(), **options)
    except InvalidRequest:
        return False
    return True


@pytest.mark.parametrize("way", WAYS)
def test_the_sandbox_knows_the_fields_that_are_sent(way: str) -> None:
    body, *_, sandbox = WAYS[way]
    sent = {{"upload_urls": "output", "upload_url": "output"}.get(name, name) for name in names_of(body) - {"params"}}
    sent |= {"deferred"} if way.startswith("images") else set()
    # An extension's endpoint knows no `user`; the sandbox refuses it there by name.
    known = set(sandbox.model_fields) - ({"user"} if way == "videos/extensions" else set())
    assert sent == known
    if way == "videos/extensions":
        assert "user" in video_requests.REFUSED[video_bodies.EXTENSIONS]


# -- values and limits that client and sandbox both hold -------------------------------------------------------------


def test_values_are_those_of_the_sandbox() -> None:
    assert set(images.ASPECT_RATIOS) == set(image_requests.ASPECT_RATIOS)
    assert set(images.RESOLUTIONS) == set(image_requests.RESOLUTIONS)
    assert set(images.QUALITIES) == set(image_requests.QUALITIES)
    assert set(videos.ASPECT_RATIOS) == set(video_requests.ASPECT_RATIOS)
    assert set(videos.RESOLUTIONS) == set(video_requests.RESOLUTIONS)
    assert set(videos.VOICES) == set(video_requests.VOICES)


def test_limits_are_those_of_the_sandbox() -> None:
    assert images.MOST == image_requests.MOST_IMAGES
    assert images.SOURCES[1] == image_requests.MOST_SOURCES
    assert videos.MOST_REFERENCES == video_requests.MOST_REFERENCE_IMAGES
    assert videos.MOST_AUDIOS == video_requests.MOST_REFERENCE_AUDIOS
    assert videos.MOST_KEYFRAMES == video_requests.MOST_KEYFRAMES
    assert videos.SECONDS_ADDED == (1, video_requests.LONGEST_EXTENSION)
    assert (
        video_bodies.LONGEST_EDIT,
        video_bodies.EXTENDABLE[1],
    ) == (prices.LONGEST_EDITED, prices.LONGEST_EXTENDED)


def test_what_models_can_do_is_what_the_sandbox_says() -> None:
    for model in sandbox_prices.VIDEO_MODELS:
        for name in (model, *sandbox_prices.ALIASES[model]):
            skills = videos.MODELS[name]
            assert skills.resolutions == tuple(sandbox_prices.VIDEO_SECOND_PRICES[model])
            assert skills.takes == {field for field, able in video_bodies.CAPABLE.items() if model in able}
            remade = video_bodies.EditVideo(prompt="x", model=name, video={"file_id": "f"})  # type: ignore[arg-type]
            assert skills.remakes == (remade.unsupported() is None)
            if skills.takes:
                assert skills.referenced_seconds == video_bodies.LONGEST_FROM_REFERENCES[model]


# -- prices ----------------------------------------------------------------------------------------------------------


def test_prices_are_those_of_the_sandbox() -> None:
    assert {**prices.VIDEO_PRICES} == sandbox_prices.VIDEO_SECOND_PRICES
    assert prices.SOURCE_PRICES == sandbox_prices.INPUT_IMAGE_PRICES
    assert {prices.SOURCE_SECOND_PRICE} == set(sandbox_prices.INPUT_VIDEO_SECOND_PRICES.values())
    assert prices.IMAGE_PRICES.keys() == sandbox_prices.IMAGE_PRICES.keys()
    aliases = {name: model for model, names in sandbox_prices.ALIASES.items() for name in names}
    assert aliases == prices.SERVED_BY
    assert set(prices.RETIRED) == set(sandbox_prices.RETIRED_IMAGE)


@pytest.mark.parametrize("model", [*sandbox_prices.IMAGE_MODELS, "grok-imagine-image-2026-03-02"])
def test_an_estimate_of_pictures_is_what_the_sandbox_bills(model: str) -> None:
    for quality, resolution, sources, n in itertools.product(
        (None, "low", "medium"), ("1k", "1.5k", "2k"), (0, 1, 3), (1, 4)
    ):
        body: dict[str, Any] = {"prompt": "x", "model": model, "n": n, "resolution": resolution}
        body |= {"quality": quality} if quality else {}
        several = [{"file_id": "file_1"}] * sources
        body |= {"images": several} if sources > 1 else {"image": several[0]} if several else {}
        kind = image_requests.EditImage if sources else image_requests.GenerateImage
        assert prices.image_ticks(body) == kind.model_validate(body).ticks, body


def test_an_estimate_of_videos_is_what_the_sandbox_bills() -> None:
    for model, rates in sandbox_prices.VIDEO_SECOND_PRICES.items():
        for resolution, seconds, pictures in itertools.product((*rates, None), (1, 15), (0, 2)):
            body: dict[str, Any] = {"prompt": "x", "model": model, "duration": seconds}
            body |= {"resolution": resolution} if resolution else {}
            body |= (
                {"reference_images": [{"file_id": "file_1"}] * pictures, "image": {"file_id": "f"}} if pictures else {}
            )
            assert prices.video_ticks(body) == video_bodies.GenerateVideo.model_validate(body).ticks, body


# -- connection ------------------------------------------------------------------------------------------------------


def form() -> dict[str, Any]:
    """The extras of the connection form, by name."""
    info: dict[str, Any] = get_provider_info()  # type: ignore[no-untyped-call]
    (kind,) = info["connection-types"]
    fields: dict[str, Any] = kind["conn-fields"]
    return fields


def test_extras_of_the_form_are_those_that_are_read() -> None:
    read: set[str] = set()

    class Extra(dict[str, Any]):
        def get(self, key: Any, default: Any = None) -> Any:
            read.add(key)
            return default

    class Connection:
        conn_id, password, host, port, schema = "grok_default", "xai-key", "", None, None
        conn_type, login, extra_dejson = "grok", None, Extra()

    connection.endpoint_of(Connection(), Extra())  # type: ignore[arg-type]
    connection.settings_of(Extra())
    assert read == form().keys()


def test_extras_of_the_form_are_in_the_manual() -> None:
    assert [name for name in form() if not re.search(rf"^\| `{name}` \|", MANUAL, re.MULTILINE)] == []


# -- faults of the sandbox -------------------------------------------------------------------------------------------


def _read_of_scripts() -> set[str]:
    """The words of fault actions that the sandbox's code acts on."""
    found: set[str] = set()
    for file in (PACKAGE / "sandbox").glob("*.py"):
        text = file.read_text(encoding="utf-8")
        found |= set(re.findall(r'(?:script|action)(?:\.get\(|\[)"(\w+)"', text))
        found |= set(re.findall(r'"(\w+)" (?:not )?in (?:\w+\.)*(?:script|action)\b', text))
    return found


def test_actions_of_faults_are_those_that_the_sandbox_acts_on() -> None:
    # `only` stands beside the action in an order, and travels with it.
    assert _read_of_scripts() - {"only"} == sandbox_faults.ACTIONS.keys()


def test_actions_of_faults_are_in_the_manual() -> None:
    assert [name for name in sandbox_faults.ACTIONS if not re.search(f'["`]{name}["`]', MANUAL)] == []


# -- kinds -----------------------------------------------------------------------------------------------------------


def test_nothing_but_the_table_of_kinds_tells_a_kind_by_the_beginning_of_a_word() -> None:
    names = "|".join(sorted(KINDS))
    told = re.compile(rf'startswith\(\(?f?["\'](?:/|)(?:{names}|{{\w+}})|== ["\']/(?:{names})')
    found = [
        f"{file.relative_to(PACKAGE)}:{number}: {line.strip()}"
        for file in PACKAGE.rglob("*.py")
        if "sandbox" not in file.parts and file.name != "kinds.py"
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if told.search(line)
    ]
    assert found == []


def test_every_request_has_a_kind() -> None:
    for call in (images.generate({}), images.edit({}), images.poll("r")):
        assert kind_of(call.path) is KINDS["image"]
    for call in (videos.generate({}), videos.edit({}), videos.extend({}), videos.poll("r")):
        assert kind_of(call.path) is KINDS["video"]
    for name, url in batch_requests.URLS.items():
        made = kind_of_batch_request(name)
        if made:
            assert kind_of(url.removeprefix("/v1")) is made
        else:
            assert name in ("chat_get_completion", "responses")
    with pytest.raises(KeyError):
        kind_of("/imagesque/edits")
