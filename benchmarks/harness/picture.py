"""The picture: how many times as long the author's text, torch.compile of it and the best peer take in each row, on a logarithmic axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from math import log10

from .summary import OWN, Line
from .table import duration
from .ways import AUTHOR, COMPILED

LEFT, RIGHT, WIDTH = 250, 70, 900
STEP, GROUP, TOP, BOTTOM = 19, 27, 74, 24
LEAST, MOST = 0.25, 200.0
TICKS = (0.5, 1, 2, 5, 10, 20, 50, 100)
INK, SOFT, GRID = "#1f2328", "#6b7280", "#e5e7eb"
KINDS = (("author's text", "#2563a8"), ("torch.compile of it", "#d97706"), ("best other peer", "#15803d"))
FONT = "font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'"


def at(ratio: float) -> float:
    """Where a ratio stands on the axis; what is beyond it stands at its end."""
    held = min(max(ratio, LEAST), MOST)
    return LEFT + (WIDTH - LEFT - RIGHT) * (log10(held) - log10(LEAST)) / (log10(MOST) - log10(LEAST))


def words(x: float, y: float, text: str, size: int = 12, anchor: str = "start", colour: str = INK, weight: str = "normal") -> str:
    style = f"font-size='{size}' text-anchor='{anchor}' fill='{colour}' font-weight='{weight}'"
    return f"<text x='{x:.1f}' y='{y:.1f}' {style}>{escape(text)}</text>"


def mark(kind: int, x: float, y: float) -> str:
    """A disc for the author, a square for torch.compile, a triangle for peers: their shapes tell them apart without colours."""
    colour = f"fill='{KINDS[kind][1]}' stroke='white' stroke-width='1'"
    if kind == 0:
        return f"<circle cx='{x:.1f}' cy='{y:.1f}' r='5' {colour}/>"
    if kind == 1:
        return f"<rect x='{x - 4.5:.1f}' y='{y - 4.5:.1f}' width='9' height='9' {colour}/>"
    return f"<path d='M{x:.1f} {y - 5.5:.1f} l5.5 10 h-11 z' {colour}/>"


def goal(x: float, y: float) -> str:
    """A short upright line where the ratio of the author's text should be."""
    return f"<path d='M{x:.1f} {y - 7:.1f} v14' stroke='{KINDS[0][1]}' stroke-width='1.5'/>"


def others(one: Line) -> float | None:
    """The best ratio of a peer that is neither of the two."""
    left = (AUTHOR, COMPILED, *OWN)
    return min((ratio.middle for name, ratio in one.ratios.items() if name not in left), default=None)


def row(one: Line, y: float) -> Iterator[str]:
    """A row at this height: its name, a line from our time to the farthest mark, the marks, what is wanted, and our time."""
    found = [one.ratios[name].middle if name in one.ratios else None for name in (AUTHOR, COMPILED)]
    found.append(others(one))
    yield words(LEFT - 12, y + 4, one.row.title, anchor="end")
    known = [value for value in found if value is not None]
    near, far = min([1.0, *known]), max([1.0, *known])
    yield f"<line x1='{at(near):.1f}' x2='{at(far):.1f}' y1='{y:.1f}' y2='{y:.1f}' stroke='#cbd5e1' stroke-width='2'/>"
    wanted = one.wanted.get(AUTHOR)
    if wanted is not None:
        yield goal(at(wanted), y)
    for kind in (2, 1, 0):
        value = found[kind]
        if value is not None:
            yield mark(kind, at(value), y)
    yield words(WIDTH - 8, y + 4, duration(one.seconds), size=11, anchor="end", colour=SOFT)


def legend() -> Iterator[str]:
    yield words(16, 24, "How many times as long others take as attn", size=16, weight="600")
    x = 16.0
    for kind, (name, _) in enumerate(KINDS):
        yield mark(kind, x + 6, 44)
        yield words(x + 17, 48, name, colour=SOFT)
        x += 34 + 6.6 * len(name)
    yield goal(x + 4, 44)
    yield words(x + 12, 48, "wanted beside the author's text; right of the heavy line attn is faster", colour=SOFT)


def axis(bottom: float) -> Iterator[str]:
    for tick in TICKS:
        heavy = tick == 1
        colour, width = (SOFT, 1.5) if heavy else (GRID, 1)
        yield f"<line x1='{at(tick):.1f}' x2='{at(tick):.1f}' y1='{TOP}' y2='{bottom:.1f}' stroke='{colour}' stroke-width='{width}'/>"
        for y in (TOP - 6, bottom + 16):
            yield words(at(tick), y, f"{tick:g}x", size=11, anchor="middle", colour=SOFT)
    yield words(WIDTH - 8, TOP - 6, "attn takes", size=11, anchor="end", colour=SOFT)


def picture(lines: Sequence[Line]) -> str:
    """An SVG picture of the lines, grouped by family in their order."""
    drawn: list[str] = []
    y = float(TOP)
    for family, members in groupby(lines, key=lambda one: one.row.family):
        drawn.append(words(16, y + 20, family, size=12, weight="600"))
        y += GROUP
        for one in members:
            drawn.extend(row(one, y + STEP / 2))
            y += STEP
    bottom = y + 6
    height = bottom + BOTTOM
    frame = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height:.0f}' width='{WIDTH}' height='{height:.0f}' {FONT}>"
    ground = f"<rect width='{WIDTH}' height='{height:.0f}' fill='white'/>"
    return "\n".join([frame, ground, *axis(bottom), *legend(), *drawn, "</svg>"]) + "\n"
