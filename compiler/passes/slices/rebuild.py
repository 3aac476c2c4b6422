"""The smaller graph: every node along the positions that are kept, its inputs cut to what it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...graph import Builder, Graph, Node
from ...sizes import Size
from ...types import Axis, TensorType
from ..making import AxisNames, Make
from .bits import countable, full, length, positions
from .demand import LEAVES, Demand, Kept
from .taps import narrower
from .zeros import Zeros

MOST_RUNS = 8
"""Positions in more runs than this are gathered, not cut and put together."""


class Rebuild:
    """`taken`: the parts of weights and inputs that are read, as sets of positions by axis, every reading once."""

    def __init__(self, graph: Graph, zeros: Zeros, demand: Demand) -> None:
        self.graph = graph
        self.zeros = zeros
        self.demand = demand
        self.builder = Builder(graph)
        self.new: dict[Node, Node] = {}
        self.taken: dict[Node, list[Kept]] = {}

    def run(self) -> Graph:
        for node in self.graph.nodes:
            if node in self.demand.kept:
                self.new[node] = self._one(node)
        outputs = tuple(replace(output, node=self._read(output.node, {})) for output in self.graph.outputs)
        updates = tuple((slot, self._read(node, {})) for slot, node in self.graph.updates)
        return replace(self.graph, outputs=outputs, updates=updates)

    def _make(self, at: Node) -> Make:
        return Make(self.builder, at, AxisNames(), self.new)

    def _one(self, node: Node) -> Node:
        if node.op in LEAVES:
            return self.builder.adopt(node)
        if node.op == "pick":
            return self._pick(node)
        inputs = [self._operand(node, source, need) for source, need in zip(node.inputs, self.demand.needs[node], strict=True)]
        if node.op == "cut" and length(node.inputs[0], node["axis"]) is not None and node["start"].integer() is not None:
            return inputs[0]
        kept = self.demand.kept[node]
        if node.op in ("concat", "stack") and node["axis"] in kept:
            inputs = self._parts(node, inputs)
        type = node.type if not isinstance(node.type, TensorType) else smaller(node.type, kept)
        if tuple(inputs) == node.inputs and type == node.type:
            return self.builder.adopt(node)
        options = narrower(node, self.demand.needs[node][1]) if node.op == "conv" else node.options
        return self.builder.make(node.op, tuple(inputs), type, options, node.span, node.scope, node.name)

    def _pick(self, node: Node) -> Node:
        """The same position, wherever it is in what is left."""
        (x,), axis, (need,) = node.inputs, node["axis"], self.demand.needs[node]
        if axis not in need:
            return self.builder.make("pick", (self._read(x, need),), smaller(node.tensor, self.demand.kept[node]), node.options, node.span,
                                     node.scope, node.name)  # fmt: skip
        have = self.demand.kept[x].get(axis, full(length(x, axis) or 0))
        self._note(x, need)
        found = self._read(x, {**need, axis: have}, noted=True)
        return self._make(node).pick(found, axis, positions(have).index(positions(need[axis])[0]))

    def _parts(self, node: Node, inputs: Sequence[Node]) -> list[Node]:
        """The operands that still have a place in the result."""
        axis, start = node["axis"], 0
        left: list[Node] = []
        for source, new in zip(node.inputs, inputs, strict=True):
            count = (length(source, axis) or 1) if source.tensor.has(axis) else 1
            if self.demand.kept[node][axis] >> start & full(count):
                left.append(new)
            start += count
        return left

    # ------------------------------------------------ reading

    def _operand(self, node: Node, source: Node, need: Kept) -> Node:
        """What a node reads. `where` wants less than it shows of its two sides, but they still have to line up with the mask."""
        if node.op != "where":
            return self._read(source, need)
        self._note(source, need)
        shown = {
            name: mask for name, mask in self.demand.kept[node].items() if isinstance(source.type, TensorType) and source.tensor.has(name)
        }
        return self._read(source, shown, noted=True)

    def _read(self, source: Node, need: Kept, noted: bool = False) -> Node:
        """These positions of a value; those that were not computed are zero, or do not matter."""
        if not isinstance(source.type, TensorType):
            return self.new[source]
        if self.zeros.vanishes(source):
            return self._zero(source, smaller(source.type, need))
        if not noted:
            self._note(source, need)
        now, kept = self.new[source], self.demand.kept[source]
        for name, count in countable(source):
            have, want = kept.get(name, full(count)), need.get(name, full(count))
            if have != want:
                now = _part(self._make(source), now, name, positions(have), positions(want))
        return now

    def _note(self, source: Node, need: Kept) -> None:
        if source.op in ("weight", "input"):
            known = self.taken.setdefault(source, [])
            known += [need] if need not in known else []

    def _zero(self, source: Node, type: TensorType) -> Node:
        """Zeros of a type. Those of the working type are the sum of no number of a weight or input that has it."""
        make = self._make(source)
        if source.dtype != "float":
            value = {"bool": False, "int": 0}.get(source.dtype, 0.0)
            return make.full(value, type.axes)
        leaf = self.zeros.leaf[source]
        assert leaf is not None  # or the value would not vanish
        return make.expand(nothing_of(make, leaf), type.axes)


def nothing_of(make: Make, leaf: Node) -> Node:
    """The sum of no number of a tensor: zero, and so is its gradient."""
    return make.total(make.cut(leaf, leaf.axes[-1].name, 0, 0), leaf.tensor.names)


def smaller(type: TensorType, kept: Kept) -> TensorType:
    """The type of what is left of a value."""
    return TensorType(tuple(Axis(name, Size.of(kept[name].bit_count()) if name in kept else size) for name, size in type.axes), type.dtype)


def _part(make: Make, x: Node, axis: str, have: Sequence[int], want: Sequence[int]) -> Node:
    """`x`, whose positions along `axis` are `have`, at the positions `want`; those it has not are zero."""
    places = {position: place for place, position in enumerate(have)}
    wanted = [places.get(position, -1) for position in want]
    if not wanted:
        return make.cut(x, axis, 0, 0)
    if max(wanted) < 0 and x.dtype not in ("bool", "int"):
        return make.expand(make.total(make.cut(x, axis, 0, 0), [axis]), [Axis(axis, Size.of(len(wanted)))])  # zeros of this kind of number
    runs = _runs(wanted)
    if len(runs) > MOST_RUNS and -1 not in wanted:
        return make.gather(x, axis, wanted)
    pieces = [make.cut(x, axis, start, count) if start >= 0 else _blank(make, x, axis, count) for start, count in runs]
    return pieces[0] if len(pieces) == 1 else make.concat(pieces, axis)


def _runs(places: Sequence[int]) -> list[tuple[int, int]]:
    """Neighbours together: where each run begins, or -1 for places that are not there, and how long it is."""
    runs: list[tuple[int, int]] = []
    for place in places:
        if runs and ((place < 0 and runs[-1][0] < 0) or (place >= 0 and runs[-1][0] >= 0 and sum(runs[-1]) == place)):
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((place, 1))
    return runs


def _blank(make: Make, x: Node, axis: str, count: int) -> Node:
    """Zeros like a part of `x` of this length; together with `x` they take its kind of number."""
    return make.full(False if x.dtype == "bool" else 0, [Axis(name, Size.of(count) if name == axis else size) for name, size in x.axes])
