"""Where the numbers of a value come from that is only moved about: as arithmetic on positions, and which axes are touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..graph import Node
from ..sizes import Size
from ..types import Axis
from .making import Make

TURNS = frozenset({"roll", "flip"})
"""Moves along an axis, which always copy."""
MOVES = TURNS | {"split", "merge", "lay"}
"""Operators whose every result is one number of their input, as positions tell."""


@dataclass(frozen=True)
class Touched:
    """The axes of a source, and of what moves made of it, that are not just carried along; `all` are those of every step."""

    source: frozenset[str]
    result: frozenset[str]
    all: frozenset[str]


def touched(chain: Sequence[Node]) -> Touched:
    """Which axes a chain of moves touches."""
    origins = {name: frozenset({name}) for name in chain[0].inputs[0].tensor.names}
    now: dict[str, None] = {}
    seen: set[str] = set()
    for node in chain:
        for old, new in _steps(node):
            origin = frozenset[str]().union(*(origins[name] for name in old))
            origins.update(dict.fromkeys(new, origin))
            now = dict.fromkeys([*(name for name in now if name not in old), *new])
            seen.update(old, new)
    return Touched(frozenset[str]().union(*(origins[name] for name in now)), frozenset(now), frozenset(seen))


def _steps(node: Node) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Which axes become which."""
    if node.op == "split":
        return [((node["axis"],), node["parts"])]
    if node.op == "merge":
        return [(parts, (name,)) for name, parts in zip(node["axes"], node["parts"], strict=True)]
    names = [name for name, _ in node["moves"]] if node.op == "roll" else node["axes"] if node.op == "flip" else ()
    return [((name,), (name,)) for name in names]


# ---------------------------------------------------------------- positions


def place_of(make: Make, chain: Sequence[Node], axes: Sequence[Axis]) -> Node:
    """For each place of the result the place in the source, whose touched axes count as one, the first outermost."""
    at = {axis.name: make.positions(axis) for axis in chain[-1].axes if axis.name in touched(chain).result}
    for node in reversed(chain):
        _before(make, node, at)
    return _joined(make, [(at[axis.name], axis.size) for axis in axes])


def _before(make: Make, node: Node, at: dict[str, Node]) -> None:
    """The positions in the input of a move, of those in its result."""
    sizes = {axis.name: axis.size for axis in (*node.inputs[0].axes, *node.axes)}
    if node.op == "split":
        at[node["axis"]] = _joined(make, [(at.pop(part), sizes[part]) for part in node["parts"]])
    if node.op == "merge":
        for name, parts in zip(node["axes"], node["parts"], strict=True):
            at.update(_apart(make, at.pop(name), [Axis(part, sizes[part]) for part in parts]))
    if node.op == "roll":
        for name, by in node["moves"]:
            at[name] = _turned(make, at[name], by, sizes[name])
    if node.op == "flip":
        for name in node["axes"]:
            at[name] = _mirrored(make, at[name], sizes[name])


def _turned(make: Make, at: Node, by: Size, size: Size) -> Node:
    """A roll by so much brings here what stood so much before."""
    count, whole = by.integer() or 0, size.integer() or 1
    return _remainder(make, make.arithmetic("add", at, make.scalar(-count % whole)), size)


def _mirrored(make: Make, at: Node, size: Size) -> Node:
    """`size - 1 - at`, written so that it is seen never to be negative: a look-up would have to allow for that."""
    return _remainder(make, make.arithmetic("mul", make.arithmetic("add", at, make.scalar(1)), make.size(size - 1)), size)


def _joined(make: Make, parts: Sequence[tuple[Node, Size]]) -> Node:
    """The position along axes that count as one, the left one outer."""
    total, _ = parts[0]
    for at, size in parts[1:]:
        total = make.arithmetic("add", make.arithmetic("mul", total, make.size(size)), at)
    return total


def _apart(make: Make, at: Node, parts: Sequence[Axis]) -> dict[str, Node]:
    """The inverse."""
    found: dict[str, Node] = {}
    for axis in reversed(parts[1:]):
        found[axis.name] = _remainder(make, at, axis.size)
        at = make.node("floordiv", (at, make.size(axis.size)), at.type)
    return {parts[0].name: at, **found}


def _remainder(make: Make, at: Node, size: Size) -> Node:
    return make.node("mod", (at, make.size(size)), at.type)
