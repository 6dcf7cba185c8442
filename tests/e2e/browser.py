"""Chromium without a window, driven by playwright: the system's own, for playwright's downloads need another host."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")


def executable() -> str:
    """The browser's path.

    :raises RuntimeError: there is none
    """
    for name in NAMES:
        if path := shutil.which(name):
            return path
    raise RuntimeError("These tests need a Chromium: apt-get install chromium")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser, closed at the end."""
    with sync_playwright() as driver:
        # A container has no sandbox of its own to give, and little shared memory.
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = driver.chromium.launch(executable_path=executable(), args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def page(
    browser: Browser, *, width: int = 1400, height: int = 900, dark: bool = False, token: tuple[str, str] | None = None
) -> Iterator[tuple[Page, list[str]]]:
    """A page of its own, and what goes wrong on it: errors of scripts, refusals by the Content-Security-Policy.

    :param token: address and token of a signed-in user
    """
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", accept_downloads=True
    )
    if token:
        context.add_cookies([{"name": "_token", "value": token[1], "url": token[0]}])
    found = context.new_page()
    troubles: list[str] = []
    found.on("pageerror", lambda error: troubles.append(f"script: {error}"))
    found.on(
        "console",
        lambda said: troubles.append(said.text) if "Content Security Policy" in said.text else None,
    )
    try:
        yield found, troubles
    finally:
        context.close()


def screenshot(page: Page, name: str, folder: Path) -> None:
    """Keep what the page looks like; where GROK_SCREENSHOTS names a folder, there.

    :param name: without its ending
    :param folder: where it goes otherwise
    """
    there = Path(os.environ.get("GROK_SCREENSHOTS", folder))
    there.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=there / f"{name}.png")
