"""Whatever a client sends, the sandbox answers soon, in one of its documented forms, and never fails itself."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_grok.sandbox.server import Sandbox
from tests.contract import answer_breaches
from tests.fuzz.documents import objects, scalars, texts, values
from tests.fuzz.pace import fuzz

sources = st.one_of(
    st.fixed_dictionaries({"file_id": texts}),
    st.fixed_dictionaries({"url": texts | st.sampled_from(["data:image/png;base64,AAAA", "http://127.0.0.1:1/a.png"])}),
    values,
)
storage = st.fixed_dictionaries(
    {},
    optional={
        "filename": texts | st.sampled_from(["a.jpg", "../a.jpg", "x" * 300]),
        "expires_after": st.sampled_from([3600, 2592000, 3599]) | scalars,
        "public_url": st.booleans() | st.fixed_dictionaries({"expires_after": st.sampled_from([3600, 1]) | scalars}),
    },
)
models = st.sampled_from(
    ["grok-imagine-image", "grok-imagine-image-2.0", "grok-imagine-video", "grok-imagine-video-1.5", "grok-4.5"]
)
#: The fields of the requests, by endpoint (docs.x.ai, REST reference), each with what it takes and what it does not.
IMAGE = {
    "prompt": st.sampled_from(["a mug", "[{" * 300]) | values,
    "model": models | values,
    "n": st.sampled_from([1, 1, 0, 11]) | values,
    "aspect_ratio": st.sampled_from(["1:1", "auto", "7:1"]) | values,
    "resolution": st.sampled_from(["1k", "8k"]) | values,
    "quality": st.sampled_from(["low", "medium", "auto"]) | values,
    "response_format": st.sampled_from(["url", "b64_json"]) | values,
    "deferred": st.booleans() | values,
    "output": st.fixed_dictionaries({"upload_urls": st.lists(texts, max_size=2)}) | values,
    "storage_options": storage | values,
    "user": texts | values,
}
EDIT = {**IMAGE, "image": sources, "images": st.lists(sources, max_size=6) | values}
FILM = {
    "prompt": st.just("waves") | values,
    "model": models | values,
    "duration": st.sampled_from([1, "1", 16, "x"]) | values,
    "aspect_ratio": st.sampled_from(["16:9", "auto"]) | values,
    "resolution": st.sampled_from(["480p", "4k"]) | values,
    "image": sources,
    "last_frame": sources,
    "keyframes": st.lists(st.fixed_dictionaries({"image": sources, "timestamp_s": scalars}), max_size=5) | values,
    "reference_images": st.lists(sources, max_size=16) | values,
    "reference_audios": st.lists(st.fixed_dictionaries({"voice_id": texts | st.just("eve")}) | values, max_size=4),
    "generate_audio": st.booleans() | values,
    "output": st.fixed_dictionaries({"upload_url": texts}) | values,
    "storage_options": storage | values,
}
REMAKE = {"prompt": texts, "model": models | values, "video": sources, "duration": values, "storage_options": storage}
kinds = st.sampled_from(["image_generation", "image_edit", "video_generation", "video_extension", "nonsense"])
ENTRY = {
    "batch_request_id": texts | values,
    "batch_request": st.dictionaries(kinds, st.fixed_dictionaries({}, optional=EDIT) | values, max_size=2) | values,
}
BODIES: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "/images/generations": IMAGE,
    "/images/edits": EDIT,
    "/videos/generations": FILM,
    "/videos/edits": REMAKE,
    "/videos/extensions": REMAKE,
    "/batches": {"name": texts | values, "input_file_id": texts | values},
    "/batches/BATCH/requests": {
        "batch_requests": st.lists(st.fixed_dictionaries({}, optional=ENTRY) | values, max_size=3)
    },
    "/batches/BATCH:cancel": {"x": values},
    "/files/FILE/public-url": {"expires_after": st.sampled_from([3600, 1]) | values},
    "/files/FILE/public-url/revoke": {"x": values},
}


@pytest.fixture(scope="module")
def places(client: httpx.Client) -> dict[str, str]:
    """Ids of a file and of a batch that are there."""
    files = {"file": ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(8), "image/png")}
    return {
        "FILE": client.post("/files", files=files).json()["id"],
        "BATCH": client.post("/batches", json={"name": "b"}).json()["batch_id"],
    }


def check(answer: httpx.Response) -> None:
    """One of the documented forms: what the API's own schema says, code and error, or the plain text of a 422."""
    assert answer.status_code < 500, answer.text
    assert answer.headers["x-request-id"]
    if answer.status_code == 422:
        assert answer.text.startswith("Failed to deserialize the JSON body into the target type: ")
        return
    request = answer.request
    assert answer_breaches(request.method, request.url.path, answer.status_code, answer.content) == []
    if answer.status_code >= 400:
        assert {"code", "error"} <= answer.json().keys()


def spell(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


@fuzz
@given(path=st.sampled_from(sorted(BODIES)), data=st.data())
def test_a_body_is_served_or_refused(
    client: httpx.Client, places: dict[str, str], path: str, data: st.DataObject
) -> None:
    fields = data.draw(st.fixed_dictionaries({}, optional={**BODIES[path], "else": values}))
    for word, id in places.items():
        path = path.replace(word, id)
    check(client.post(path, content=spell(fields), headers={"content-type": "application/json"}))


@fuzz
@given(
    path=st.sampled_from(sorted(BODIES)),
    body=st.binary(max_size=80) | values.map(spell),
    kind=st.sampled_from(["application/json", "text/plain", "multipart/form-data", "", "application/json; charset=x"]),
)
def test_bytes_of_any_kind_are_refused(client: httpx.Client, path: str, body: bytes, kind: str) -> None:
    check(client.post(path, content=body, headers={"content-type": kind}))


@fuzz
@given(
    method=st.sampled_from(["GET", "DELETE"]),
    path=st.sampled_from(["files", "batches", "images", "videos", "models", "api-key", "image-generation-models"]),
    rest=st.sampled_from(["", "/x", "/%2e%2e", "/%00", "//", "/x/content", "/x/requests", "/x/results"]),
    query=st.dictionaries(
        st.sampled_from(["limit", "order", "sort_by", "filter", "pagination_token", "after", "format"]),
        texts | st.text(max_size=30) | st.sampled_from(["1", "0", "101", "asc", "filename", "-1", "1e3", "\u0661"]),
    ),
)
def test_a_question_is_answered_or_refused(
    client: httpx.Client, method: str, path: str, rest: str, query: dict[str, str]
) -> None:
    check(client.request(method, f"/{path}{rest}", params=query))


names = st.sampled_from(["name", "file_id", "size_bytes", "content_type", "created_at", "public_url", "nonsense"])
signs = st.sampled_from(["=", "!=", ">", "<=", ":", "~", ""])
terms = st.tuples(names, signs, texts.map(lambda text: f'"{text}"') | st.sampled_from(["null", "1", "x", '"', ""])).map(
    " ".join
)
filters = st.recursive(
    terms, lambda inner: st.tuples(inner, st.sampled_from([" AND ", " OR ", " NOT ", ") (", ""]), inner).map("".join)
)


@fuzz
@given(expression=filters | filters.map("NOT ({})".format) | filters.map("({}".format) | st.text(max_size=40))
def test_a_filter_is_understood_or_refused(client: httpx.Client, expression: str) -> None:
    check(client.get("/files", params={"filter": expression}))


def test_what_is_nested_a_thousand_deep_is_refused(sandbox: Sandbox, client: httpx.Client) -> None:
    for expression in ("(" * 5000 + "x", "NOT " * 5000 + "name = 1", "(" * 1000 + 'name = "x"' + ")" * 1000):
        check(client.get("/files", params={"filter": expression}))
    order = f"{sandbox.url.removesuffix('/v1')}/_sandbox/faults"
    for depth in (300, 900, 100_000):
        deep = b'{"x":' * depth + b"1" + b"}" * depth
        check(client.post("/images/generations", content=deep, headers={"content-type": "application/json"}))
        assert client.post(order, content=deep).status_code == 400
    check(client.get("/files"))


parts = st.sampled_from(
    [
        b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.png"\r\n\r\nbytes\r\n',
        b'--b\r\ncontent-disposition: form-data; name="file"; filename="../../a"\r\ncontent-type: \xff\r\n\r\n\r\n',
        b'--b\r\ncontent-disposition: form-data; name="expires_after"\r\n\r\n3600\r\n',
        b'--b\r\ncontent-disposition: form-data; name="expires_after"\r\n\r\n99999999999999999999\r\n',
        b'--b\r\ncontent-disposition: form-data; name="expires_after[anchor]"\r\n\r\ncreated_at\r\n',
        b'--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\n\xff\x00\r\n',
        b"--b\r\ncontent-disposition: attachment; filename*=utf-8''%ff%00%2e%2e%2fa\r\n\r\n\r\n",
        b'--b\r\ncontent-disposition: form-data; name="file"; filename="' + b"x" * 300 + b'"\r\n\r\n\r\n',
        b"--b\r\n\r\n\r\n",
        b"--b--\r\n",
        b"--b",
    ]
)


@fuzz
@given(body=st.lists(parts | st.binary(max_size=30), max_size=5).map(b"".join), end=st.booleans())
def test_an_upload_is_stored_or_refused(client: httpx.Client, body: bytes, end: bool) -> None:
    headers = {"content-type": "multipart/form-data; boundary=b"}
    check(client.post("/files", content=body + (b"--b--\r\n" if end else b""), headers=headers))


#: Faults as the control interface takes them, and as it does not.
ACTION = {
    "status": st.sampled_from([200, 302, 503, 99, 1000]) | scalars,
    "headers": st.dictionaries(texts, values, max_size=2) | values,
    "body": values,
    "base64": texts | st.sampled_from(["", "AAAA", "=="]),
    "drop": st.sampled_from(["before", "after"]) | texts,
    "refuse": st.sampled_from(["credit", "safety", "rate", "x"]) | values,
    "list_lag": st.sampled_from([0, 1, 1e300, -1]) | scalars,
    "not_found_for": st.sampled_from([0, 1, 10**400]) | scalars,
    "moderate": st.booleans() | texts | st.lists(scalars, max_size=2),
}


@fuzz
@given(action=st.fixed_dictionaries({}, optional=ACTION), path=st.sampled_from(["/v1/files", "/v1/files/*", "*"]))
def test_a_fault_that_is_taken_harms_the_requests_it_means_and_no_more(
    sandbox: Sandbox, client: httpx.Client, places: dict[str, str], action: dict[str, Any], path: str
) -> None:
    root = sandbox.url.removesuffix("/v1")
    taken = client.post(f"{root}/_sandbox/faults", content=spell({"path": path, "action": action, "times": None}))
    assert taken.status_code in (200, 400), taken.text
    for asked in ("/files", f"/files/{places['FILE']}"):
        try:
            answer = client.get(asked)
        except httpx.TransportError:
            assert "drop" in action
            continue
        assert answer.status_code != 500 or action.get("status") == 500, answer.text
    assert client.get(f"{root}/_sandbox/faults").status_code == 200
    assert client.get(f"{root}/", params={"view": "faults"}).status_code == 200
    sandbox.faults.clear()
    check(client.get("/files"))


@fuzz
@given(query=st.dictionaries(st.sampled_from(["view", "page", "q", "x"]), texts | st.sampled_from(["jobs", "2", "-1"])))
def test_the_gallery_shows_a_page_whatever_is_asked(
    sandbox: Sandbox, client: httpx.Client, query: dict[str, str]
) -> None:
    answer = client.get(sandbox.url.removesuffix("v1"), params=query)
    assert (answer.status_code, "<h1>" in answer.text) == (200, True)


@fuzz
@given(
    page=st.sampled_from(["clock", "faults", "reset", "journal", "ledger", "health", "media/x", "gallery.zip", "x"]),
    method=st.sampled_from(["GET", "POST", "DELETE"]),
    order=objects | st.fixed_dictionaries({"action": objects}) | st.fixed_dictionaries({"advance": scalars}) | values,
)
def test_the_control_interface_refuses_in_words(
    sandbox: Sandbox, client: httpx.Client, page: str, method: str, order: Any
) -> None:
    root = sandbox.url.removesuffix("/v1")
    answer = client.request(method, f"{root}/_sandbox/{page}", content=spell(order))
    assert answer.status_code < 500, answer.text
    sandbox.faults.clear()
    sandbox.clock.reset()
