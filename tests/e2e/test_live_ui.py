"""The plugin as people see it: inside a live Airflow, in Chromium, on a real run's results.

Needs the dependency group `ui` and a Chromium.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect

from .browser import chromium, page, screenshot
from .live import LiveAirflow
from .sandbox import SandboxProcess

DAG = "seen_in_gallery"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """A sandbox whose films are soon there."""
    folder = tmp_path_factory.mktemp("sandbox")
    with SandboxProcess(folder, "--image-seconds", "0.2", "--video-seconds", "1") as running:
        yield running


@pytest.fixture(scope="module")
def airflow(
    airflow_database: Path, sandbox: SandboxProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveAirflow]:
    """Airflow that shows media of the sandbox's host, and previews of `grok_default`."""
    settings = {
        "AIRFLOW__GROK__GALLERY_MEDIA_HOSTS": sandbox.url.removesuffix("/v1"),
        "AIRFLOW__GROK__GALLERY_PREVIEW_CONN_IDS": "grok_default",
    }
    connections = {"grok_default": sandbox.connection}
    home = tmp_path_factory.mktemp("airflow")
    with LiveAirflow(database=airflow_database, connections=connections, variables=settings, home=home) as running:
        yield running


@pytest.fixture(scope="module")
def run(airflow: LiveAirflow) -> str:
    """A run that has ended."""
    started = airflow.trigger(DAG)
    assert airflow.wait(DAG, started, timeout=240) == "success", airflow.states(DAG, started)
    return started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def frame_of(view: Page) -> FrameLocator:
    """The plugin's page inside Airflow's."""
    return view.frame_locator("iframe")


def all_pictures_load(frame: FrameLocator) -> bool:
    """Whether every picture that is in view has come."""
    return bool(
        frame.locator("body").evaluate(
            """async body => {
                const all = [...body.querySelectorAll('figure img')].filter(one => one.src);
                await Promise.all(all.map(one => { one.loading = 'eager'; return one.decode().catch(() => {}); }));
                return all.length > 0 && all.every(one => one.naturalWidth > 0);
            }"""
        )
    )


def test_the_tab_of_a_run_shows_its_results_beside_their_sources(
    airflow: LiveAirflow, run: str, browser: Browser, tmp_path: Path
) -> None:
    with page(browser) as (view, troubles):
        view.goto(f"{airflow.url}/dags/{DAG}/runs/{run}")
        view.get_by_role("link", name="Gallery", exact=True).or_(view.get_by_role("tab", name="Gallery")).last.click()
        frame = frame_of(view)
        expect(frame.locator(".card")).to_have_count(6)
        assert all_pictures_load(frame)
        expect(frame.locator("video")).not_to_have_count(0)
        expect(frame.locator(".strip").last).to_contain_text("photo")
        expect(frame.get_by_text("at night, in the rain").first).to_be_visible()
        screenshot(view, "run", tmp_path)
        assert troubles == []


def test_the_big_view_goes_by_arrow_keys_and_compares_with_the_source(
    airflow: LiveAirflow, run: str, browser: Browser, tmp_path: Path
) -> None:
    with page(browser) as (view, troubles):
        view.goto(f"{airflow.url}/dags/{DAG}/runs/{run}/plugin/grok-gallery-run")
        frame = frame_of(view)
        frame.locator(".card figure").first.click()
        caption = frame.locator("#big .caption")
        expect(caption).to_contain_text("1. ")
        view.keyboard.press("ArrowRight")
        expect(caption).to_contain_text("2. ")
        view.keyboard.press("ArrowLeft")
        expect(caption).to_contain_text("1. ")
        frame.locator("[data-do=compare]").click()
        slider = frame.locator("#big input[type=range]")
        slider.fill("30")
        expect(frame.locator("#big img.over")).to_have_css("clip-path", "inset(0px 70% 0px 0px)")
        frame.locator("#big img.over").evaluate("one => one.decode()")
        screenshot(view, "big", tmp_path)
        view.keyboard.press("Escape")
        expect(frame.locator("#big")).to_be_hidden()
        assert troubles == []


def test_the_tab_of_a_mapped_task_instance_shows_its_own_result(
    airflow: LiveAirflow, run: str, browser: Browser
) -> None:
    with page(browser) as (view, _):
        view.goto(f"{airflow.url}/dags/{DAG}/runs/{run}/tasks/looks/mapped/1/plugin/grok-gallery-task")
        expect(frame_of(view).locator(".card")).to_have_count(1)
        expect(frame_of(view).locator(".card")).to_contain_text("as a paper cut")
        view.goto(f"{airflow.url}/dags/{DAG}/runs/{run}/tasks/relight/plugin/grok-gallery-task")
        expect(frame_of(view).locator(".card")).to_contain_text("morning light")


def test_the_tab_of_a_dag_shows_its_runs(airflow: LiveAirflow, run: str, browser: Browser) -> None:
    with page(browser) as (view, _):
        view.goto(f"{airflow.url}/dags/{DAG}/plugin/grok-gallery-dag")
        expect(frame_of(view).locator(".card")).to_have_count(6)


def test_a_link_opens_outside_of_the_frame(airflow: LiveAirflow, run: str, browser: Browser) -> None:
    with page(browser) as (view, _):
        view.goto(f"{airflow.url}/dags/{DAG}/runs/{run}/tasks/relight/plugin/grok-gallery-task")
        frame_of(view).locator("summary").click()
        with view.context.expect_page() as opened:
            frame_of(view).locator("a.outward").first.click()
        assert "/files-cdn/" in opened.value.url


def test_a_link_that_has_ended_leaves_a_placeholder(
    airflow: LiveAirflow, sandbox: SandboxProcess, run: str, browser: Browser
) -> None:
    with page(browser) as (view, _):
        view.route("**/files-cdn/**", lambda route: route.fulfill(status=404))
        view.route("**/grok/previews/**", lambda route: route.fulfill(status=404))
        view.route(f"{sandbox.url.removesuffix('/v1')}/**", lambda route: route.fulfill(status=404))
        view.goto(f"{airflow.url}/dags/{DAG}/runs/{run}/tasks/relight/plugin/grok-gallery-task")
        expect(frame_of(view).locator(".after .none")).to_contain_text("cannot be loaded")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_entry_in_the_navigation_is_readable_on_a_phone(
    airflow: LiveAirflow, run: str, browser: Browser, tmp_path: Path, dark: bool
) -> None:
    with page(browser, width=390, height=844, dark=dark) as (view, troubles):
        view.goto(f"{airflow.url}/plugin/grok-gallery")
        frame = frame_of(view)
        expect(frame.get_by_role("link", name=DAG).first).to_be_visible()
        assert frame.locator("html").evaluate("one => one.scrollWidth <= one.clientWidth")
        screenshot(view, f"phone-{'dark' if dark else 'light'}", tmp_path)
        frame.get_by_role("link", name=DAG).first.click()
        expect(frame.locator(".card")).to_have_count(6)
        assert frame.locator("html").evaluate("one => one.scrollWidth <= one.clientWidth")
        theme = view.evaluate("document.documentElement.className")
        assert frame.locator("html").get_attribute("data-theme") == ("dark" if "dark" in theme else "light")
        screenshot(view, f"phone-run-{'dark' if dark else 'light'}", tmp_path)
        assert troubles == []


def test_spend_is_shown_and_downloaded(airflow: LiveAirflow, run: str, browser: Browser, tmp_path: Path) -> None:
    with page(browser) as (view, troubles):
        view.goto(f"{airflow.url}/plugin/grok-spend")
        frame = frame_of(view)
        frame.locator("select[name=by]").select_option("task")
        frame.get_by_role("button", name="Show").click()
        expect(frame.locator("tbody")).to_contain_text(f"{DAG}.film")
        expect(frame.locator("svg.bars rect.exact").first).to_be_visible()
        screenshot(view, "spend", tmp_path)
        with view.expect_download() as got:
            frame.locator("a.download").click()
        text = Path(got.value.path()).read_text()
        assert got.value.suggested_filename == "grok-spend-by-task.csv"
        assert f"{DAG}.looks," in text
        assert troubles == []


def test_the_airflow_command_lists_the_plugin(airflow: LiveAirflow) -> None:
    command = [sys.executable, "-m", "airflow", "plugins", "--output", "json"]
    done = subprocess.run(command, env=airflow.environment, capture_output=True, text=True, check=True)
    assert '"grok"' in done.stdout
    assert "grok-gallery-run" in done.stdout


def test_the_key_is_nowhere_in_what_airflow_wrote(airflow: LiveAirflow, sandbox: SandboxProcess, run: str) -> None:
    key = sandbox.connection.split('"password": "')[1].split('"')[0]
    assert key not in airflow.log_text()
