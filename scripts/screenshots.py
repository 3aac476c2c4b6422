"""Photograph the viewer for docs/viewer.md, in the Chromium of the system: `python scripts/screenshots.py`.

Letters differ a little from machine to machine, so no test compares these pictures; look at them before committing new ones.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from pages import ROOT
from photographs import Scheme, chromium, keep, opened, picture
from playwright.sync_api import Browser

from attn import view
from attn.compiler.view.viewer import View

WIDTH, HEIGHT = 1280, 720


@dataclass(frozen=True)
class Shot:
    """A picture: the page, and what its reader has done."""

    name: str
    shown: View
    done: str
    scheme: Scheme = "light"


def shots() -> list[Shot]:
    vit, linformer = view(ROOT / "tests/programs/vit.attn", "vit", heads=4), view("std.linear", "linformer")
    attend = "viewer.choose('b' + viewer.drawingOf(0).boxes.find((box) => viewer.data.facts[box.fact].op === 'attend').id)"
    near = "viewer.active.view.k = 0.95; viewer.active.reveal(viewer.selected, true)"
    plan = "viewer.setStage(viewer.data.stages.findIndex((one) => one.name === 'plan'))"
    wide = "viewer.controls.showText()"
    return [
        Shot("viewer", vit, f"viewer.toggle('layers.0'); viewer.toggle('layers.0.attention'); {attend}; {near}"),
        Shot("viewer-axis", view("std.linear", "efficient_attention"), "viewer.openAll(true); viewer.active.fit(); viewer.pin('N')"),
        Shot("viewer-passes", linformer, f"{plan}; viewer.setBeside(0); viewer.toggle('choose'); {attend}; {wide}"),
        Shot(
            "viewer-flops",
            view(ROOT / "examples/gpt.attn", "gpt", D=768, V=50257, N=1024, B=1),
            "byId('colour').value = 'flops'; viewer.colour = 'flops'; viewer.toggle('layers.1'); viewer.choose('glayers.1')",
            "dark",
        ),
    ]


def photograph(browser: Browser, shot: Shot, path: Path) -> bytes:
    with opened(browser, shot.shown.save(path), WIDTH, HEIGHT, shot.scheme) as page:
        page.evaluate(f"() => {{ {shot.done}; viewer.changed(); }}")
        page.evaluate("() => viewer.beside !== null && viewer.active.fit()")
        return page.screenshot()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        for shot in shots():
            keep(shot.name, picture(photograph(browser, shot, Path(folder) / f"{shot.name}.html")))


if __name__ == "__main__":
    main()
