"""What the scripts that photograph pages share: the Chromium of the system, one page in it, and small PNG files for docs/pictures."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from pages import DOCS
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

SCALE = 1.5
Scheme = Literal["light", "dark"]


@contextmanager
def chromium() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        sys.exit("no Chromium is installed: apt-get install chromium")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, path: Path, width: int, height: int, scheme: Scheme) -> Iterator[Page]:
    """A file as a page of this size, in pixels of CSS."""
    size: Any = {"width": width, "height": height}
    context = browser.new_context(viewport=size, color_scheme=scheme, device_scale_factor=SCALE, reduced_motion="reduce")
    page = context.new_page()
    page.goto(path.as_uri())
    yield page
    context.close()


def picture(taken: bytes) -> Image.Image:
    return Image.open(BytesIO(taken)).convert("RGB")


def keep(name: str, image: Image.Image) -> None:
    """Write a picture of the documents, in 256 colours."""
    image.quantize(256, dither=Image.Dither.NONE).save(DOCS / "pictures" / f"{name}.png", "PNG", optimize=True)
    print(f"wrote docs/pictures/{name}.png")
