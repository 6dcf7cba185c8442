"""Files over a socket: upload, list, find, read, delete, share, revoke."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from airflow_provider_grok.api import errors, files


def png(path: Path, colour: str = "red", size: int = 32) -> Path:
    Image.new("RGB", (size, size), colour).save(path, "PNG")
    return path


@pytest.fixture
def mug(tmp_path: Path) -> Path:
    return png(tmp_path / "mug.png")


def test_an_uploaded_file_comes_back_byte_for_byte(carry: Any, mug: Path, tmp_path: Path) -> None:
    stored = carry(files.upload(mug))
    got = carry(files.content(stored.id, tmp_path / "copy"))
    assert (tmp_path / "copy").read_bytes() == mug.read_bytes()
    assert (got.length, got.sha256) == (stored.bytes, hashlib.sha256(mug.read_bytes()).hexdigest())
    assert (stored.filename, stored.bytes, stored.expires_at) == ("mug.png", mug.stat().st_size, None)
    assert carry(files.get(stored.id)) == stored


def test_a_file_with_a_life_ends_on_time(carry: Any, sandbox: Any, mug: Path) -> None:
    stored = carry(files.upload(mug, expires_after=3600))
    assert stored.expires_at == stored.created_at + 3600
    sandbox.clock.advance(3601)
    with pytest.raises(errors.NotFound):
        carry(files.get(stored.id))


def test_an_upload_may_have_another_name(buy: Any, mug: Path) -> None:
    assert buy(files.upload(mug, filename="Becher für Köln (1).png")).filename == "Becher für Köln (1).png"


@pytest.mark.parametrize("life", [0, 3599, 2_592_001, -1, True, 3600.5])
def test_a_life_out_of_bounds_is_refused_in_words(mug: Path, life: Any) -> None:
    with pytest.raises(errors.InvalidRequest, match=r"3600 to 2592000 .*1 hour to 30 days"):
        files.upload(mug, expires_after=life)


@pytest.mark.parametrize("name", ['a"b.png', "a;b", "a\\b", "a\nb", "a\x85b", "a\u2028b", "\x00", "x" * 256])
def test_a_name_that_the_server_refuses_is_refused_before(mug: Path, name: str) -> None:
    with pytest.raises(errors.InvalidRequest, match="filename"):
        files.upload(mug, filename=name)


def test_files_that_are_missing_empty_or_too_large_are_refused_before(tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidRequest, match="There is no file"):
        files.upload(tmp_path / "absent.png")
    (tmp_path / "empty.png").touch()
    with pytest.raises(errors.InvalidRequest, match="has 0 bytes"):
        files.upload(tmp_path / "empty.png")
    with (tmp_path / "large.bin").open("wb") as file:
        file.truncate(48_000_001)
    with pytest.raises(errors.InvalidRequest, match=r"48000001 bytes; the API takes 1 to 48000000 \(48 MB\)"):
        files.upload(tmp_path / "large.bin")


@pytest.mark.parametrize("file_id", ["", "../me", "a/b", "a?b", "https://x.ai/a", "-x", "a b", "a\n", None, ["file_1"]])
def test_what_is_no_file_id_never_reaches_a_path(file_id: Any) -> None:
    with pytest.raises(errors.InvalidRequest, match="is no file id"):
        files.get(file_id)


def test_a_second_delete_is_a_404(carry: Any, mug: Path) -> None:
    stored = carry(files.upload(mug))
    assert carry(files.delete(stored.id)).deleted
    with pytest.raises(errors.NotFound):
        carry(files.delete(stored.id))


def test_a_delete_whose_answer_was_lost_succeeds(carry: Any, sandbox: Any, mug: Path) -> None:
    stored = carry(files.upload(mug))
    sandbox.faults.add({"method": "DELETE", "action": {"drop": "after"}})
    assert carry(files.delete(stored.id)).deleted
    assert [entry["status"] for entry in sandbox.journal if entry["method"] == "DELETE"][-1] == 404


@pytest.mark.parametrize(("count", "pages"), [(0, 1), (3, 2), (100, 2), (101, 3)])
def test_a_listing_ends_with_the_first_empty_page(buy: Any, sandbox: Any, mug: Path, count: int, pages: int) -> None:
    made = [buy(files.upload(mug, filename=f"{index}.png")).id for index in range(count)]
    before = len(sandbox.journal)
    found = buy(files.listing(order="asc"))
    assert sorted(file.id for file in found) == sorted(made)
    asked = sandbox.journal[before:]
    assert len(asked) == pages
    assert all({"order", "sort_by", "limit"} <= set(entry["query"]) for entry in asked)


def test_a_listing_of_a_server_that_repeats_its_page_ends(ask: Any, script: Any) -> None:
    page = ", ".join(f'{{"id": "file_{index}"}}' for index in range(100))
    for _ in range(3):
        script.say(200, f'{{"data": [{page}], "pagination_token": "t"}}')
    assert len(ask(files.listing())) == 100
    assert len(script.requests) == 2


def test_a_listing_asks_for_no_more_than_wanted(buy: Any, sandbox: Any, mug: Path) -> None:
    for index in range(4):
        buy(files.upload(mug, filename=f"{index}.png"))
    before = len(sandbox.journal)
    assert len(buy(files.listing(limit=2))) == 2
    assert len(sandbox.journal) - before == 1


def test_a_file_is_found_by_its_exact_name_newest_first(carry: Any, sandbox: Any, mug: Path, tmp_path: Path) -> None:
    first = carry(files.upload(mug))
    sandbox.clock.advance(10)
    carry(files.upload(mug, filename="mug.png.png"))
    second = carry(files.upload(png(tmp_path / "other", "blue", 64), filename="mug.png"))
    assert [file.id for file in carry(files.find("mug.png"))] == [second.id, first.id]
    assert [file.id for file in carry(files.find("mug.png", size=first.bytes))] == [first.id]
    assert carry(files.find("absent.png")) == []


def test_a_server_that_refuses_the_filter_is_asked_without_it(ask: Any, script: Any) -> None:
    script.say(400, '{"code": "invalid-argument", "error": "filter: unknown field name"}')
    script.say(200, '{"data": [{"id": "file_1", "filename": "a.png"}, {"id": "file_2", "filename": "b.png"}]}')
    assert [file.id for file in ask(files.find("a.png"))] == ["file_1"]


def test_where_the_search_finds_nothing_the_newest_files_are_gone_through(ask: Any, script: Any) -> None:
    script.say(200, '{"data": []}')
    script.say(
        200,
        '{"data": [{"id": "file_2", "filename": "a.png", "created_at": 20},'
        ' {"id": "file_1", "filename": "a.png", "created_at": 10}], "pagination_token": "more"}',
    )
    assert [file.id for file in ask(files.find("a.png", since=15))] == ["file_2"]
    assert len(script.requests) == 2


def test_a_wrong_key_is_not_taken_for_a_refused_filter(ask: Any, script: Any) -> None:
    script.say(400, '{"code": "invalid-argument", "error": "Incorrect API key provided"}')
    with pytest.raises(errors.PermissionDenied):
        ask(files.find("a.png"))


def test_a_name_cannot_break_out_of_the_filter(ask: Any, script: Any) -> None:
    script.say(200, '{"data": []}')
    ask(files.find('a" OR "\\'))
    assert b"a%5C%22+OR+%5C%22%5C%5C%22" in script.requests[0]


def test_a_link_is_made_once_prolonged_and_withdrawn(carry: Any, mug: Path) -> None:
    stored = carry(files.upload(mug))
    endless = carry(files.share(stored.id))
    assert endless.expires_at is None
    ending = carry(files.share(stored.id, 7200))
    assert ending.public_url == endless.public_url
    assert carry(files.get(stored.id)).public_url_expires_at == ending.expires_at
    assert carry(files.revoke(stored.id)).revoked
    assert not carry(files.revoke(stored.id)).revoked
    assert carry(files.share(stored.id)).public_url != endless.public_url


def test_a_link_may_not_live_shorter_than_an_hour() -> None:
    with pytest.raises(errors.InvalidRequest, match="expires_after=60"):
        files.share("file_1", 60)


def test_a_public_link_can_be_fetched_without_the_key(carry: Any, mug: Path, tmp_path: Path) -> None:
    url = carry(files.share(carry(files.upload(mug)).id)).public_url
    got = carry(files.fetch(carry.endpoint, url, tmp_path / "got"))
    assert got.sha256 == hashlib.sha256(mug.read_bytes()).hexdigest()


@pytest.mark.parametrize("body", ['{"id": "file_1"}', '{"id": "file_1", "bytes": null, "filename": null, "new": [1]}'])
def test_missing_and_new_fields_do_not_break_reading(ask: Any, script: Any, body: str) -> None:
    script.say(200, body)
    got = ask(files.get("file_1"))
    assert (got.id, got.bytes, got.filename, got.expires_at) == ("file_1", 0, "", None)


def test_a_record_without_its_id_is_not_the_api(ask: Any, script: Any) -> None:
    for _ in range(5):
        script.say(200, '{"status": "ok"}')
    with pytest.raises(errors.NotAnApiResponse, match="no File: field 'id'"):
        ask(files.get("file_1"))


def page_of(ids: range, token: str | None = "t") -> str:
    data = ", ".join(f'{{"id": "file_{index}", "created_at": 100}}' for index in ids)
    return f'{{"data": [{data}]' + (f', "pagination_token": "{token}"' if token else "") + "}"


def test_pages_that_are_shorter_than_asked_end_no_listing(ask: Any, script: Any) -> None:
    for page in (range(50), range(50, 100), range(100, 103)):
        script.say(200, page_of(page, f"after-{page.stop}"))
    script.say(200, '{"data": [], "pagination_token": "end"}')
    assert len(ask(files.listing())) == 103


def test_pages_that_shift_under_the_reader_end_no_listing(ask: Any, script: Any) -> None:
    for number, page in enumerate((range(100), range(100), range(90, 190))):
        script.say(200, page_of(page, f"t{number}"))
    script.say(200, page_of(range(190, 191), None))
    assert [file.id for file in ask(files.listing())] == [f"file_{index}" for index in range(191)]


def test_a_server_that_gives_the_same_page_under_ever_new_tokens_ends_too(ask: Any, script: Any) -> None:
    for number in range(4):
        script.say(200, page_of(range(100), f"t{number}"))
    assert len(ask(files.listing())) == 100


def test_the_newest_files_are_gone_through_in_short_pages_too(ask: Any, script: Any) -> None:
    script.say(200, '{"data": []}')
    script.say(200, page_of(range(50), "a"))
    script.say(200, '{"data": [{"id": "file_x", "filename": "a.png", "created_at": 50}], "pagination_token": "b"}')
    script.say(200, '{"data": [{"id": "file_y", "filename": "a.png", "created_at": 10}], "pagination_token": "c"}')
    assert [file.id for file in ask(files.find("a.png", since=15))] == ["file_x"]
