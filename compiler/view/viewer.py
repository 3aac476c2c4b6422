"""The viewer: a program's text and its graph at every stage, in one HTML file that works offline from disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from ..files import write_whole
from .graph_style import graph_style
from .page import asset, page, text
from .profile import Times
from .stages import Record, Stage, record_of
from .style import HUES

if TYPE_CHECKING:
    from ..passes.base import Mode

_SCRIPTS = ("layout.js", "canvas.js", "panes.js", "paper.js", "viewer.js")
_FRAME_HEIGHT = 720


@dataclass(frozen=True)
class View:
    """A page that can be saved, or shown in a notebook. `html` is the whole document, `data` what it holds."""

    title: str
    html: str = field(repr=False)
    data: Record = field(repr=False)

    def save(self, path: str | Path) -> Path:
        """Write the page, whole or not at all; the path it has now. Raises OSError."""
        target = Path(path)
        write_whole(target, self.html)
        return target

    def _repr_html_(self) -> str:
        return f'<iframe srcdoc="{escape(self.html)}" style="width:100%;height:{_FRAME_HEIGHT}px;border:0"></iframe>'

    def to_json(self) -> str:
        """What the page holds, as JSON."""
        return json.dumps(self.data, ensure_ascii=False, allow_nan=False)


def view_stages(title: str, stages: Sequence[Stage], mode: Mode = "train", times: Times | None = None, compare: bool = False) -> View:
    """The page of these stages. With `compare` it opens with the first two of them side by side."""
    data = record_of(title, stages, mode, times)
    data["compare"] = compare
    data["hues"] = [[name, hue.word] for name, hue in HUES.items() if hue.word]
    data["style"] = {"light": graph_style(False), "dark": graph_style(True)}
    here = __package__
    body = asset(here, "viewer.html").replace("{title}", text(title))
    html = page(title, body, styles=[asset(here, "viewer.css")], scripts=[asset(here, name) for name in _SCRIPTS], data=data)
    return View(title, html, data)
