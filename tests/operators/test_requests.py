"""Requests: the operators' bodies are a contract, for the idempotency key of every purchase is made of them."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_grok.hooks.grok import GrokHook
from airflow_provider_grok.operators import requests
from airflow_provider_grok.operators.images import GrokImagineEditOperator, GrokImagineGenerateOperator
from airflow_provider_grok.operators.videos import (
    GrokImagineVideoEditOperator,
    GrokImagineVideoExtendOperator,
    GrokImagineVideoOperator,
)

GENERATE, EDIT = GrokImagineGenerateOperator, GrokImagineEditOperator
FILM, EDIT_FILM = GrokImagineVideoOperator, GrokImagineVideoEditOperator
EXTEND_FILM = GrokImagineVideoExtendOperator

#: What operators were given, and the body that 0.1.0 made of it. A body that changes has another idempotency key:
#: a retry no longer finds what its first try has bought, and pays for it again. So these literals never change.
GOLDEN: dict[str, tuple[type[Any], dict[str, Any], dict[str, Any]]] = {
    "a picture": (
        GENERATE,
        {"prompt": "a red bicycle"},
        {
            "model": "grok-imagine-image-2.0",
            "prompt": "a red bicycle",
            "n": 1,
            "aspect_ratio": "auto",
            "resolution": "1k",
            "quality": "low",
        },
    ),
    "a picture, all fields": (
        GENERATE,
        {
            "prompt": "a red bicycle",
            "model": "grok-imagine-image-2.0",
            "n": 4,
            "aspect_ratio": "3:2",
            "resolution": "2k",
            "quality": "medium",
            "user": "u-1",
            "request_params": {"seed": 7},
        },
        {
            "model": "grok-imagine-image-2.0",
            "prompt": "a red bicycle",
            "n": 4,
            "aspect_ratio": "3:2",
            "resolution": "2k",
            "quality": "medium",
            "user": "u-1",
            "seed": 7,
        },
    ),
    "a picture, rendered text": (
        GENERATE,
        {
            "prompt": "a red bicycle",
            "n": "2",
            "aspect_ratio": "None",
            "resolution": "1.5k",
            "quality": "",
            "user": 5,
            "request_params": "{'resolution': '2k'}",
        },
        {"model": "grok-imagine-image-2.0", "prompt": "a red bicycle", "n": 2, "resolution": "2k", "user": "5"},
    ),
    "a picture, one in a list": (
        GENERATE,
        {"prompt": "a red bicycle", "n": 1},
        {
            "model": "grok-imagine-image-2.0",
            "prompt": "a red bicycle",
            "n": 1,
            "aspect_ratio": "auto",
            "resolution": "1k",
            "quality": "low",
        },
    ),
    "a picture, no ratio": (
        GENERATE,
        {"prompt": "a red bicycle", "aspect_ratio": None},
        {"model": "grok-imagine-image-2.0", "prompt": "a red bicycle", "n": 1, "resolution": "1k", "quality": "low"},
    ),
    "a picture, quality high": (
        GENERATE,
        {"prompt": "a red bicycle", "quality": "high"},
        {
            "model": "grok-imagine-image-2.0",
            "prompt": "a red bicycle",
            "n": 1,
            "aspect_ratio": "auto",
            "resolution": "1k",
            "quality": "high",
        },
    ),
    "a picture, cheapest model": (
        GENERATE,
        {"prompt": "a red bicycle", "model": "grok-imagine-image", "quality": "medium"},
        {"model": "grok-imagine-image", "prompt": "a red bicycle", "n": 1, "aspect_ratio": "auto", "resolution": "1k"},
    ),
    "a picture, retired model": (
        GENERATE,
        {"prompt": "a red bicycle", "model": "grok-imagine-image-quality-latest"},
        {
            "model": "grok-imagine-image-quality-latest",
            "prompt": "a red bicycle",
            "n": 1,
            "aspect_ratio": "auto",
            "resolution": "1k",
            "quality": "low",
        },
    ),
    "a picture, dated alias": (
        GENERATE,
        {"prompt": "a red bicycle", "model": "grok-imagine-image-quality-20260403"},
        {
            "model": "grok-imagine-image-quality-20260403",
            "prompt": "a red bicycle",
            "n": 1,
            "aspect_ratio": "auto",
            "resolution": "1k",
            "quality": "low",
        },
    ),
    "a picture, unknown model": (
        GENERATE,
        {"prompt": "a red bicycle", "model": "grok-imagine-image-9"},
        {
            "model": "grok-imagine-image-9",
            "prompt": "a red bicycle",
            "n": 1,
            "aspect_ratio": "auto",
            "resolution": "1k",
        },
    ),
    "an edit": (
        EDIT,
        {"prompt": "make it red", "image": "file_1"},
        {
            "model": "grok-imagine-image-2.0",
            "prompt": "make it red",
            "n": 1,
            "resolution": "1k",
            "quality": "medium",
            "image": {"file_id": "file_1"},
        },
    ),
    "an edit of a URL": (
        EDIT,
        {"prompt": "make it red", "image": " https://example.com/a.png?x=1 "},
        {
            "model": "grok-imagine-image-2.0",
            "prompt": "make it red",
            "n": 1,
            "resolution": "1k",
            "quality": "medium",
            "image": {"url": "https://example.com/a.png?x=1"},
        },
    ),
    "an edit of several": (
        EDIT,
        {
            "prompt": "<IMAGE_0> on <IMAGE_1>",
            "images": ["file_1", ["https://example.com/b.png", None]],
            "aspect_ratio": "21:9",
            "n": "1",
        },
        {
            "model": "grok-imagine-image-2.0",
            "prompt": "<IMAGE_0> on <IMAGE_1>",
            "n": 1,
            "aspect_ratio": "21:9",
            "resolution": "1k",
            "quality": "medium",
            "images": [{"file_id": "file_1"}, {"url": "https://example.com/b.png"}],
        },
    ),
    "an edit of several, text of a list": (
        EDIT,
        {"prompt": "both", "images": "['file_1', 'file_2']", "quality": "low"},
        {
            "model": "grok-imagine-image-2.0",
            "prompt": "both",
            "n": 1,
            "resolution": "1k",
            "quality": "low",
            "images": [{"file_id": "file_1"}, {"file_id": "file_2"}],
        },
    ),
    "an edit, cheapest model": (
        EDIT,
        {"prompt": "make it red", "image": "file_1", "model": "grok-imagine-image", "resolution": "2k", "user": "u-1"},
        {
            "model": "grok-imagine-image",
            "prompt": "make it red",
            "n": 1,
            "resolution": "2k",
            "user": "u-1",
            "image": {"file_id": "file_1"},
        },
    ),
    "a film": (
        FILM,
        {"prompt": "waves"},
        {"model": "grok-imagine-video-1.5", "prompt": "waves", "duration": 8, "resolution": "480p"},
    ),
    "a film, all fields": (
        FILM,
        {
            "prompt": "waves",
            "image": "file_1",
            "reference_images": ["file_2", "https://example.com/b.png"],
            "reference_audios": ["eve", {"voice_id": "rex"}, "https://example.com/a.mp3"],
            "last_frame": "file_3",
            "keyframes": [{"image": "file_4", "timestamp_s": "1.5"}],
            "model": "grok-imagine-video-1.5",
            "duration": 6,
            "aspect_ratio": "9:16",
            "resolution": "720p",
            "generate_audio": False,
            "user": "u-1",
            "request_params": {"seed": 7},
        },
        {
            "model": "grok-imagine-video-1.5",
            "prompt": "waves",
            "duration": 6,
            "aspect_ratio": "9:16",
            "resolution": "720p",
            "image": {"file_id": "file_1"},
            "reference_images": [{"file_id": "file_2"}, {"url": "https://example.com/b.png"}],
            "reference_audios": [{"voice_id": "eve"}, {"voice_id": "rex"}, {"url": "https://example.com/a.mp3"}],
            "last_frame": {"file_id": "file_3"},
            "keyframes": [{"image": {"file_id": "file_4"}, "timestamp_s": 1.5}],
            "generate_audio": False,
            "user": "u-1",
            "seed": 7,
        },
    ),
    "a film, rendered text": (
        FILM,
        {
            "prompt": "None",
            "image": " file_1 ",
            "reference_images": "['file_2']",
            "duration": "4",
            "aspect_ratio": "",
            "resolution": "720p",
            "generate_audio": "False",
        },
        {
            "model": "grok-imagine-video-1.5",
            "duration": 4,
            "resolution": "720p",
            "image": {"file_id": "file_1"},
            "reference_images": [{"file_id": "file_2"}],
            "generate_audio": False,
        },
    ),
    "a film from a picture": (
        FILM,
        {"image": "file_1"},
        {"model": "grok-imagine-video-1.5", "duration": 8, "resolution": "480p", "image": {"file_id": "file_1"}},
    ),
    "a film, oldest model": (
        FILM,
        {"prompt": "waves", "model": "grok-imagine-video", "duration": 15, "resolution": "720p"},
        {"model": "grok-imagine-video", "prompt": "waves", "duration": 15, "resolution": "720p"},
    ),
    "a film, lite": (
        FILM,
        {"prompt": "waves", "model": "grok-imagine-video-1.5-lite", "resolution": "1080p", "generate_audio": "true"},
        {"model": "grok-imagine-video-1.5-lite", "prompt": "waves", "duration": 8, "resolution": "1080p"},
    ),
    "a film, unknown model": (
        FILM,
        {"prompt": "waves", "model": "grok-imagine-video-9", "last_frame": "file_1"},
        {
            "model": "grok-imagine-video-9",
            "prompt": "waves",
            "duration": 8,
            "resolution": "480p",
            "last_frame": {"file_id": "file_1"},
        },
    ),
    "an edit of a film": (
        EDIT_FILM,
        {"prompt": "at night", "video": "file_1"},
        {"model": "grok-imagine-video", "prompt": "at night", "video": {"file_id": "file_1"}},
    ),
    "an edit of a film, all fields": (
        EDIT_FILM,
        {
            "prompt": "at night",
            "video": "https://example.com/a.mp4",
            "model": "grok-imagine-video",
            "user": "u-1",
            "request_params": {"seed": 7},
        },
        {
            "model": "grok-imagine-video",
            "prompt": "at night",
            "video": {"url": "https://example.com/a.mp4"},
            "user": "u-1",
            "seed": 7,
        },
    ),
    "more film": (
        EXTEND_FILM,
        {"prompt": "and on", "video": "file_1"},
        {"model": "grok-imagine-video", "prompt": "and on", "video": {"file_id": "file_1"}, "duration": 6},
    ),
    "more film, all fields": (
        EXTEND_FILM,
        {
            "prompt": "and on",
            "video": "file_1",
            "model": "grok-imagine-video",
            "duration": "10",
            "user": "u-1",
            "request_params": {"seed": 7},
        },
        {"model": "grok-imagine-video", "prompt": "and on", "video": {"file_id": "file_1"}, "duration": 10, "seed": 7},
    ),
}


@pytest.mark.parametrize(("operator", "arguments", "body"), GOLDEN.values(), ids=GOLDEN.keys())
def test_a_body_is_what_it_was_in_0_1_0(operator: type[Any], arguments: dict[str, Any], body: dict[str, Any]) -> None:
    made = dict(operator(task_id="make", **arguments).request().body)
    assert made.pop("deferred", None) == (True if operator in (GENERATE, EDIT) else None)
    assert made == body


def body_of(operator: type[Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """What an operator sends."""
    made = dict(operator(task_id="make", **arguments).request().body)
    made.pop("deferred", None)
    return made


BATCH: dict[Any, Any] = {
    GENERATE: requests.generate_image,
    EDIT: requests.edit_image,
    FILM: requests.generate_video,
    EDIT_FILM: requests.edit_video,
    EXTEND_FILM: requests.extend_video,
}


def further(arguments: dict[str, Any]) -> dict[str, Any]:
    """`request_params` of an operator, as the further fields that a batch request takes."""
    more = arguments.get("request_params") or {}
    more = {"resolution": "2k"} if isinstance(more, str) else more
    return {name: value for name, value in arguments.items() if name != "request_params"} | more


@pytest.mark.parametrize(("operator", "arguments", "body"), GOLDEN.values(), ids=GOLDEN.keys())
def test_a_batch_request_of_the_same_words_has_the_same_body(
    operator: type[Any], arguments: dict[str, Any], body: dict[str, Any]
) -> None:
    entry = requests.checked(BATCH[operator]("row", **further(arguments)), 0)
    (made,) = entry["batch_request"].values()
    assert made == body


@pytest.mark.parametrize(
    ("operator", "arguments"),
    [
        (GENERATE, {"prompt": "a mug", "aspect_ratio": None, "resolution": None, "quality": None}),
        (EDIT, {"prompt": "a mug", "image": "file_1", "quality": None}),
        (FILM, {"prompt": "waves", "resolution": None, "generate_audio": "False"}),
        (FILM, {"prompt": "None", "image": "file_1", "resolution": "", "generate_audio": "None"}),
    ],
)
def test_what_is_left_out_on_purpose_is_left_out_of_a_batch_request_too(
    operator: type[Any], arguments: dict[str, Any]
) -> None:
    entry = requests.checked(BATCH[operator]("row", **arguments), 0)
    (made,) = entry["batch_request"].values()
    assert made == body_of(operator, arguments)


HOOK: dict[Any, Any] = {GENERATE: GrokHook.generate, EDIT: GrokHook.edit, FILM: GrokHook.video}


class _Sent(Exception):
    """The hook is about to buy."""


#: The hook takes values: no text that a template has rendered, no nested lists.
RENDERED = {
    "a picture, rendered text",
    "an edit of several",
    "an edit of several, text of a list",
    "a film, rendered text",
}
IN_HOOK = {
    name: (operator, arguments)
    for name, (operator, arguments, _) in GOLDEN.items()
    if operator in HOOK and name not in RENDERED
}


@pytest.mark.parametrize(("operator", "arguments"), IN_HOOK.values(), ids=IN_HOOK.keys())
def test_the_hook_makes_the_same_body_of_the_same_words(
    monkeypatch: pytest.MonkeyPatch, operator: type[Any], arguments: dict[str, Any]
) -> None:
    calls: list[Any] = []

    def buy(self: GrokHook, call: Any, **terms: Any) -> Any:
        calls.append((call, terms))
        raise _Sent

    monkeypatch.setattr(GrokHook, "buy", buy)
    named = {{"request_params": "params"}.get(name, name): value for name, value in arguments.items()}
    with pytest.raises(_Sent):
        HOOK[operator](GrokHook(), **named, reuse="always")
    ((call, terms),) = calls
    made = dict(call.body)
    made.pop("deferred", None)
    assert terms == {"reuse": "always"}
    assert made == body_of(operator, arguments)
