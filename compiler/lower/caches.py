"""States of which a run changes one position: the next state is the old one with a value put at a place, and the write is that alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..graph import Graph, Node, Weight, topological
from ..passes.rewriting import uses
from ..types import Axis

_VIEWS = "rename expand split merge cut pick unfold unstack item detach float float32 real flip lay choose scan"
VIEWS = frozenset(_VIEWS.split())
"""Operators whose result may be the memory of their input."""


@dataclass(frozen=True)
class Put:
    """`where(pos(axis) == at, value, state)`, which is what the state is from now on."""

    slot: int
    axis: str
    at: Node
    value: Node


def puts(graph: Graph) -> dict[Node, Put]:
    """The values that may be written in place: nothing else reads the old state, and no result is the state's own memory."""
    found = {node: put for slot, node in graph.updates if (put := _put(graph.weights[slot], slot, node)) is not None}
    if not found:
        return {}
    reads = uses(graph)
    shown = set(_shown(graph))
    return {node: put for node, put in found.items() if reads[node.inputs[_old(node)]] == 1 and node not in shown}


def spared(graph: Graph, found: Mapping[Node, Put]) -> frozenset[Node]:
    """What is not worked out where these values are written in place: they themselves, and what they alone would read."""
    ends = [*(output.node for output in graph.outputs), *(node for _, node in graph.updates)]
    ends += [node for put in found.values() for node in (put.at, put.value)]
    return frozenset(graph.nodes) - {*topological(ends, found.__contains__)} if found else frozenset()


def _shown(graph: Graph) -> Iterator[Node]:
    """The values that a result may share memory with, or another state."""
    ends = [*(output.node for output in graph.outputs), *(node for _, node in graph.updates if node.op != "where")]
    for node in ends:
        yield from topological([node], lambda one: one.op not in VIEWS and one.op != "where")
        yield node


def _put(weight: Weight, slot: int, node: Node) -> Put | None:
    if node.op != "where" or weight.kind != "state" or any(len(group) != 1 for group in weight.groups):
        return None
    old, value = node.inputs[_old(node)], node.inputs[3 - _old(node)]
    if old.op != "weight" or old["slot"] != slot or {value.dtype, node.dtype} != {weight.dtype}:
        return None
    place = _place(node.inputs[0])
    if place is None or place[0] not in old.tensor.names or value.tensor.has(place[0]):
        return None
    return Put(slot, *place, value) if {*node.tensor.names} == {*old.tensor.names} else None


def _old(node: Node) -> int:
    """Which input of a choice is the old state."""
    return 2 if node.inputs[0].op == "eq" else 1


def _place(condition: Node) -> tuple[str, Node] | None:
    """The axis and the position that a condition chooses; None where it is another one."""
    if condition.op not in ("eq", "ne"):
        return None
    for at, other in (condition.inputs, reversed(condition.inputs)):
        if at.op == "pos" and not other.axes and other.dtype == "int":
            return at["axis"], other
    return None


def dimension(weight: Weight, axis: str) -> int:
    return next(i for i, one in enumerate(weight.axes) if one.name == axis)


def others(weight: Weight, axis: str) -> list[Axis]:
    """The axes of a state but the one that is written along."""
    return [one for one in weight.axes if one.name != axis]
