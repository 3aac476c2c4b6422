"""What else is to know: loops, for which there is a faster way that was not taken, and states that are written in place."""

from __future__ import annotations

from collections.abc import Mapping

from ..cost import readable
from ..graph import Graph, Node
from ..lower.caches import Put
from ..passes.base import Mode
from ..passes.rewriting import everything
from ..sizes import Size
from .places import place_of
from .report import Note


def notes(graph: Graph, found: Mapping[Node, Put], mode: Mode) -> list[Note]:
    """One for each place in the text."""
    told: dict[tuple[str, int, int, str], Note] = {}
    for node in everything(graph):
        text = _written(graph, found[node], mode) if node in found else _text(node)
        if text:
            key = (node.span.source.name, node.span.start, node.span.end, text)
            told.setdefault(key, Note(text=text, place=place_of(node.span)))
    return list(told.values())


def _written(graph: Graph, put: Put, mode: Mode) -> str:
    asked = "gradients are on" if mode == "train" else "an input has a gradient"
    return f"`{graph.weights[put.slot].path}` is written in place, at one position of {put.axis}; where {asked}, all of it is copied first"


def _text(node: Node) -> str:
    if node.op == "scan":
        length: Size = node["length"]
        return f"a loop in Python, {readable(length)} steps along {node['axis']}, one after the other"
    return ""
