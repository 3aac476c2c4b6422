"""Keeping gradients finite through the side of a `where` that is not taken.

The slope of `where(x > 0, log(x), 0)` is 0 for x = 0, but by the chain rule it is 0 times infinity. So on each side the functions
that are infinite or undefined somewhere get a harmless argument wherever their side is not taken: `log(where(x > 0, x, 1))`.
The values that are taken do not change, and the slope through the others is exactly 0.

Reach: the pointwise operators between the `where` and the nearest operator of another kind, up to the nearest `LIMIT` of them on each
side. An infinite number that arrives from beyond (a reduction, an input) is not looked into.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from ..graph import Node
from .base import OPERATORS, Call
from .broadcast import result_type
from .facts import is_number, varies
from .pointwise import SAFE_ARGUMENTS

LIMIT = 64


def guarded(call: Call, side: Node, condition: Node, taken: bool) -> Node:
    """`side` with the same values wherever `condition` is `taken`, and finite slopes elsewhere."""
    if condition.op == "scalar":
        return side
    return _Guard(call, condition, taken, _region(side)).rebuild(side)


def _region(side: Node) -> frozenset[Node]:
    """The pointwise nodes that make up a side, nearest first, no more than LIMIT."""
    found: dict[Node, None] = {}
    queue = deque([side])
    while queue and len(found) < LIMIT:
        node = queue.popleft()
        operator = OPERATORS.get(node.op)
        if node not in found and operator is not None and operator.pointwise and not is_number(node):
            found[node] = None
            queue.extend(node.inputs)
    return frozenset(found)


class _Guard:
    """Rebuilds a region; the depth of its recursion is at most LIMIT."""

    def __init__(self, call: Call, condition: Node, taken: bool, region: frozenset[Node]) -> None:
        self.call = call
        self.condition = condition
        self.taken = taken
        self.region = region
        self.done: dict[Node, Node] = {}

    def rebuild(self, node: Node) -> Node:
        if node not in self.region:
            return node
        if node not in self.done:
            inputs = [self.rebuild(source) for source in node.inputs]
            for place, safe in _hazards(node):
                inputs[place] = self.choose(inputs[place], safe)
            self.done[node] = node if tuple(inputs) == node.inputs else self.remake(node, inputs)
        return self.done[node]

    def remake(self, node: Node, inputs: list[Node]) -> Node:
        return self.call.make.node(node.op, inputs, result_type(inputs, node.dtype), node.span, **node.options)

    def choose(self, argument: Node, safe: int) -> Node:
        """The argument where this side is taken, else a harmless number."""
        other = self.call.number(safe)
        sides = (argument, other) if self.taken else (other, argument)
        inputs = (self.condition, *sides)
        return self.call.make.node("where", inputs, result_type(inputs, argument.dtype), argument.span)


def _hazards(node: Node) -> Iterator[tuple[int, int]]:
    """Which operands of a node can make it or its slope infinite, and a harmless number for each."""
    if node.op in SAFE_ARGUMENTS:
        places = [(0, SAFE_ARGUMENTS[node.op])]
    elif node.op in ("div", "floordiv", "mod"):
        places = [(1, 1)]
    elif node.op == "pow" and not _is_harmless_power(node.inputs[1]):
        places = [(0, 1), (1, 1)]
    else:
        return
    yield from ((place, safe) for place, safe in places if varies(node.inputs[place]))


def _is_harmless_power(exponent: Node) -> bool:
    """Whether x to this power, and its slope, are finite for every finite x."""
    return exponent.op == "scalar" and exponent["value"] >= 0 and exponent["value"] == int(exponent["value"])
