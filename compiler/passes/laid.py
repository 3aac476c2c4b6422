"""How values lie in memory, as far as exact passes must know: whether a node writes its numbers anew, and whose order it takes."""

from __future__ import annotations

from ..graph import Node
from ..ops.base import OPERATORS
from ..ops.facts import is_number

_SAME_MEMORY = frozenset({"float", "float32", "detach", "real", "imag", "conj"})
"""Number by number operators that may hand on the memory they are given."""
_WRITERS = frozenset({"linear", "dot", "layernorm", "rmsnorm", "softmax", "sum", "mean", "max", "min"})


def writes(node: Node) -> bool:
    """Whether the value surely is a tensor of its own, without gaps and repetition."""
    if node.op in _WRITERS:
        return True
    return OPERATORS[node.op].pointwise and node.op not in _SAME_MEMORY and not is_number(node)


def stands_in(x: Node, node: Node) -> bool:
    """Whether an input of a number by number node lies in memory exactly as the node's result does: it has all axes, no input before it
    has as many, and it is a tensor of its own."""
    if len(x.axes) != len(node.axes) or not writes(x):
        return False
    first = next(source for source in node.inputs if len(source.axes) == len(node.axes))
    return first is x
