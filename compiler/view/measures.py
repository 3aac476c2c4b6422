"""How large boxes and texts are drawn, in pixels. Layout and drawing both ask here."""

from __future__ import annotations

from collections.abc import Sequence

from .metrics import text_width
from .model import Box

TITLE = 12.0
DETAIL = 10.0
LABEL = 9.5
FRAME_TITLE = 11.0
LINE = 13.0
RADIUS = 10.0
SIDE = 16.0
"""From the edge of a circle to the wire that turns into it."""
_PAD_X = 10.0
_PAD_Y = 6.0
_PIN = 16.0
LABEL_HEIGHT = 14.0
LABEL_SHIFT = 5.0


def text_size(box: Box) -> tuple[float, float]:
    """The width of the widest line of a box, and the height of the box."""
    title, *details = box.lines
    note = text_width(" " + box.note, DETAIL) if box.note else 0.0
    widest = max([text_width(title, TITLE, bold=True) + note, *(text_width(line, DETAIL) for line in details)])
    height = 2 * _PAD_Y + TITLE + LINE * len(details)
    return widest, float(round(height / 2) * 2)


def box_size(box: Box, entering: int, leaving: Sequence[float]) -> tuple[float, float]:
    """Width and height of a box that so many wires enter; `leaving` are the widths of the texts of the wires that leave it."""
    if box.kind == "sign":
        return 2 * RADIUS, 2 * RADIUS
    widest, height = text_size(box)
    width = max(widest + 2 * _PAD_X, _PIN * (entering + 1), 44.0)
    if len(leaving) > 1:
        width = max(width, len(leaving) * (max(leaving) + 3 * LABEL_SHIFT))
    if box.kind in ("input", "output"):
        width += 6.0
    return float(round(width / 2) * 2), height


def label_width(label: str) -> float:
    return text_width(label, LABEL) if label else 0.0


def frame_title_width(title: str) -> float:
    return text_width(title, FRAME_TITLE, bold=True)
