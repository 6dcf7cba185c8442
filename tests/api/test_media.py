"""Media: what a source may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_grok.api import errors
from airflow_provider_grok.api.media import source


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("file_1", {"file_id": "file_1"}),
        (" file-abc.1 ", {"file_id": "file-abc.1"}),
        ("https://example.com/a.png?x=1", {"url": "https://example.com/a.png?x=1"}),
        ("http://127.0.0.1:8642/a.png", {"url": "http://127.0.0.1:8642/a.png"}),
        ("http://localhost/a.png", {"url": "http://localhost/a.png"}),
    ],
)
def test_a_source_is_a_file_id_or_a_link(value: str, sent: dict[str, str]) -> None:
    assert source(value) == sent


@pytest.mark.parametrize(
    "value", ["data:image/png;base64,AAAA", "/tmp/a.png", "a.png", "./a", "s3://bucket/a", "C:\\a"]
)
def test_bytes_and_paths_are_to_be_uploaded_first(value: str) -> None:
    with pytest.raises(errors.InvalidRequest, match="upload it first with GrokUploadOperator"):
        source(value)


@pytest.mark.parametrize("value", [["file_1"], ("file_1", "file_2"), {"file_1"}])
def test_a_list_of_sources_is_refused_naming_both_ways_out(value: object) -> None:
    with pytest.raises(errors.InvalidRequest, match=r"images=\[.*\.expand\(image="):
        source(value)


@pytest.mark.parametrize("value", [None, "", "None", "   ", 7, "http://example.com/a.png", "https://", "file 1"])
def test_what_is_no_source_is_refused(value: object) -> None:
    with pytest.raises(errors.InvalidRequest):
        source(value)


@pytest.mark.parametrize(("value", "got"), [(b"\xff\xd8" * 10**6, "2000000 bytes"), (Path("/tmp/a.png"), "a path")])
def test_bytes_and_path_objects_are_to_be_uploaded_first(value: object, got: str) -> None:
    with pytest.raises(
        errors.InvalidRequest, match=f"image= got {got}.*upload it first with GrokUploadOperator"
    ) as caught:
        source(value)
    assert len(str(caught.value)) < 300


def test_a_pair_of_a_mapped_dict_is_told_as_such() -> None:
    with pytest.raises(errors.InvalidRequest, match=r"a tuple of 2.*over a list: over a dict it gives pairs"):
        source(("hero", "file_1"))


def test_a_bare_data_url_is_not_repeated_in_the_error() -> None:
    with pytest.raises(errors.InvalidRequest) as caught:
        source("data:image/png;base64," + "A" * 100_000)
    assert len(str(caught.value)) < 400
