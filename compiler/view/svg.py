"""A picture as SVG text: no fonts, scripts or links inside, every text escaped, the same bytes for the same graph."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from ..graph import Graph
from . import measures
from .folding import folded
from .layout import Picture, Rect, Route, lay_out
from .metrics import text_width
from .model import Box, Drawing
from .reading import read
from .routing import Point
from .style import HUES, hue_of, style_sheet

CORNER = 6.0
_MARGIN = 6.0
_LEGEND = 26.0
_HEAD = 7.0


def render_svg(graph: Graph, depth: int | None = None) -> str:
    """The whole document. Lengths are pixels; text is legible at its own size."""
    drawing = folded(read(graph), depth)
    return draw(drawing, lay_out(drawing))


def draw(drawing: Drawing, picture: Picture) -> str:
    """The document for a drawing that has been laid out."""
    used = _hues(drawing)
    legend = _legend(drawing, used)
    width = max(picture.width, _legend_width(legend)) + 2 * _MARGIN
    height = picture.height + 2 * _MARGIN + (_LEGEND if legend else 0.0)
    shift = (width - picture.width) / 2
    size = f'width="{_n(width)}" height="{_n(height)}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(height)}" {size} role="img">',
        f"<title>{escape(drawing.title)}</title>",
        f"<desc>{escape(drawing.doc or f'The graph of {drawing.title}.')}</desc>",
        f"<style>\n{style_sheet(used)}\n</style>",
        f'<rect class="page" {size}/>',
        f'<g transform="translate({_n(shift)} {_n(_MARGIN)})">',
        *_frames(drawing, picture),
        *_wires(drawing, picture),
        *(line for box, rect in zip(drawing.boxes, picture.boxes, strict=True) for line in _box(box, rect)),
        "</g>",
        *_legend_lines(legend, (width - _legend_width(legend)) / 2, height - _LEGEND / 2),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------- text


_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}


def escape(text: str) -> str:
    """Text that is safe in content and attributes. Characters that XML does not allow become a replacement mark."""
    return "".join(_ESCAPES.get(character, character if _allowed(character) else "\ufffd") for character in text)


def _allowed(character: str) -> bool:
    code = ord(character)
    return character in "\t\n" or 0x20 <= code < 0x7F or 0xA0 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000


def _n(number: float) -> str:
    """A coordinate with at most one decimal."""
    text = f"{number:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


# ---------------------------------------------------------------- frames and wires


def _frames(drawing: Drawing, picture: Picture) -> Iterator[str]:
    for number, group in enumerate(drawing.groups[1:], 1):
        rect, (x, y) = picture.groups[number], picture.titles[number]
        kind = {"scan": "frame loop", "way": "frame way"}.get(group.kind, "frame")
        yield f'<rect class="{kind}" {_at(rect)} rx="8"/>'
        yield f'<text class="name" x="{_n(x)}" y="{_n(y)}">{escape(group.title)}</text>'


def _at(rect: Rect) -> str:
    return f'x="{_n(rect.x)}" y="{_n(rect.y)}" width="{_n(rect.width)}" height="{_n(rect.height)}"'


def _wires(drawing: Drawing, picture: Picture) -> Iterator[str]:
    for wire, route in zip(drawing.wires, picture.wires, strict=True):
        yield f'<g><title>{escape(wire.tip)}</title><path class="wire" d="{_paths(route)}"/></g>'
        for way in route.ways:
            yield f'<path class="head" d="{_head(way)}"/>'
    for wire, route in zip(drawing.wires, picture.wires, strict=True):
        if wire.label:
            yield f'<text class="axes" x="{_n(route.label[0])}" y="{_n(route.label[1])}">{escape(wire.label)}</text>'


def _paths(route: Route) -> str:
    return " ".join(_rounded(way) for way in route.ways)


def _rounded(way: tuple[Point, ...]) -> str:
    """The way with round corners; it ends where the arrow head begins."""
    points = [*way[:-1], _before(way[-2], way[-1], _HEAD - 1)]
    parts = [f"M{_n(points[0][0])} {_n(points[0][1])}"]
    for place in range(1, len(points) - 1):
        before, corner, after = points[place - 1 : place + 2]
        radius = min(CORNER, _far(before, corner) / 2, _far(corner, after) / 2)
        start, end = _before(before, corner, radius), _before(after, corner, radius)
        parts.append(f"L{_n(start[0])} {_n(start[1])}Q{_n(corner[0])} {_n(corner[1])} {_n(end[0])} {_n(end[1])}")
    parts.append(f"L{_n(points[-1][0])} {_n(points[-1][1])}")
    return "".join(parts)


def _far(a: Point, b: Point) -> float:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def _before(a: Point, b: Point, distance: float) -> Point:
    """The point `distance` before `b` on the way from `a`."""
    length = ((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) ** 0.5
    share = min(distance / length, 1.0) if length else 0.0
    return b[0] + (a[0] - b[0]) * share, b[1] + (a[1] - b[1]) * share


def _head(way: tuple[Point, ...]) -> str:
    """An arrow head whose tip is the end of the way; the last piece of a way is straight down or sideways."""
    (ax, ay), (x, y) = way[-2:]
    if abs(ax - x) > abs(ay - y):
        back = x - _HEAD if x > ax else x + _HEAD
        return f"M{_n(x)} {_n(y)}L{_n(back)} {_n(y - 3.2)}L{_n(back)} {_n(y + 3.2)}Z"
    return f"M{_n(x)} {_n(y)}L{_n(x - 3.2)} {_n(y - _HEAD)}L{_n(x + 3.2)} {_n(y - _HEAD)}Z"


# ---------------------------------------------------------------- boxes


def _box(box: Box, rect: Rect) -> Iterator[str]:
    hue = hue_of(box.family)
    middle = rect.x + rect.width / 2
    yield f"<g><title>{escape(box.tip)}</title>"
    if box.kind == "sign":
        yield f'<circle class="box {hue}" cx="{_n(middle)}" cy="{_n(rect.y + rect.height / 2)}" r="{_n(rect.width / 2)}"/>'
        yield f'<text class="sign" x="{_n(middle)}" y="{_n(rect.y + rect.height / 2 + 5)}">{escape(box.lines[0])}</text>'
    else:
        yield f'<rect class="box {hue}" {_at(rect)} rx="{_n(_corner(box, rect))}"/>'
        yield from _lines(box, middle, rect)
    yield "</g>"


def _corner(box: Box, rect: Rect) -> float:
    return min(rect.height, 24.0) / 2 if box.kind in ("input", "output", "weight", "state") else 4.0


def _lines(box: Box, middle: float, rect: Rect) -> Iterator[str]:
    count = len(box.lines)
    y = rect.y + rect.height / 2 - (count - 1) * measures.LINE / 2 + 4.0
    note = f' <tspan class="note">{escape(box.note)}</tspan>' if box.note else ""
    yield f'<text class="title" x="{_n(middle)}" y="{_n(y)}">{escape(box.lines[0])}{note}</text>'
    for place, line in enumerate(box.lines[1:], 1):
        yield f'<text class="detail" x="{_n(middle)}" y="{_n(y + place * measures.LINE)}">{escape(line)}</text>'


# ---------------------------------------------------------------- legend


def _hues(drawing: Drawing) -> list[str]:
    """The colours in use, in a fixed order."""
    used = {hue_of(box.family) for box in drawing.boxes}
    return [name for name in HUES if name in used]


def _legend(drawing: Drawing, used: list[str]) -> list[str]:
    """A legend helps from three colours on, where there are more than a few boxes."""
    named = [name for name in used if HUES[name].word]
    return named if len(named) > 2 and len(drawing.boxes) > 8 else []


def _legend_widths(legend: list[str]) -> list[float]:
    return [24.0 + text_width(HUES[name].word, 9.5) + 14.0 for name in legend]


def _legend_width(legend: list[str]) -> float:
    return sum(_legend_widths(legend))


def _legend_lines(legend: list[str], x: float, y: float) -> Iterator[str]:
    starts = [x]
    for width in _legend_widths(legend):
        starts.append(starts[-1] + width)
    for name, (start, _) in zip(legend, pairwise(starts), strict=True):
        yield f'<rect class="box {name}" x="{_n(start)}" y="{_n(y - 5)}" width="16" height="10" rx="2"/>'
        yield f'<text class="legend" x="{_n(start + 22)}" y="{_n(y + 3.5)}">{escape(HUES[name].word)}</text>'
