"""The demo's stage: a home of its own, nothing of another Airflow in it, and gone afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_grok.demo import stage
from airflow_provider_grok.demo.stage import Stage, example_dags


def test_the_examples_beside_the_package_are_found_in_a_checkout() -> None:
    assert example_dags() == Path(__file__).parents[2] / "example_dags"


def test_the_examples_inside_the_package_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "airflow_provider_grok"
    monkeypatch.setattr(stage, "__file__", str(package / "demo" / "stage.py"))
    with pytest.raises(FileNotFoundError, match="Install the package anew"):
        example_dags()
    for folder in (package.parent / "example_dags", package / "example_dags"):
        folder.mkdir(parents=True)
        (folder / "product_shots.py").touch()
        assert example_dags() == folder


def test_settings_of_another_airflow_do_not_get_in_and_nothing_stays_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", "http://elsewhere")
    with Stage("http://127.0.0.1:1/v1", "xai-key", ui=False) as made:
        assert made.environment["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
        assert made.environment["AIRFLOW_HOME"] == str(made.home)
        assert "AIRFLOW_CONN_OTHER" not in made.environment
        assert [file.name for file in made.dag_file.parent.glob("*.py")] == ["product_shots.py"]
        assert (made.dag_file.parent / "photos" / "coffee.png").is_file()
    assert not made.home.exists()


def test_with_the_ui_all_examples_are_there() -> None:
    with Stage("http://127.0.0.1:1/v1", "xai-key", ui=True) as made:
        there = {file.name for file in made.dag_file.parent.glob("*.py")}
    assert there == {file.name for file in example_dags().glob("*.py")}
