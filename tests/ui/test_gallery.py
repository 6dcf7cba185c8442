"""The gallery's cards: what each says of its result, its sources and its link."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_grok.ui import gallery
from airflow_provider_grok.ui.batch_results import lists_of, manifest_rows
from airflow_provider_grok.ui.catalog import Catalog
from airflow_provider_grok.ui.gallery import Card, Filter
from airflow_provider_grok.ui.media import MediaHosts
from airflow_provider_grok.ui.receipts import Receipt, read

from .rows import NOW, row
from .seeding import file_row, receipt

UPLOAD = "hero.0123456789ab.png"


def cards(*rows: Any, previews: bool = False, batches: Any = None) -> list[Card]:
    """The cards of receipts, newest first as the database gives them."""

    def path(told: Receipt, file_id: str) -> str:
        return f"/previews/{told.place.task_id}/{file_id}" if previews else ""

    found = sorted(read(rows), key=lambda one: -one.at)
    return gallery.cards(found, batches or {}, Catalog(NOW, MediaHosts(), path))


def upload(minute: int = 0, **parts: Any) -> Any:
    told = receipt(file_row("file_up", filename=UPLOAD, public_url=None, **parts))
    told["request"] = {"sources": ["hero.png"]}
    return row(told, "upload", minute=minute, operator="GrokUploadOperator")


def acted(task: str, operator: str, minute: int, *files: Any) -> Any:
    told = receipt(*files)
    told["request"] = {"sources": [one["file_id"] for one in files]}
    return row(told, task, minute=minute, operator=operator)


def names(found: Sequence[Card]) -> list[str]:
    return [card.picture.file_id for card in found]


def test_a_shared_result_is_shown_by_its_link() -> None:
    (card,) = cards(row(receipt(file_row())))
    assert card.picture.src == card.picture.link == "https://files-cdn.x.ai/token/file_1.png"
    assert card.states == {"kept", "shown", "link", "bought"}
    assert card.cost is not None
    assert card.cost.usd == 0.04


def test_a_result_without_a_link_says_how_to_get_one() -> None:
    (card,) = cards(row(receipt(file_row(public_url=None))))
    assert not card.picture.src
    assert "share=True" in card.picture.missing
    assert "gallery_preview_conn_ids" in card.picture.missing


def test_a_result_without_a_link_is_previewed_where_that_is_allowed() -> None:
    (card,) = cards(row(receipt(file_row(public_url=None))), previews=True)
    assert card.picture.src == "/previews/edit/file_1"
    assert not card.picture.link


def test_a_link_that_has_ended_is_not_shown() -> None:
    (card,) = cards(row(receipt(file_row(public_url_expires_at=int(NOW) - 1))))
    assert not card.picture.src
    assert "has ended" in card.picture.missing
    assert card.states >= {"kept", "unlinked"}


def test_a_file_that_has_ended_is_neither_linked_nor_previewed() -> None:
    (card,) = cards(row(receipt(file_row(expires_at=int(NOW) - 1))), previews=True)
    assert not card.picture.src
    assert "reached its end" in card.picture.missing


def test_a_link_to_a_foreign_host_is_named_and_not_followed() -> None:
    (card,) = cards(row(receipt(file_row(public_url="https://evil.test/a.png"))))
    assert (card.picture.src, card.picture.link) == ("", "")
    assert "evil.test" in card.picture.missing


def test_results_of_a_mapped_task_come_in_the_order_of_their_indexes() -> None:
    rows = [row(receipt(file_row(f"file_{index}")), map_index=index, minute=9 - index) for index in range(9)]
    assert names(cards(*rows)) == [f"file_{index}" for index in range(9)]


def test_lineage_goes_from_the_photo_to_the_clip() -> None:
    made = [
        upload(),
        row(receipt(file_row("file_a"), sources=["file_up"]), "first", minute=1),
        row(receipt(file_row("file_b"), sources=["file_a"]), "second", minute=2),
        row(receipt(file_row("file_c", filename="x.mp4"), sources=["file_b"]), "clip", minute=3),
    ]
    found = cards(*made)
    assert names(found) == ["file_a", "file_b", "file_c"], "the photo stands beside its results, not among them"
    assert [one.step for one in found[-1].chain] == ["photo", "edit", "edit"]
    assert [one.file_id for one in found[-1].chain] == ["file_up", "file_a", "file_b"]
    assert found[-1].picture.step == "clip"
    assert found[1].source == found[0].picture


def test_a_circle_in_forged_sources_ends() -> None:
    rows = [
        row(receipt(file_row("file_a"), sources=["file_b"]), "a"),
        row(receipt(file_row("file_b"), sources=["file_a"]), "b"),
        row(receipt(file_row("file_c"), sources=["file_c"]), "c"),
    ]
    assert [len(card.chain) for card in cards(*rows)] == [1, 1, 0]


def test_a_source_at_a_foreign_address_is_not_loaded() -> None:
    (card,) = cards(row(receipt(file_row(), sources=["https://evil.test/hero.png"])))
    (source,) = card.sources
    assert not source.src
    assert "evil.test" in source.missing
    assert card.source is None


def test_a_later_share_gives_the_link_and_a_later_unshare_takes_it() -> None:
    made = row(receipt(file_row(public_url=None)), "edit")
    shared = acted("share", "GrokShareOperator", 1, file_row())
    withdrawn = acted("unshare", "GrokUnshareOperator", 2, file_row(public_url=None))
    again = acted("again", "GrokShareOperator", 3, file_row(public_url="https://files-cdn.x.ai/other/file_1.png"))
    (card,) = cards(made, shared)
    assert (card.receipt.place.task_id, card.picture.src) == ("edit", "https://files-cdn.x.ai/token/file_1.png")
    assert not cards(made, shared, withdrawn)[0].picture.src
    assert cards(made, shared, withdrawn, again)[0].picture.src == "https://files-cdn.x.ai/other/file_1.png"


def test_a_deleted_file_says_who_deleted_it_and_one_that_was_spared_does_not() -> None:
    made = row(receipt(file_row()))
    spared = acted("delete", "GrokDeleteOperator", 1, file_row(reason="kept: an upload that other DAGs may use"))
    deleted = acted("delete", "GrokDeleteOperator", 1, file_row())
    assert cards(made, spared)[0].picture.src
    assert cards(made, deleted)[0].picture.missing == "Deleted by task delete."


def test_files_that_a_task_only_acts_on_are_shown_where_nobody_made_them() -> None:
    (card,) = cards(acted("share", "GrokShareOperator", 0, file_row("file_found")))
    assert card.picture.src
    assert card.states == {"kept", "shown", "link"}


def test_an_upload_that_nothing_was_made_of_is_shown() -> None:
    assert names(cards(upload())) == ["file_up"]


def test_what_moderation_took_away_is_told_with_its_reason() -> None:
    lost = file_row(None, filename=None, public_url=None, reason="moderated: the content rules")
    kept, moderated = cards(row(receipt(file_row(), lost)))
    assert moderated.states == {"missing", "moderated", "bought"}
    assert moderated.picture.missing == "moderated: the content rules"
    assert kept.cost is not None
    assert kept.cost.usd == 0.02, "half of what both cost"


def test_a_task_that_failed_before_it_had_a_result_is_told() -> None:
    (card,) = cards(row(receipt()))
    assert card.states == {"missing", "bought"}
    assert "failed" in card.picture.missing


def test_a_receipt_that_cannot_be_read_is_told() -> None:
    (card,) = cards(row("s3://bucket/key"))
    assert card.states == {"unreadable"}
    assert "Task edit" in card.picture.missing


def test_the_filter_takes_state_task_and_every_word_of_the_text() -> None:
    found = cards(
        row(receipt(file_row("file_a"), prompt="A Red mug"), "one"),
        row(receipt(file_row("file_b"), prompt="a blue mug", reused=True), "two"),
    )

    def taken(**wanted: str) -> list[str]:
        return names([card for card in found if Filter(**wanted).takes(card)])

    assert taken() == ["file_a", "file_b"]
    assert taken(state="reused") == ["file_b"]
    assert taken(task="one") == ["file_a"]
    assert taken(words="MUG red") == ["file_a"]
    assert taken(words="file_b") == ["file_b"]
    assert taken(words="green") == []


def persisted(**counts: int) -> dict[str, Any]:
    told = receipt(request_id="batch_1", counts={"requests": 2, **counts})
    del told["files"]
    del told["request"]
    return told


def test_a_batch_without_previews_is_shown_by_its_lists() -> None:
    lists = lists_of(
        [
            row(["file_a", "file_b"], "keep", key="return_value"),
            row(["https://files-cdn.x.ai/t/file_a.png", None], "keep", key="public_url"),
            row("file_m", "keep", key="manifest"),
        ]
    )
    (there,) = lists.values()
    assert there.manifest == "file_m"
    found = cards(row(persisted(kept=2), "keep"), batches={place: one.rows() for place, one in lists.items()})
    assert names(found) == ["file_a", "file_b"]
    assert [bool(card.picture.src) for card in found] == [True, False]


def test_a_batch_kept_in_an_object_storage_says_where() -> None:
    lists = lists_of([row(["s3://bucket/a.png"], "keep", key="return_value")])
    (card,) = cards(row(persisted(kept=1), "keep"), batches={place: one.rows() for place, one in lists.items()})
    assert card.picture.missing == "Kept at s3://bucket/a.png."


def test_a_manifest_gives_requests_costs_and_reasons() -> None:
    lines = [
        '{"batch_request_id": "row-1", "state": "kept", "files": [{"file_id": "file_a"}], "cost_in_usd_ticks": 7}',
        '{"batch_request_id": "row-2", "state": "moderated", "files": [], "reason": "moderated: rules"}',
        '{"batch_request_id": "row-3", "state": "lost", "reason": "its link had died"}',
        "{broken",
        "[]",
        "",
    ]
    kept, moderated, lost = manifest_rows(lines)
    assert (kept.file_id, kept.request_id, kept.ticks) == ("file_a", "row-1", 7)
    assert (moderated.file_id, moderated.reason) == (None, "moderated: rules")
    assert lost.reason == "lost: its link had died"


def test_the_receipt_that_knows_most_speaks_for_a_batch() -> None:
    sent = receipt(request_id="batch_1", counts={"requests": 2, "added": 2})
    found = gallery.batches_of(read([row(persisted(kept=2), "keep"), row(sent, "send", minute=9)]), {})
    assert [(one.receipt.place.task_id, one.listed) for one in found] == [("keep", 0)]
