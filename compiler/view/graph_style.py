"""The rules for pictures in the viewer, by day and by night: the same text styles the page and what is exported from it."""

from __future__ import annotations

from collections.abc import Iterator

from .style import HUES, plain_rules

AXIS_COLOURS = (
    ("#1f6feb", "#58a6ff"), ("#c24e00", "#f0883e"), ("#1a7f37", "#56d364"), ("#8250df", "#bc8cff"), ("#bf3989", "#f778ba"),
    ("#0b7c80", "#39c5cf"), ("#8a6100", "#d4a72c"), ("#cf222e", "#ff7b72"), ("#5b7300", "#a5c34a"), ("#4453b5", "#8fa2ff"),
)  # fmt: skip
"""A colour for each axis, by day and by night; the eleventh axis has the first colour again."""
STAR_COLOUR = ("#59636e", "#9aa4af")
_MARKS = {"came": ("#1a7f37", "#3fb950"), "gone": ("#cf222e", "#f85149"), "changed": ("#9a6700", "#d29922")}

Rule = tuple[str, str]
"""Selectors with commas between, in which `&` is the picture itself, and declarations."""


def graph_style(dark: bool) -> str:
    """Every rule for `svg.graph`, and the colours of the axes and hues for what stands beside it."""
    rules = [*_parsed(plain_rules(dark)), *_fixed(), *_marks(dark), *_tracing(dark), *_axes(dark)]
    return "\n".join([*(_written(rule) for rule in rules), *_beside(dark)])


def _parsed(rules: list[str]) -> Iterator[Rule]:
    for rule in rules:
        selectors, _, rest = rule.partition(" { ")
        yield selectors, rest.removesuffix(" }")


def _written(rule: Rule) -> str:
    selectors, declarations = rule
    inside = [one.replace("&", "svg.graph") if "&" in one else f"svg.graph {one}" for one in selectors.split(", ")]
    return f"{', '.join(inside)} {{ {declarations} }}"


def _fixed() -> Iterator[Rule]:
    yield ".strand", "stroke-width: 1.35"
    yield ".strand.primed", "stroke-dasharray: 5 3"
    yield ".axes tspan", "font-weight: 600"
    yield ".badge", "font-size: 9.5px; font-weight: 600"
    yield ".handle", "fill: transparent"
    yield ".node, .toggle, [data-axis]", "cursor: pointer"
    yield "tspan[data-axis]:hover", "text-decoration: underline"
    yield "&.far text", "display: none"


def _marks(dark: bool) -> Iterator[Rule]:
    accent, page = ("#4493f8", "#0d1117") if dark else ("#0969da", "#ffffff")
    for name, pair in _MARKS.items():
        yield f".{name} .box:not(.under)", f"stroke: {pair[dark]}; stroke-width: 2.2"
    yield ".badge", f"fill: {_MARKS['changed'][dark]}"
    yield ".found .box:not(.under)", f"stroke: {_MARKS['changed'][dark]}; stroke-width: 2.6; stroke-dasharray: 4 2"
    yield ".chosen .box:not(.under)", f"stroke: {accent}; stroke-width: 3; stroke-dasharray: none"
    yield ".chosen .frame", f"stroke: {accent}; stroke-width: 2"
    yield ".hot text, .hot .note", f"fill: {page}"
    yield ".toggle:hover .name", f"fill: {accent}"
    yield ".toggle.plus circle", f"fill: {page}; stroke: {accent}"
    yield ".toggle.plus path", f"stroke: {accent}; stroke-width: 1.6"
    yield ".toggle.plus:hover circle", f"fill: {accent}"
    yield ".toggle.plus:hover path", f"stroke: {page}"


def _tracing(dark: bool) -> Iterator[Rule]:
    """While an axis is lit: what works along it stands out, what only has it stays, the rest steps back. Its twin is dashed."""
    yield "&.tracing .node, &.tracing .edge", "opacity: 0.16"
    yield "&.tracing .node.lit, &.tracing .edge.lit", "opacity: 1"
    yield "&.tracing .node.lit", "opacity: 0.62"
    yield "&.tracing .node.acts", "opacity: 1"
    yield "&.tracing .node.acts .box:not(.under)", f"stroke: {'#e6edf3' if dark else '#1f2328'}; stroke-width: 2.6"
    yield "&.tracing .node.twin", "opacity: 1"
    yield "&.tracing .node.twin .box:not(.under)", f"stroke: {'#e6edf3' if dark else '#1f2328'}; stroke-width: 2.2; stroke-dasharray: 5 3"
    yield "&.tracing .edge.lit .strand", "opacity: 0.18"
    yield "&.tracing .edge.lit .strand.this, &.tracing .edge.lit .strand.twin", "opacity: 1; stroke-width: 2.6"
    yield "&.tracing .edge.lit tspan", "opacity: 0.35"
    yield "&.tracing .edge.lit tspan.this, &.tracing .edge.lit tspan.twin", "opacity: 1"


def _axes(dark: bool) -> Iterator[Rule]:
    for name, colour in _colours(dark):
        yield f".strand.{name}", f"stroke: {colour}"
        yield f"tspan.{name}", f"fill: {colour}"


def _colours(dark: bool) -> Iterator[tuple[str, str]]:
    for number, pair in enumerate(AXIS_COLOURS):
        yield f"axis-{number}", pair[dark]
    yield "axis-star", STAR_COLOUR[dark]


def _beside(dark: bool) -> Iterator[str]:
    """The same colours for the chips and the legend of the page."""
    for name, colour in _colours(dark):
        yield f".{name} {{ --axis: {colour}; }}"
    for name, hue in HUES.items():
        fill, edge = (hue.dark_fill, hue.dark_edge) if dark else (hue.fill, hue.edge)
        yield f".hue .{name} {{ background: {fill}; border-color: {edge}; }}"
