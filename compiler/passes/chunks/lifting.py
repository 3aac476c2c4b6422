"""The inside of a loop along more axes: what it does at one step, done at many positions at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...graph import Node, topological
from ...ops.base import OPERATORS
from ...types import Axis, TensorType
from ..making import Make

_NAMES = "dot linear sum mean max min prod norm softmax l2norm layernorm rmsnorm rename expand split merge cut pick pad concat stack"
CARRYING = frozenset(_NAMES.split())
"""Operators, besides those that work number by number, that treat an axis they do not name position by position."""
RANDOM = frozenset(("dropout", "droppath"))


class Unlifted(Exception):
    """An operation that cannot be done at many positions at once."""

    def __init__(self, node: Node) -> None:
        super().__init__(node.op)
        self.node = node


class Lifting:
    """Says nodes of a body along `axes`, each once. `known` has what its parameters are there."""

    def __init__(self, make: Make, known: Mapping[Node, Node], axes: Sequence[Axis]) -> None:
        self.make = make
        self.known = dict(known)
        self.axes = tuple(axes)

    def __call__(self, root: Node) -> Node:
        for node in topological([root], self.known.__contains__):
            self.known[node] = self._one(node)
        return self.known[root]

    def _one(self, node: Node) -> Node:
        inputs = [self.known[source] for source in node.inputs]
        if all(a is b for a, b in zip(inputs, node.inputs, strict=True)):
            return node
        names = {axis.name for axis in self.axes}
        if not self._carries(node) or not names.isdisjoint(node.tensor.names):
            raise Unlifted(node)
        more = [axis for axis in self.axes if any(x.tensor.has(axis.name) for x in inputs)]
        if node.op in ("concat", "stack"):
            inputs = [self.make.expand(x, more) for x in inputs]
        return self.make.builder.make(
            node.op, tuple(inputs), TensorType((*node.axes, *more), node.dtype), node.options, node.span, node.scope, node.name
        )

    @staticmethod
    def _carries(node: Node) -> bool:
        return node.op in CARRYING or (OPERATORS[node.op].pointwise and node.op not in RANDOM)
