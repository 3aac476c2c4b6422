"""Grouped heads written as keys repeated and merged into the heads of the queries: the queries' heads are split into groups instead.

`attend(q, merge(expand(k, r), g r -> h), ..)` copies every key r times. With the queries' `h` taken apart into `g r` the keys are read as
they are, and so are all other inputs that have `h`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..graph import Node
from ..sizes import Size
from ..types import Axis, TensorType
from .making import Make


@dataclass(frozen=True)
class Group:
    """An axis that is a product of others, along some of which a tensor is only repeated: `bare` is it without these.

    `names` are the parts in order, outer first; `renamed` says what the other axes of `bare` are called where it is read.
    """

    axis: str
    parts: tuple[Axis, ...]
    repeated: frozenset[str]
    bare: Node
    renamed: Mapping[str, str]

    @property
    def size(self) -> Size:
        return TensorType(self.parts).elements()


def grouped(make: Make, node: Node) -> Node | None:
    """The rule: an attention with keys or values repeated for groups of heads, on these as they are."""
    if node.op != "attend" or node["terms"] != 1:
        return None
    inputs = [make.new(source) for source in node.inputs]
    found = [_group(make, source) for source in inputs]
    first = next((group for group in found[1:3] if group is not None), None)
    if first is None or first.axis in node["keys"] or any(first.axis in dots for dots in node["dots"]):
        return None
    if any(source.tensor.size(first.axis) != first.size for source in (node, *inputs) if source.tensor.has(first.axis)):
        return None  # equal as a guard says, but not as formulas
    parts = tuple(Axis(make.fresh(part.name), part.size) for part in first.parts)
    taken = [_apart(make, source, group, first, parts) for source, group in zip(inputs, found, strict=True)]
    if not any(one.tensor.has(part.name) for part in parts for one in taken[:1]):
        return None
    axes = [new for axis in node.axes for new in (parts if axis.name == first.axis else (axis,))]
    made = make.node("attend", taken, TensorType(tuple(axes), node.dtype), **node.options)
    return make.merge(made, [part.name for part in parts], first.axis)


def _group(make: Make, node: Node) -> Group | None:
    """What a tensor repeats inside a merged axis; None where it does not."""
    renamed = {axis.name: axis.name for axis in node.axes}
    while node.op == "rename":
        new = dict(node["pairs"])
        renamed = {old.name: renamed[new.get(old.name, old.name)] for old in node.inputs[0].axes}
        node = node.inputs[0]
    if node.op != "merge" or len(node["axes"]) != 1 or node.inputs[0].op != "expand":
        return None
    (names,), source = node["parts"], node.inputs[0]
    repeated = frozenset(source["axes"])
    if not repeated < frozenset(names):
        return None
    parts = tuple(Axis(name, source.tensor.size(name)) for name in names)
    others = {name: new for name, new in renamed.items() if name != node["axes"][0]}
    return Group(renamed[node["axes"][0]], parts, repeated, source.inputs[0], others)


def _apart(make: Make, source: Node, group: Group | None, first: Group, parts: Sequence[Axis]) -> Node:
    """An input with the parts instead of the merged axis: without repetition where it is one of the same parts."""
    if not source.tensor.has(first.axis):
        return source
    same = group is not None and group.axis == first.axis and [part.size for part in group.parts] == [part.size for part in parts]
    if group is None or not same:
        return make.split(source, first.axis, parts)
    names = {old.name: new.name for old, new in zip(group.parts, parts, strict=True)}
    return make.rename(group.bare, {**group.renamed, **names})
