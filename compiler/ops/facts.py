"""Facts about where a node's value comes from, found once for each node and without recursion."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from ..graph import Node, topological
from .base import OPERATORS, no_cost

NUMBER_TARGETS: dict[str, str] = {}
"""Operators that work on Python numbers, and the Python function each of them then is."""

_DATA, _WEIGHT, _WORKED, _VARIES, _NUMBER = 1, 2, 4, 8, 16
_FIXED = frozenset({"weight", "scalar", "size", "literal"})
# Neither adds up nor mixes: these hand on what they are given, whatever they cost.
_CARRIERS = frozenset({"item", "rename", "expand", "unknown", "dropout", "droppath"})
_CACHE: WeakKeyDictionary[Node, int] = WeakKeyDictionary()


def is_number(node: Node) -> bool:
    """Whether the value is a Python number when the module runs: scalars, sizes, and arithmetic on them."""
    return bool(_facts(node) & _NUMBER)


def is_computed(node: Node) -> bool:
    """Whether the value depends on a declared input, and on the way met a weight, a contraction, a reduction or a norm."""
    facts = _facts(node)
    return bool(facts & _DATA) and bool(facts & (_WEIGHT | _WORKED))


def varies(node: Node) -> bool:
    """Whether the value depends on anything besides weights, literals and sizes: on inputs, positions or random draws."""
    return bool(_facts(node) & _VARIES)


def _facts(node: Node) -> int:
    known = _CACHE.get(node)
    if known is not None:
        return known
    for one in topological([node], _CACHE.__contains__):
        _CACHE[one] = _rule(one)
    return _CACHE[node]


def _rule(node: Node) -> int:
    """The facts of a node from those of its inputs."""
    if not node.inputs:
        return _leaf(node)
    facts, number = 0, node.op in NUMBER_TARGETS
    for source in node.inputs:
        known = _CACHE[source]
        facts |= known & ~_NUMBER
        number = number and bool(known & _NUMBER)
    if facts & _DATA and not _carries(node):
        facts |= _WORKED
    return facts | (_NUMBER if number else 0)


def _leaf(node: Node) -> int:
    if node.op in ("input", "param"):
        return _DATA | _VARIES
    if node.op == "weight":
        return _WEIGHT
    if node.op in ("scalar", "size"):
        return _NUMBER
    return 0 if node.op in _FIXED else _VARIES


def _carries(node: Node) -> bool:
    """Whether the node only moves, names or maps single numbers."""
    operator = OPERATORS.get(node.op)
    return node.op in _CARRIERS or (operator is not None and (operator.pointwise or operator.cost is no_cost))
