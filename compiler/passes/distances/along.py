"""A value for every pair of positions as a function of their distance alone: said anew along one axis of distances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...graph import Node
from ...ops.attend_held import is_said_anew
from ...ops.mask_offsets import CARRIED, linear
from ...sizes import Size
from ...types import Axis, TensorType
from ..live.carrying import SayingAnew, Unsaid
from ..making import Make, union

COMPARED = frozenset(("eq", "ne", "lt", "le", "gt", "ge"))


@dataclass(frozen=True)
class Line:
    """An axis of distances: at place p a key lies `zero - p` positions after its query."""

    query: str
    key: str
    axis: Axis
    zero: Size


class OnLine(SayingAnew):
    """Says nodes anew along a line. Raises Unsaid where more than the distance matters. Nothing behind `ground` is looked at."""

    def __init__(self, make: Make, line: Line, ground: frozenset[Node]) -> None:
        super().__init__(make)
        self.line, self.ground = line, ground

    def _one(self, node: Node, names: Mapping[str, str]) -> Node:
        if not {self.line.query, self.line.key} & {*names.values()}:
            return self.make.rename(node, names)
        if node in self.ground:
            raise Unsaid
        told = linear(node, names)
        if told is not None and not told.times.keys() - {self.line.query, self.line.key}:
            return self._distance(told.times, told.number)
        if node.op in CARRIED:
            return self._carried(node, names)
        if node.op in COMPARED:
            left, right = (linear(source, {axis.name: names[axis.name] for axis in source.axes}) for source in node.inputs)
            if left is not None and right is not None and not (gap := left.plus(right, -1)).times.keys() - {self.line.query, self.line.key}:
                return self.make.compare(node.op, self._distance(gap.times, gap.number), self.make.scalar(0))
        if is_said_anew(node):
            return self._worked_out(node, names)
        if node.op == "gather":
            return self._gathered(node, names)
        raise Unsaid

    def _distance(self, times: Mapping[str, Size], number: Size) -> Node:
        """So many times the distance, and a number."""
        many = times.get(self.line.key, Size.of(0))
        if many + times.get(self.line.query, Size.of(0)) != 0:
            raise Unsaid
        make = self.make
        if many == 0:
            return make.size(number)
        places = make.positions(self.line.axis)
        scaled = make.arithmetic("neg", places) if many == 1 else places if many == -1 else make.arithmetic("mul", places, make.size(-many))
        rest = many * self.line.zero + number
        return scaled if rest == 0 else make.arithmetic("add", scaled, make.size(rest))

    def _gathered(self, node: Node, names: Mapping[str, str]) -> Node:
        """The entries of a table that the distance picks; the table itself has neither queries nor keys."""
        table, index = node.inputs
        own = {axis.name: names[axis.name] for axis in table.axes if axis.name != node["axis"]}
        if {self.line.query, self.line.key} & {*own.values()}:
            raise Unsaid
        places = self._said(index, {axis.name: names[axis.name] for axis in index.axes})
        at = self.make.fresh(node["axis"])
        x = self.make.rename(table, {**own, node["axis"]: at})
        axes = union((x, places))
        return self.make.node("gather", (x, places), TensorType(tuple(axis for axis in axes if axis.name != at), x.dtype), axis=at)
