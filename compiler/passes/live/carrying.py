"""A tensor along other axes, where queries and keys lie in blocks: arithmetic on positions is said anew, data are viewed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ...graph import Node
from ...ops.attend_held import is_said_anew
from ...ops.mask_offsets import CARRIED
from ...types import TensorType
from ..making import Make, union

MOST = 150
"""How many nodes of a mask or bias are said anew."""


class Unsaid(Exception):
    """A tensor has its own numbers for pairs of queries and keys, which do not lie in blocks without a copy of them all."""


@dataclass(frozen=True)
class Along:
    """What takes the place of one axis: positions along the new axes, and a tensor with the axis on the new ones, as views."""

    positions: Callable[[], Node]
    view: Callable[[Node, str], Node]


class SayingAnew(ABC):
    """Says nodes anew, each once. Raises Unsaid where that cannot be, or takes too much."""

    def __init__(self, make: Make) -> None:
        self.make = make
        self.made: dict[tuple[Node, tuple[tuple[str, str], ...]], Node] = {}

    def __call__(self, node: Node) -> Node:
        return self._said(node, {axis.name: axis.name for axis in node.axes})

    @abstractmethod
    def _one(self, node: Node, names: Mapping[str, str]) -> Node:
        """A node whose axes are called so where it is read."""

    def _said(self, node: Node, names: Mapping[str, str]) -> Node:
        key = node, tuple(sorted(names.items()))
        if key not in self.made:
            if len(self.made) > MOST:
                raise Unsaid
            self.made[key] = self._one(node, names)
        return self.made[key]

    def _worked_out(self, node: Node, names: Mapping[str, str]) -> Node:
        """The same operator, on inputs that are said anew."""
        inputs = [self._said(source, {axis.name: names[axis.name] for axis in source.axes}) for source in node.inputs]
        return self.make.node(node.op, inputs, TensorType(union(inputs), node.dtype), **node.options)

    def _carried(self, node: Node, names: Mapping[str, str]) -> Node:
        inner = dict(names)
        if node.op == "rename":
            inner |= {old: inner[new] for old, new in node["pairs"]}
        source = node.inputs[0]
        said = self._said(source, {axis.name: inner[axis.name] for axis in source.axes})
        return said if node.op != "detach" else self.make.node("detach", (said,), said.type)


class Carrying(SayingAnew):
    """Says nodes anew where axes change; `along` has these."""

    def __init__(self, make: Make, along: Mapping[str, Along]) -> None:
        super().__init__(make)
        self.along = along

    def _one(self, node: Node, names: Mapping[str, str]) -> Node:
        touched = [axis for axis, outer in names.items() if outer in self.along]
        if not touched:
            return self.make.rename(node, names)
        if node.op == "pos":
            return self.along[names[node["axis"]]].positions()
        if node.op in CARRIED:
            return self._carried(node, names)
        if is_said_anew(node):
            return self._worked_out(node, names)
        if len(touched) > 1:
            raise Unsaid
        return self.along[names[touched[0]]].view(self.make.rename(node, names), names[touched[0]])
