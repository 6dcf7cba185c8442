"""The chapter on production: paces, waits and limits are those of the package."""

from __future__ import annotations

from airflow_provider_grok.api import polling
from airflow_provider_grok.api.endpoint import Endpoint
from airflow_provider_grok.api.kinds import KINDS
from tests.docs.chapters import chapter, section, table

TEXT = chapter("production")


def test_paces_are_those_of_the_kinds() -> None:
    said = table(section(TEXT, "Pace"))
    for word, facts in (("picture", KINDS["image"]), ("video", KINDS["video"]), ("batch", KINDS["batch"])):
        assert said[word][0] == f"{facts.shortest_interval:g} to {facts.longest_interval:g} s"
    assert polling.LOST_POLLS == 8
    assert "Eight lost polls in a row" in TEXT
    assert polling.LONGEST_REST == 300
    assert "for five minutes at the most" in TEXT


def test_a_deferrable_task_waits_on_its_worker_as_long_as_the_chapter_says() -> None:
    for page in (TEXT, chapter("operators"), chapter("changelog")):
        assert f"{KINDS['image'].defer_after:.0f} s" in page
        assert f"{KINDS['video'].defer_after:.0f} s" in page


def test_limits_of_requests_are_those_of_the_package() -> None:
    assert f"`max_in_flight` ({Endpoint().max_in_flight})" in TEXT


def test_what_it_runs_on_is_what_the_project_says() -> None:
    from tests.docs.chapters import ROOT

    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '"apache-airflow>=3.3,<4"' in project
    assert "`apache-airflow>=3.3,<4`" in TEXT
    assert '"celery<5.7"' in project
    assert "`celery<5.7`" in TEXT
