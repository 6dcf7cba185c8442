"""Ids: repeatable by seed, never given twice."""

from __future__ import annotations

from pathlib import Path

from airflow_provider_grok.sandbox.ids import Ids, number_from
from airflow_provider_grok.sandbox.store import Store


def drawn(folder: Path, seed: int | None, count: int = 3) -> list[str]:
    store = Store(folder)
    ids = Ids(store, seed)
    found = [ids.uuid() for _ in range(count)]
    store.close()
    return found


def test_the_same_seed_gives_the_same_ids(tmp_path: Path) -> None:
    assert drawn(tmp_path / "a", 5) == drawn(tmp_path / "b", 5) != drawn(tmp_path / "c", 6)


def test_no_seed_gives_others_each_time(tmp_path: Path) -> None:
    assert drawn(tmp_path / "a", None) != drawn(tmp_path / "b", None)


def test_a_restart_goes_on_with_new_ids(tmp_path: Path) -> None:
    assert not set(drawn(tmp_path, 5)) & set(drawn(tmp_path, 5))


def test_a_token_is_22_characters_that_may_stand_in_a_url(tmp_path: Path) -> None:
    token = Ids(Store(tmp_path), 1).token()
    assert len(token) == 22
    assert token.replace("-", "").replace("_", "").isalnum()


def test_a_number_follows_from_its_text() -> None:
    assert number_from("a") == number_from("a") != number_from("b")
