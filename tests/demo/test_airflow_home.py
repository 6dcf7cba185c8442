"""The demo's home: a home of its own, nothing of another Airflow in it, and gone afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_provider_grok.demo import examples
from airflow_provider_grok.demo.airflow_home import AirflowHome
from airflow_provider_grok.demo.examples import example_dags


def test_the_examples_beside_the_package_are_found_in_a_checkout() -> None:
    assert example_dags() == Path(__file__).parents[2] / "example_dags"


def test_the_examples_inside_the_package_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "airflow_provider_grok"
    monkeypatch.setattr(examples, "__file__", str(package / "demo" / "examples.py"))
    with pytest.raises(FileNotFoundError, match="Install the package anew"):
        example_dags()
    for folder in (package.parent / "example_dags", package / "example_dags"):
        folder.mkdir(parents=True)
        (folder / "product_shots.py").touch()
        assert example_dags() == folder


def test_settings_of_another_airflow_do_not_get_in_and_nothing_stays_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", "http://elsewhere")
    with AirflowHome("http://127.0.0.1:1/v1", "xai-key", ui=False) as made:
        assert made.environment["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
        assert made.environment["AIRFLOW_HOME"] == str(made.folder)
        assert "AIRFLOW_CONN_OTHER" not in made.environment
        assert [file.name for file in made.dag_file.parent.glob("*.py")] == ["product_shots.py"]
        assert (made.dag_file.parent / "photos" / "coffee.png").is_file()
    assert not made.folder.exists()


def test_with_the_ui_all_examples_are_there() -> None:
    with AirflowHome("http://127.0.0.1:1/v1", "xai-key", ui=True) as made:
        there = {file.name for file in made.dag_file.parent.glob("*.py")}
    assert there == {file.name for file in example_dags().glob("*.py")}


def test_the_ui_wants_a_password_and_answers_to_names_of_this_machine_only() -> None:
    with (
        AirflowHome("http://127.0.0.1:1/v1", "xai-key", ui=True) as one,
        AirflowHome("http://127.0.0.1:1/v1", "k", ui=True) as other,
    ):
        assert one.environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS"] == "False"
        assert one.password != other.password and len(one.password) >= 16
        passwords = Path(one.environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])
        assert json.loads(passwords.read_text()) == {"admin": one.password}
        assert passwords.stat().st_mode & 0o077 == one.folder.stat().st_mode & 0o077 == 0
        assert "TrustedHostMiddleware" in (one.folder / "plugins" / "demo_host_guard.py").read_text()


def test_the_components_read_the_connection_from_the_database() -> None:
    with AirflowHome("http://127.0.0.1:1/v1", "xai-key", ui=True) as made:
        assert "xai-key" in made.environment["AIRFLOW_CONN_GROK_DEFAULT"]
        assert "xai-key" not in str(made.ui_environment)


@pytest.mark.parametrize("paused", [True, False])
def test_examples_that_would_buy_begin_paused(paused: bool) -> None:
    with AirflowHome("http://127.0.0.1:1/v1", "xai-key", ui=True, paused=paused) as made:
        assert made.environment["AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION"] == str(paused)
