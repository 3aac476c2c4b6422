"""A headless Chromium for tests: one for each module that asks, and a page that fails the test on any complaint in its console."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def chromium_path() -> str:
    """The browser of the system. Without one the tests are skipped, and fail where CI is set, so that nobody misses it there."""
    found = os.environ.get("ATTN_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        told = f"NO BROWSER: none of {', '.join(NAMES)} is installed (apt-get install chromium, or set ATTN_CHROMIUM)"
        if os.environ.get("CI"):
            pytest.fail(told)
        pytest.skip(told)
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, path: Path, scheme: Literal["light", "dark"] = "light") -> Iterator[Page]:
    """A page from disk, offline. Anything in its console, any error, and any request for another file fails the test."""
    size: Any = {"width": 1280, "height": 800}
    context = browser.new_context(viewport=size, color_scheme=scheme, offline=True, reduced_motion="reduce")
    context.set_default_timeout(15_000)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request", lambda request: complaints.append(request.url) if request.url != path.as_uri() and request.url[:5] != "blob:" else None
    )
    page.goto(path.as_uri())
    yield page
    context.close()
    assert complaints == []
