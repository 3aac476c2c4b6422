"""Photograph the viewer for docs/viewer.md, in the Chromium of the system: `python scripts/screenshots.py`.

Letters differ a little from machine to machine, so no test compares these pictures; look at them before committing new ones.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from pages import DOCS, ROOT
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from attn import view
from attn.compiler.view.viewer import View

FOLDER = DOCS / "pictures"
WIDTH, HEIGHT, SCALE = 1280, 720, 1.5


@dataclass(frozen=True)
class Shot:
    """A picture: the page, and what its reader has done."""

    name: str
    shown: View
    done: str
    scheme: Literal["light", "dark"] = "light"


def shots() -> list[Shot]:
    vit, linformer = view(ROOT / "tests/programs/vit.attn", "vit", heads=4), view("std.linear", "linformer")
    attend = "viewer.choose('b' + viewer.drawingOf(0).boxes.find((box) => viewer.data.facts[box.fact].op === 'attend').id)"
    near = "viewer.active.view.k = 0.95; viewer.active.reveal(viewer.selected, true)"
    wide = "viewer.controls.showText()"
    return [
        Shot("viewer", vit, f"viewer.toggle('layers.0'); viewer.toggle('layers.0.attention'); {attend}; {near}"),
        Shot("viewer-axis", view("std.linear", "efficient_attention"), "viewer.openAll(true); viewer.active.fit(); viewer.pin('N')"),
        Shot("viewer-passes", linformer, f"viewer.setStage(5); viewer.setBeside(0); viewer.toggle('choose'); {attend}; {wide}"),
        Shot(
            "viewer-flops",
            view(ROOT / "examples/gpt.attn", "gpt", D=768, V=50257, N=1024, B=1),
            "byId('colour').value = 'flops'; viewer.colour = 'flops'; viewer.toggle('layers.1'); viewer.choose('glayers.1')",
            "dark",
        ),
    ]


def photograph(browser: Browser, shot: Shot, path: Path) -> bytes:
    size: Any = {"width": WIDTH, "height": HEIGHT}
    context = browser.new_context(viewport=size, color_scheme=shot.scheme, device_scale_factor=SCALE, reduced_motion="reduce")
    page = context.new_page()
    page.goto(shot.shown.save(path).as_uri())
    page.evaluate(f"() => {{ {shot.done}; viewer.changed(); }}")
    page.evaluate("() => viewer.beside !== null && viewer.canvases.forEach((one) => one.fit())")
    taken = page.screenshot()
    context.close()
    few = Image.open(BytesIO(taken)).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    out = BytesIO()
    few.save(out, "PNG", optimize=True)
    return out.getvalue()


def main() -> None:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        sys.exit("no Chromium is installed: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=found, args=["--no-sandbox"])
        for shot in shots():
            (FOLDER / f"{shot.name}.png").write_bytes(photograph(browser, shot, Path(folder) / f"{shot.name}.html"))
            print(f"wrote docs/pictures/{shot.name}.png")
        browser.close()


if __name__ == "__main__":
    main()
