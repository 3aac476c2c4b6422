"""Colours and type of a picture, for paper and for dark screens. Plain rules only: no variables, so every SVG reader knows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .measures import DETAIL, FRAME_TITLE, LABEL, TITLE

FONT = "'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans Condensed', sans-serif"


@dataclass(frozen=True)
class Hue:
    """Fill and edge by day and by night, and the word for the legend."""

    word: str
    fill: str
    edge: str
    dark_fill: str
    dark_edge: str


HUES: Mapping[str, Hue] = {
    "mix": Hue("weights, contractions", "#dfeaf7", "#6d94c2", "#1d3350", "#6f9bd1"),
    "attend": Hue("attention", "#ece4f5", "#9378bd", "#35264f", "#a78bd6"),
    "norm": Hue("normalisation", "#e1f0e3", "#74a67b", "#1d3a25", "#74b381"),
    "reduce": Hue("reductions, order", "#fbeadb", "#cc9560", "#46301c", "#d39c66"),
    "wave": Hue("pointwise", "#fbf3d3", "#c0a54a", "#40371a", "#c9af57"),
    "shape": Hue("shape, indexing", "#eef0f2", "#969fa9", "#2a2f36", "#8b949e"),
    "other": Hue("other", "#f4e4e6", "#b9848c", "#432a2f", "#c58e97"),
    "plain": Hue("", "#ffffff", "#59636e", "#161b22", "#9aa4af"),
}

_BY_FAMILY: Mapping[str, str] = {
    "weights": "mix", "linear": "mix", "contraction": "mix", "convolution": "mix",
    "attention": "attend",
    "normalisation": "norm", "normalization": "norm", "norm": "norm", "softmax": "norm",
    "reduction": "reduce", "reductions": "reduce", "pooling": "reduce", "cumulative": "reduce", "sorting": "reduce", "order": "reduce",
    "pointwise": "wave", "arithmetic": "wave", "choice": "wave", "cast": "wave",
    "shape": "shape", "indexing": "shape", "index": "shape", "position": "shape", "positions": "shape", "structure": "shape",
}  # fmt: skip


def hue_of(family: str) -> str:
    """The colour of an operator family; families that share a colour share its place in the legend."""
    return _BY_FAMILY.get(family, "other") if family else "plain"


def style_sheet(used: list[str]) -> str:
    """The rules for a picture with these hues, for paper and for dark screens."""
    dark = [f"  {rule}" for rule in (*_DARK, *_hues(used, True))]
    return "\n".join([*_BASE, *_hues(used, False), "@media (prefers-color-scheme: dark) {", *dark, "}"])


def plain_rules(dark: bool) -> list[str]:
    """The rules for all hues, only by day or only by night."""
    return [*_BASE, *(_DARK if dark else ()), *_hues(list(HUES), dark)]


def _hues(used: list[str], dark: bool) -> list[str]:
    pairs = {name: (HUES[name].dark_fill, HUES[name].dark_edge) if dark else (HUES[name].fill, HUES[name].edge) for name in used}
    return [f".{name} {{ fill: {fill}; stroke: {edge}; }}" for name, (fill, edge) in pairs.items()]


_BASE = (
    f"text {{ font-family: {FONT}; fill: #1f2328; }}",
    f".title {{ font-size: {TITLE:g}px; font-weight: 600; text-anchor: middle; }}",
    f".note {{ font-size: {DETAIL:g}px; font-weight: 400; fill: #59636e; }}",
    f".detail {{ font-size: {DETAIL:g}px; text-anchor: middle; fill: #3d444d; }}",
    f".axes {{ font-size: {LABEL:g}px; fill: #59636e; }}",
    f".name {{ font-size: {FRAME_TITLE:g}px; font-weight: 600; fill: #59636e; }}",
    ".sign { font-size: 15px; text-anchor: middle; }",
    ".legend { font-size: 9.5px; fill: #59636e; }",
    ".page { fill: #ffffff; }",
    ".frame { fill: #818b98; fill-opacity: 0.07; stroke: #b8c0c9; stroke-width: 1; }",
    ".loop { stroke-dasharray: 5 3; }",
    ".way { stroke-dasharray: 1.5 2.5; }",
    ".box { stroke-width: 1.1; }",
    ".wire { fill: none; stroke: #59636e; stroke-width: 1.15; }",
    ".head { fill: #59636e; }",
)
_DARK = (
    "text { fill: #e6edf3; }",
    ".note, .axes, .name, .legend { fill: #9aa4af; }",
    ".detail { fill: #c5cdd6; }",
    ".page { fill: #0d1117; }",
    ".frame { stroke: #3d444d; }",
    ".wire { stroke: #8b949e; }",
    ".head { fill: #8b949e; }",
)
