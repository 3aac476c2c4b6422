"""Projections of one tensor become one product, whose result is cut apart: q, k and v; the two halves of a gate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import ClassVar

from ..graph import Graph, Node
from ..prepared import weight_only
from ..sizes import Size, at_least
from ..types import Axis, TensorType
from .base import Change, Mode, Outcome, Pass
from .making import Make
from .one_by_one import slides
from .projections import Projection, projection
from .recognise import readers
from .rewriting import rewrite

WORDS = ("", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True)
class Siblings(Pass):
    """`least` is how many projections are worth one product: a pair saves one call and costs two to cut it (`benchmarks/siblings.py`).

    For inference the joint weight is prepared once. In training it is a copy, made in each forward and taken apart in each backward,
    so there must be `rows` rows, and no more than `share` numbers of weights for each of them.
    """

    name: ClassVar[str] = "siblings"
    promise: ClassVar[str] = "three or more projections of one tensor are one product, whose result is cut apart"
    exact: ClassVar[bool] = False

    least: int = 3
    rows: int = 128
    share: int = 16

    def run(self, graph: Graph, mode: Mode) -> Outcome:
        weights = weight_only(graph.nodes, {slot for slot, _ in graph.updates})
        paying = [group for group in siblings(graph.nodes, weights) if self._pays(group, mode)]
        read = readers(graph) if paying else {}
        apart = [group for group in paying if all(slides(member.node, read) for member in group)]
        left = tuple(_left(graph, group) for group in apart)
        groups = [_Group(group) for group in paying if group not in apart]
        if not groups:
            return Outcome(graph, left=left)
        where = {member.node: group for group in groups for member in group.members}
        made = rewrite(graph, lambda make, node: where[node].part(make, node) if node in where else None)
        return Outcome(made, tuple(_change(graph, group, mode) for group in groups), left)

    def _pays(self, group: Sequence[Projection], mode: Mode) -> bool:
        if len(group) < self.least:
            return False
        first = group[0]
        rows = first.node.tensor.without([axis.name for axis in first.made]).elements()
        numbers = sum((member.weight.tensor.elements() for member in group), Size.of(0))
        return mode == "infer" or (at_least(rows, self.rows) is True and at_least(rows * self.share, numbers) is True)


def siblings(nodes: Iterable[Node], weights: frozenset[Node]) -> list[list[Projection]]:
    """The projections of one tensor along the same axes, two or more, in the order of the graph."""
    found: dict[object, list[Projection]] = {}
    for node in nodes:
        one = projection(node, weights)
        if one is not None:
            found.setdefault(one.key, []).append(one)
    return [group for group in found.values() if len(group) > 1]


@dataclass(eq=False)
class _Group:
    """Projections that become one: the product is made where the first of them stood.

    Where all make several axes, of the same sizes, they lie side by side along `joint`, `inner` are the axes of each and `own` the
    weight's names for these; else they lie end to end.
    """

    members: list[Projection]
    product: Node | None = None
    joint: str = ""
    own: tuple[str, ...] = ()
    inner: tuple[Axis, ...] = ()

    @cached_property
    def sizes(self) -> list[Size]:
        return [TensorType(member.made).elements() for member in self.members]

    @cached_property
    def starts(self) -> list[Size]:
        return list(accumulate(self.sizes, initial=Size.of(0)))

    @cached_property
    def places(self) -> dict[Node, int]:
        return {member.node: index for index, member in enumerate(self.members)}

    @cached_property
    def alike(self) -> bool:
        several = len(self.members[0].made) != 1  # one axis is cut with fewer calls where parts lie end to end
        return several and len({tuple(axis.size for axis in member.made) for member in self.members}) == 1

    def part(self, make: Make, node: Node) -> Node:
        """What stands in the place of a member: its cut of the product, under its own names."""
        index = self.places[node]
        member = self.members[index]
        if self.product is None:
            self.product = self._made(make.called("_".join(dict.fromkeys(one.node.name for one in self.members if one.node.name))[:40]))
        if self.alike:
            made = zip(self.inner, member.made, strict=True)
            return make.rename(make.pick(self.product, self.joint, index), {**member.names, **{a.name: b.name for a, b in made}})
        own = make.rename(make.cut(self.product, self.joint, self.starts[index], self.sizes[index]), member.names)
        return make.split(own, self.joint, member.made)

    def _made(self, make: Make) -> Node:
        first = self.members[0]
        self.joint = make.fresh("joint")
        self._name_axes(make)
        inputs = [make.new(first.x), self._together(make, [self._weight(make, member) for member in self.members])]
        if any(member.bias is not None for member in self.members):
            inputs.append(self._together(make, [self._bias(make, member) for member in self.members]))
        gone = {axis.name for axis in first.made}
        rest = [Axis(first.in_x(name), size) for name, size in first.node.axes if name not in gone]
        type = TensorType((*rest, Axis(self.joint, inputs[1].tensor.size(self.joint)), *self.inner))
        if first.taps:
            return make.node("conv", inputs, type, **{**first.node.options, "inner": first.gone})
        made = (self.joint, *(axis.name for axis in self.inner))
        return make.node("linear", inputs, type, over=first.gone, made=made, each=first.each, own=(self.joint, *self.own))

    def _name_axes(self, make: Make) -> None:
        """The first member's names, where the tensor does not have them itself."""
        first = self.members[0]
        if not self.alike:
            return
        taken = [name for name in first.x.tensor.names if first.taps or name not in first.gone]
        self.inner = tuple(Axis(make.fresh(name) if name in taken else name, size) for name, size in first.made)
        own = tuple(axis.name for axis in self.inner) if first.taps else first.own
        self.own = tuple(make.fresh(name) if first.x.tensor.has(name) else name for name in own)

    def _together(self, make: Make, parts: Sequence[Node]) -> Node:
        return make.stack(parts, self.joint) if self.alike else make.concat(parts, self.joint)

    def _weight(self, make: Make, member: Projection) -> Node:
        """A weight with its made axes under the joint names, the others as the tensor and the first member call them."""
        flat = self._flat(make, make.settled(member.weight), member.own, self.own)
        names = {new: old for old, new in member.names.items()}
        return make.rename(flat, {**names, **dict(zip(member.taps, self.members[0].taps, strict=True))})

    def _bias(self, make: Make, member: Projection) -> Node:
        """Its bias; zeros where it has none."""
        if member.bias is None:
            each = [Axis(name, member.x.tensor.size(name)) for name in member.each]
            return make.full(0.0, [*each, *(self.inner if self.alike else (Axis(self.joint, TensorType(member.made).elements()),))])
        flat = self._flat(make, make.settled(member.bias), [axis.name for axis in member.made], [axis.name for axis in self.inner])
        return make.rename(flat, {new: old for old, new in member.names.items()})

    def _flat(self, make: Make, weight: Node, own: Sequence[str], names: Sequence[str]) -> Node:
        return make.rename(weight, dict(zip(own, names, strict=True))) if self.alike else make.merge(weight, own, self.joint)


# ---------------------------------------------------------------- telling


def _change(graph: Graph, group: _Group, mode: Mode) -> Change:
    """`q`, `k` and `v` are one product: [3*64, 64] instead of three."""
    total = len(group.members)
    count = WORDS[total] if total < len(WORDS) else str(total)
    text = f"{_labels(graph, group.members)} are one product: {_shape(group)} instead of {count}"
    if mode == "train":
        text += "; their weights are put together in each forward"
    return Change(text, tuple(member.node.span for member in group.members))


def _left(graph: Graph, group: Sequence[Projection]) -> Change:
    """Parts of one image would be copied before each convolution, and the whole takes memory all at once."""
    text = f"{_labels(graph, group)} stay apart: a convolution reads each of them, and wants it by itself in memory"
    return Change(text, tuple(member.node.span for member in group))


def _labels(graph: Graph, members: Sequence[Projection]) -> str:
    names = [f"`{_label(graph, member)}`" for member in members]
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _label(graph: Graph, member: Projection) -> str:
    """The path of its weight without `weight`, or the name of what it makes."""
    if member.weight.op == "weight":
        slot: int = member.weight["slot"]
        path = graph.weights[slot].path
        return path.removesuffix(".weight") or path
    return member.node.name or member.node.op


def _shape(group: _Group) -> str:
    rows = [str(size) for size in group.sizes]
    first = group.members[0]
    columns = str(TensorType(tuple(axis for axis in first.x.axes if axis.name in first.gone)).elements())
    taps = "".join(f", {first.weight.tensor.size(name)}" for name in first.taps)
    total = f"{len(rows)}*{rows[0]}" if len({*rows}) == 1 else " + ".join(rows)
    return f"[{total}, {columns}{taps}]"
