"""Our files are told by their names, in the way that the names are made."""

from __future__ import annotations

import pytest

from airflow_provider_grok.api.files import File
from airflow_provider_grok.flows.files.upload import is_shared_upload
from airflow_provider_grok.flows.purchases import names
from airflow_provider_grok.ui.names import bears_purchase_key, upload_digest

KEY = "0123456789abcd"
DIGEST = "0123456789ab"


@pytest.mark.parametrize(
    "name",
    [
        names.marked_name(KEY, filename=None, default="shop.edit", extension=".png"),
        names.marked_name(KEY, filename="hero.mp4", default="", extension=".mp4"),
        names.marked_name(KEY, filename="hero", default="", extension=""),
        names.result_name("shop.batch", "row-7", KEY, ".jpg", 1),
        names.manifest_name("shop.batch", KEY),
        f"shop.batch.{KEY}.row-7.jpg",
        f"SHOP.EDIT.{KEY.upper()}.PNG",
    ],
)
def test_a_name_that_we_made_bears_our_key(name: str) -> None:
    assert bears_purchase_key(name)


@pytest.mark.parametrize(
    "name", ["hero.png", f"{KEY}.png", f"hero.{KEY}0.png", f"hero.{KEY[:-1]}.png", "", f"a-{KEY}.png"]
)
def test_other_names_do_not(name: str) -> None:
    assert not bears_purchase_key(name)


@pytest.mark.parametrize(
    "name", [f"hero.{DIGEST}.png", f"hero.{DIGEST}", "hero.png", f"hero.{KEY}.png", f"{DIGEST}.png"]
)
def test_an_upload_is_told_as_the_uploads_tell_it(name: str) -> None:
    assert (upload_digest(name) is not None) is is_shared_upload(File(id="file_1", filename=name))
