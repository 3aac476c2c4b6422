"""A Mermaid flowchart, for pages that draw these from text."""

from __future__ import annotations

from collections.abc import Iterator

from ..graph import Graph
from .folding import folded
from .model import Box, Drawing
from .reading import read
from .style import HUES, hue_of

_OPEN = {"input": "([", "output": "([", "weight": "([", "state": "([", "op": "[", "sign": "((", "closed": "[["}
_CLOSE = {"input": "])", "output": "])", "weight": "])", "state": "])", "op": "]", "sign": "))", "closed": "]]"}


def render_mermaid(graph: Graph, depth: int | None = None) -> str:
    """A flowchart from top to bottom with one subgraph for each block."""
    drawing = folded(read(graph), depth)
    used = [name for name in HUES if any(hue_of(box.family) == name for box in drawing.boxes)]
    lines = ["flowchart TB", *_groups(drawing), *_edges(drawing), *(_class(name) for name in used)]
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """A Mermaid string of this text. All but letters, digits and a few harmless signs is written by its number, as Mermaid offers."""
    return '"' + "".join(_character(character) for character in text) + '"'


def _character(character: str) -> str:
    if character == "\n":
        return "<br/>"
    if character.isalnum() or character in " .,=→·…×−+/()_":
        return character
    return f"#{ord(character)};" if character.isprintable() else "\ufffd"


def _groups(drawing: Drawing) -> Iterator[str]:
    waiting: list[tuple[int, str, bool]] = [(0, "  ", False)]
    while waiting:
        number, space, closing = waiting.pop()
        if closing:
            yield f"{space[:-2]}end"
            continue
        if number:
            yield f"{space[:-2]}subgraph g{number}[{quoted(drawing.groups[number].title)}]"
            waiting.append((number, space, True))
        yield from (f"{space}{_node(index, box)}" for index, box in enumerate(drawing.boxes) if box.group == number)
        inside = [index for index, group in enumerate(drawing.groups) if index and group.parent == number]
        waiting.extend((index, space + "  ", False) for index in reversed(inside))


def _node(number: int, box: Box) -> str:
    title = f"{box.lines[0]} {box.note}" if box.note else box.lines[0]
    return f"n{number}{_OPEN[box.kind]}{quoted(chr(10).join((title, *box.lines[1:])))}{_CLOSE[box.kind]}:::{hue_of(box.family)}"


def _edges(drawing: Drawing) -> Iterator[str]:
    for wire in drawing.wires:
        for target in wire.targets:
            yield f"  n{wire.source} -->|{quoted(wire.label)}| n{target}" if wire.label else f"  n{wire.source} --> n{target}"


def _class(name: str) -> str:
    return f"  classDef {name} fill:{HUES[name].fill},stroke:{HUES[name].edge},color:#1f2328"
