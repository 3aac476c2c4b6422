"""`a + b` and `b + a` are one value, and so are `a > b` and `b < a`: the second one met becomes the first."""

from __future__ import annotations

from typing import Any

from ..graph import Node
from .simplify import Place, Simplification

_COMMUTE = frozenset({"add", "mul", "eq", "ne", "and", "or"})
_MIRRORED = {"gt": "lt", "ge": "le"}


def _met_before(place: Place) -> Node | None:
    """An equal node with its operands the other way round. Strictly only where the result lies in the order of the same operand."""
    now = place.now
    first = place.memo.setdefault(_key(now), now)
    if first is now or frozenset(first.axes) != frozenset(now.axes):
        return None
    a, b = now.inputs
    whole = max(len(a.axes), len(b.axes)) == len(now.axes)
    tells = len(now.axes) <= 1 or (whole and len(a.axes) != len(b.axes))
    return first if tells or not place.strict else None


def _key(node: Node) -> Any:
    a, b = node.inputs
    if node.op in _COMMUTE:
        return node.op, frozenset((a, b))
    return (_MIRRORED[node.op], b, a) if node.op in _MIRRORED else (node.op, a, b)


COMMUTED = (Simplification("what is computed already is not computed again", _COMMUTE | {"gt", "ge", "lt", "le"}, _met_before),)
