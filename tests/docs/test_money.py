"""The chapter on money: prices, waits and commands are the true ones, and its recipe adds up to the bill."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_grok.api import prices
from airflow_provider_grok.api.kinds import KINDS
from airflow_provider_grok.flows.purchases import names, reattach, recorded
from airflow_provider_grok.flows.purchases.key import KEY_LENGTH
from tests.docs.chapters import README, blocks, chapter, section, table

if TYPE_CHECKING:
    from tests.dag_run import RunDag

TEXT = chapter("money")
(RECIPE,) = blocks(TEXT, "python")


def amounts(text: str) -> list[int]:
    """Sums of money, in ticks."""
    return [round(float(amount) * prices.TICKS_PER_USD) for amount in re.findall(r"\$(\d+\.\d+)", text)]


def test_prices_are_those_of_the_package() -> None:
    text = section(TEXT, "Prices")
    assert f"As read on {prices.PRICED_ON}" in text
    first, _, eight_seconds = text.partition("| 8 seconds of")
    rows = table(first)
    per_image = {model: list(prices.values()) for model, prices in prices.IMAGE_PRICES.items()}
    per_image["grok-imagine-image"] = per_image["grok-imagine-image"][:1]
    per_second = {model: list(prices.values()) for model, prices in prices.VIDEO_PRICES.items()}
    assert {model: amounts(rows[model][0]) for model in per_image | per_second} == per_image | per_second
    sources = {model: amounts(rows[model][1])[:1] for model in prices.SOURCE_PRICES}
    assert sources == {model: [price] if price else [] for model, price in prices.SOURCE_PRICES.items()}
    eight = {model: [price * 8 for price in prices] for model, prices in per_second.items()}
    assert {model: amounts("|".join(cells)) for model, cells in table(eight_seconds).items() if model in eight} == eight


def test_waits_and_names_are_those_of_the_package() -> None:
    rows = table(section(TEXT, "`recovery_wait`"))
    said = {
        name: float(rows[word][0].removesuffix(" s"))
        for word, name in (("picture", "image"), ("video", "video"), ("batch", "batch"))
    }
    assert said == {name: facts.recovery_wait for name, facts in KINDS.items()}
    for page in (README, TEXT):
        assert f"{KINDS['image'].recovery_wait:.0f} s" in page
        assert f"{KINDS['video'].recovery_wait:.0f} s" in page
    assert f"{KEY_LENGTH} hex digits" in TEXT
    assert f"at most {names.LONGEST_STEM} characters" in TEXT
    assert f"newest {names.NEWEST} files" in TEXT
    assert recorded.PATIENCE == 60
    assert "A worker waits for a minute of it" in TEXT
    assert reattach.LEAST_LIFETIME == 3600
    assert "live for another hour" in TEXT
    assert 175 <= sum(recorded.WRITE_PAUSES) <= 190
    assert "writes again for three minutes" in TEXT


def test_every_limit_that_a_table_refers_to_is_told() -> None:
    told = set(re.findall(r"^(\d+)\. ", section(TEXT, "Known limits"), re.MULTILINE))
    assert set(re.findall(r"limit (\d+)", TEXT.partition("## Known limits")[0])) <= told


def test_the_recipe_adds_up_to_the_bill(run_dag: RunDag, tmp_path: Path) -> None:
    file = tmp_path / "counted.py"
    file.write_text(RECIPE)
    run = run_dag(file)
    assert run.state == "success"
    charged = sum(charge["ticks"] for charge in run.charges)
    assert [charged] == amounts(TEXT.partition("3 pictures at $0.04: ")[2].splitlines()[0])
    assert run.xcom("cost") == charged / prices.TICKS_PER_USD


def test_the_recipe_counts_a_picture_that_was_billed_and_taken_away(run_dag: RunDag, tmp_path: Path) -> None:
    file = tmp_path / "counted.py"
    file.write_text(RECIPE)
    run_dag.sandbox.faults.add({"method": "POST", "path": "/v1/images/generations", "action": {"moderate": True}})
    run = run_dag(file)
    assert list(run.states.values()).count("failed") == 1
    charged = sum(charge["ticks"] for charge in run.charges)
    assert len(run.charges) == 3
    assert run.xcom("cost") == charged / prices.TICKS_PER_USD
