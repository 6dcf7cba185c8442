"""What Airflow loads at its start: light, complete, and the app only when somebody asks for it."""

from __future__ import annotations

import ast
import subprocess
import sys
from typing import Any

import pytest
from airflow.plugins_manager import AirflowPlugin

from airflow_provider_grok.ui.app import _keeping
from airflow_provider_grok.ui.paths import Paths
from airflow_provider_grok.ui.plugin import PREFIX, GrokPlugin
from airflow_provider_grok.ui.receipts import Place
from airflow_provider_grok.ui.templating import duration, usd

MODULES_OF_A_START = """
import sys
import airflow.plugins_manager
before = set(sys.modules)
import airflow_provider_grok.ui.plugin
print(sorted(set(sys.modules) - before))
"""


def test_loading_the_plugin_loads_no_module_beside_it() -> None:
    done = subprocess.run([sys.executable, "-c", MODULES_OF_A_START], capture_output=True, text=True, check=True)
    ours = {"airflow_provider_grok", "airflow_provider_grok.ui", "airflow_provider_grok.ui.plugin"}
    assert set(ast.literal_eval(done.stdout.strip().splitlines()[-1])) <= ours


def test_airflow_finds_it_and_takes_all_of_its_views() -> None:
    from airflow import plugins_manager

    found, problems = plugins_manager._get_plugins()
    assert not problems
    assert [one.name for one in found if type(one).__name__ == "GrokPlugin"] == ["grok"]
    routes = {view["url_route"] for view in plugins_manager._get_ui_plugins()[0]}
    assert {str(view["url_route"]) for view in GrokPlugin.external_views} <= routes


def test_every_view_is_accepted_by_airflow_s_own_schema() -> None:
    from airflow.api_fastapi.core_api.datamodels.plugins import ExternalViewResponse

    for view in GrokPlugin.external_views:
        assert ExternalViewResponse.model_validate(view).destination in ("nav", "dag", "dag_run", "task_instance")


@pytest.mark.parametrize("view", GrokPlugin.external_views, ids=lambda view: str(view["url_route"]))
def test_a_view_s_address_is_relative_and_below_the_plugin(view: dict[str, Any]) -> None:
    for name in ("href", "icon", "icon_dark_mode"):
        assert view[name].startswith(f"{PREFIX[1:]}/")


def test_the_plugin_is_a_plugin() -> None:
    assert issubclass(GrokPlugin, AirflowPlugin)


def test_addresses_keep_what_airflow_would_write_in_the_same_way() -> None:
    place = Place("shop", "manual__2026-11-20T12:00:00+00:00", "group.edit", 3)
    paths = Paths("/airflow/grok")
    run = "/airflow/grok/gallery/dags/shop/run/manual__2026-11-20T12:00:00+00:00"
    assert paths.gallery(Place("shop", place.run_id, "")) == run
    assert paths.gallery(place) == run.replace("/run/", "/task/group.edit/3/run/")
    assert paths.gallery(Place("a/b?c#d%", "", "")) == "/airflow/grok/gallery/dags/a%2Fb%3Fc%23d%25"
    there = "dags/shop/runs/manual__2026-11-20T12:00:00+00:00/tasks/group.edit/mapped/3"
    assert paths.in_airflow(place) == there


@pytest.mark.parametrize("root", ["", "/airflow"])
def test_only_previews_and_scripts_are_kept_by_browsers(root: str) -> None:
    assert _keeping(f"{root}/grok/previews/dags/a/files/b", 200) == "private, max-age=3600"
    assert _keeping(f"{root}/grok/static/gallery.js", 200) == "private, max-age=300"
    assert _keeping(f"{root}/grok/gallery/dags/previews", 200) == "private, no-store"
    assert _keeping(f"{root}/grok/previews/dags/a/files/b", 404) == "no-store"


def test_amounts_and_durations_are_written_for_people() -> None:
    assert [usd(0), usd(400_000_000), usd(12_345_000_000_000)] == ["0", "0.0400 USD", "1,234.5000 USD"]
    assert [duration(None), duration(4.26), duration(75), duration(7_322)] == ["-", "4.3 s", "1 min 15 s", "2 h 2 min"]
