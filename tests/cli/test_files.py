"""`airflow-grok files` and `links`: what is listed, shown, deleted and withdrawn, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from airflow_provider_grok.hooks.grok import GrokHook
from tests.cli.conftest import Grok
from tests.dag_run import RunDag

Store = Callable[..., str]


def test_files_are_listed_by_name_link_and_number(grok: Grok, store: Store) -> None:
    first, second = store("shop.hero.png"), store("shop.logo.png", shared=True)
    other = store("other.png")
    listed = grok("files")
    assert listed.code == 0
    assert listed.out[0].split() == ["ID", "NAME", "SIZE", "STORED", "ENDS", "LINK"]
    assert [line.split()[:2] for line in listed.out[1:-1]] == [
        [other, "other.png"],
        [second, "shop.logo.png"],
        [first, "shop.hero.png"],
    ]
    assert listed.out[-1] == "3 files, 48 B."
    found = [json.loads(line)["id"] for line in grok("files", "list", "--match", "shop.*", "--json").out]
    assert found == [second, first]
    assert [json.loads(line)["id"] for line in grok("files", "--match", "shop.*", "--limit", "1", "--json").out] == [
        second
    ]
    assert [json.loads(line)["id"] for line in grok("files", "list", "--shared", "--json").out] == [second]
    assert grok("files", "--older-than", "1d").out[-1] == "0 files, 0 B."


def test_a_file_is_shown_with_all_its_fields(grok: Grok, store: Store) -> None:
    file_id = store("hero.png", shared=True)
    shown = grok("files", "show", file_id)
    assert shown.code == 0
    fields = dict(line.split(None, 1) for line in shown.out)
    assert (fields["id"], fields["filename"], fields["bytes"]) == (file_id, "hero.png", "16")
    assert fields["public_url"].startswith("http")
    (row,) = [json.loads(line) for line in grok("files", "show", file_id, "--json").out]
    assert row["public_url"] == fields["public_url"]


def test_nothing_is_deleted_without_a_yes_and_all_is_told_with_it(grok: Grok, store: Store, run_dag: RunDag) -> None:
    kept, gone = store("keep.png"), store("shop.png")
    refused = grok("files", "delete", "--match", "shop*")
    assert refused.code == 2
    assert "Nobody is there to ask, so nothing was done" in refused.err
    assert len(GrokHook().list_files()) == 2
    done = grok("files", "delete", "--match", "shop*", "--yes")
    assert (done.code, done.out[-1]) == (0, f"deleted {gone}")
    assert [file.id for file in GrokHook().list_files()] == [kept]
    again = grok("files", "delete", "--yes", gone)
    assert (again.code, again.out) == (0, [f"gone already {gone}"])


def test_a_failure_is_told_does_not_stop_the_rest_and_shows_in_the_exit_code(
    grok: Grok, store: Store, run_dag: RunDag
) -> None:
    first, second = store("a.png"), store("b.png")
    run_dag.sandbox.faults.add(
        {"method": "DELETE", "path": f"/v1/files/{first}", "action": {"status": 403, "body": {"error": "no"}}}
    )
    done = grok("files", "delete", first, second, "--yes")
    assert done.code == 1
    assert done.out == [f"deleted {second}"]
    assert first in done.err
    assert "1 of 2 failed" in done.err


@pytest.mark.parametrize("words", [["files", "delete"], ["links", "revoke"], ["batches", "cancel"]])
def test_a_change_wants_either_ids_or_filters(grok: Grok, words: list[str]) -> None:
    for more in ([], ["some_id", "--match", "*"]):
        refused = grok(*words, "--yes", *more)
        assert refused.code == 2
        assert "Nothing was done" in refused.err


def test_links_are_listed_shown_and_withdrawn(grok: Grok, store: Store) -> None:
    shared, private = store("shop.png", shared=True), store("other.png")
    listed = grok("links")
    assert [line.split()[:2] for line in listed.out[1:-1]] == [[shared, "shop.png"]]
    (url,) = grok("links", "show", shared).out
    assert listed.out[1].endswith(url)
    assert (grok("links", "show", private).code, grok("links", "list", "--endless", "--json").out != []) == (1, True)
    assert grok("links", "list", "--ends-within", "1d").out[-1].startswith("0 links")
    done = grok("links", "revoke", "--match", "*", "--yes")
    assert done.out[-1] == f"revoked the link of {shared}"
    assert grok("links").out[-1].startswith("0 links")
    assert grok("links", "revoke", private, "--yes").out == [f"had no link: {private}"]
    assert len(GrokHook().list_files()) == 2


def test_what_is_no_number_or_no_age_is_refused(grok: Grok) -> None:
    for words in (["files", "--limit", "0"], ["files", "--older-than", "soon"], ["batches", "--state", "lost"]):
        with pytest.raises(SystemExit, match="2"):
            grok(*words)


def test_names_of_files_cannot_turn_a_terminal_around(grok: Grok, store: Store) -> None:
    store("a[red]\u202egnp.exe")
    listed = grok("files")
    assert "[red]" in listed.out[1]
    assert "\u202e" not in listed.out[1]
