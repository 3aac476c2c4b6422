"""Products and sums that may be written over their first operand: it was made for them alone, and has all their numbers.

A large tensor less is made, which the system would have to find and clear at every run. The graph of a module is looked at, not its bodies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from torch import fx

from ..graph import Graph, Node
from ..ops.facts import is_number
from .targets import function

_NAMES = {"operator.add": "add", "operator.sub": "sub", "operator.mul": "mul", "operator.truediv": "div"}
_FUNCTIONS = {function(target): name for target, name in _NAMES.items()}
_ARITHMETIC = frozenset(_NAMES.values())
_POINTWISE = ("torch.exp", "torch.sigmoid", "torch.tanh", "torch.relu", "torch.nn.functional.elu")
_MAKERS = {*_FUNCTIONS, function("runtime.written_over"), *map(function, _POINTWISE)}
_MADE = _ARITHMETIC | {target.rpartition(".")[2] for target in _POINTWISE}
"""Operators whose result is memory of its own."""
_READERS = _ARITHMETIC | {"sum", "mean", "max", "min"}
"""Operators that look at their operands once, and keep nothing of their memory."""
LEAST = 2**16
"""Fewer numbers than this, where it is known how many, are made anew: the look at the operands takes as long."""


def spent(graph: Graph) -> frozenset[Node]:
    """The nodes whose first operand has all their numbers, and is read by nothing after them."""
    readers: dict[Node, list[Node]] = {}
    for node in graph.nodes:
        for source in node.inputs:
            readers.setdefault(source, []).append(node)
    fitting = (node for node in graph.nodes if node.op in _ARITHMETIC and _fits(node.inputs[0], node))
    return frozenset(node for node in fitting if _is_last(node, readers[node.inputs[0]], graph.reads[node.inputs[0]]))


def _fits(first: Node, node: Node) -> bool:
    alike = {*first.axes} == {*node.axes} and first.dtype == node.dtype and node.dtype in ("float", "wide")
    if first.op not in _MADE or not alike or is_number(first):
        return False
    size = node.tensor.elements().integer()
    return bool(node.axes) and (size is None or size >= LEAST)


def _is_last(node: Node, readers: Sequence[Node], reads: int) -> bool:
    """Whether a node is the last that reads its first operand; `readers` are in the order of the graph, without results and bodies."""
    return len(readers) == reads and readers[-1] is node and readers.count(node) == 1 and all(one.op in _READERS for one in readers)


def write_over(made: Any, first: Any) -> None:
    """Have a call write over its first operand, if that was worked out in this graph (what is prepared stays) and comes as it is."""
    taken = isinstance(made, fx.Node) and isinstance(first, fx.Node) and bool(made.args) and made.args[0] is first
    if taken and made.target in _FUNCTIONS and first.target in _MAKERS:
        made.args, made.target = (_FUNCTIONS[cast(Any, made.target)], *made.args), function("runtime.written_over")
