"""The text that Graphviz reads. Only text: no program is started."""

from __future__ import annotations

from collections.abc import Iterator

from ..graph import Graph
from .folding import folded
from .model import Box, Drawing
from .reading import read
from .style import HUES, hue_of

_SHAPES = {"input": "box", "output": "box", "weight": "box", "state": "box", "op": "box", "sign": "circle", "closed": "box3d"}

_STYLES = {"block": "rounded", "scan": "dashed", "choice": "rounded", "way": "dotted", "part": "rounded"}


def render_dot(graph: Graph, depth: int | None = None) -> str:
    """A digraph with one cluster for each block."""
    drawing = folded(read(graph), depth)
    lines = [
        f"digraph {quoted(drawing.title)} {{",
        "  rankdir=TB;",
        '  node [fontname="Helvetica", fontsize=11, style="filled,rounded", margin="0.12,0.06"];',
        '  edge [fontname="Helvetica", fontsize=9, fontcolor="#59636e", color="#59636e", arrowsize=0.7];',
        *_group(drawing, 0, "  "),
        *_edges(drawing),
        "}",
    ]
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """A string that Graphviz reads as this text; line ends become its own, other control characters a mark."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return '"' + "".join(character if character.isprintable() else "\ufffd" for character in escaped) + '"'


def _group(drawing: Drawing, top: int, indent: str) -> Iterator[str]:
    """The boxes and the groups inside a group. Works through the nesting with a list, as that may be deep."""
    waiting: list[tuple[int, str, bool]] = [(top, indent, False)]
    while waiting:
        number, space, closing = waiting.pop()
        if closing:
            yield f"{space[:-2]}}}"
            continue
        if number:
            yield f"{space[:-2]}subgraph cluster_{number} {{"
            look = f'style={_STYLES[drawing.groups[number].kind]}; color="#b8c0c9"; fontname="Helvetica"; fontsize=11;'
            yield f"{space}label={quoted(drawing.groups[number].title)}; labeljust=l; {look}"
            waiting.append((number, space, True))
        yield from (f"{space}{_node(index, box)}" for index, box in enumerate(drawing.boxes) if box.group == number)
        inside = [index for index, group in enumerate(drawing.groups) if index and group.parent == number]
        waiting.extend((index, space + "  ", False) for index in reversed(inside))


def _node(number: int, box: Box) -> str:
    hue = HUES[hue_of(box.family)]
    title = f"{box.lines[0]} {box.note}" if box.note else box.lines[0]
    label = quoted("\n".join((title, *box.lines[1:])))
    return f'n{number} [label={label}, tooltip={quoted(box.tip)}, shape={_SHAPES[box.kind]}, fillcolor="{hue.fill}", color="{hue.edge}"];'


def _edges(drawing: Drawing) -> Iterator[str]:
    for wire in drawing.wires:
        for target in wire.targets:
            yield f"  n{wire.source} -> n{target} [label={quoted(wire.label)}, tooltip={quoted(wire.tip)}];"
