"""Where the insides of scans and choices stand: the path of frames around every node in them."""

from __future__ import annotations

from collections.abc import Iterator

from ..graph import Body, Node
from .details import condition
from .metrics import shorten
from .nesting import Path
from .values import Values

_TITLE = 40


def blocks_of(scope: tuple[str, ...]) -> Path:
    return tuple((title, "block", 0) for title in scope)


def inner_paths(values: Values) -> dict[Node, Path]:
    """For every node inside a scan or a way of a choice, and for every choice, its path. What is outside, too, is not drawn inside."""
    found: dict[Node, Path] = {}
    for node in reversed(values.order):
        for body, path in _insides(node, found.get(node, blocks_of(node.scope)), values.places[node]):
            for inner in _members(body):
                rest = blocks_of(inner.scope)[len(node.scope) :]
                found[inner] = (*path, *(rest[1:] if rest and rest[0][0].startswith("scan ") else rest))
        if node.op == "choose":
            found[node] = (*found.get(node, blocks_of(node.scope)), ("choose", "choice", values.places[node]))
    return found


def _insides(node: Node, outer: Path, number: int) -> Iterator[tuple[Body, Path]]:
    if node.op == "scan":
        yield node["body"], (*outer, (f"scan {node['axis']}", "scan", 0))
    if node.op == "choose":
        around: Path = (*outer, ("choose", "choice", number))
        yield node["first"], (*around, (shorten(f"if {condition(node)}", _TITLE), "way", 1))
        yield node["second"], (*around, ("otherwise", "way", 2))


def _members(body: Body) -> Iterator[Node]:
    stack: list[Node] = [*body.yields, *body.carries, *body.params]
    seen: set[Node] = set()
    while stack:
        node = stack.pop()
        if node not in seen and node.op not in ("weight", "input"):
            seen.add(node)
            yield node
            stack.extend(node.inputs)
