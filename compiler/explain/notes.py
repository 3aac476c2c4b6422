"""Other operations for which there is a faster way that was not taken."""

from __future__ import annotations

from ..cost import readable
from ..graph import Graph, Node
from ..passes.rewriting import everything
from ..sizes import Size
from .places import place_of
from .report import Note


def notes(graph: Graph) -> list[Note]:
    """One for each place in the text."""
    found: dict[tuple[str, int, int, str], Note] = {}
    for node in everything(graph):
        text = _text(node)
        if text:
            key = (node.span.source.name, node.span.start, node.span.end, text)
            found.setdefault(key, Note(text=text, place=place_of(node.span)))
    return list(found.values())


def _text(node: Node) -> str:
    if node.op == "scan":
        length: Size = node["length"]
        return f"a loop in Python, {readable(length)} steps along {node['axis']}, one after the other"
    return ""
