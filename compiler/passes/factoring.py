"""A factor that two products share is multiplied once: `x * a + x * b` is `x * (a + b)`, so that gates of one image are added before they
scale it; and a number goes to what is smaller than the image."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from operator import is_not

from ..graph import Node
from ..ops.broadcast import union
from ..ops.facts import is_number
from .simplify import Place, Simplification

MOST = 4
"""So many gates of one sum are put in order."""
_FLOATS = ("float", "wide")


def _shared_factor(place: Place) -> Node | None:
    """Where the shared factor has all axes, and nothing else reads the products."""
    now = place.now
    left, right = now.inputs
    if place.strict or left.op != "mul" or right.op != "mul" or left is right or not (place.alone(0) and place.alone(1)):
        return None
    x = next((one for one in left.inputs if one in right.inputs and {*one.axes} == {*now.axes}), None)
    if x is None or any(one.dtype != now.dtype for one in (x, *left.inputs, *right.inputs)):
        return None
    pair = [_other(left, x), _other(right, x)]
    if x in pair:
        return None
    return place.make.arithmetic("mul", x, _sum(place, pair, x) if now.op == "add" else place.make.arithmetic("sub", *pair))


def _other(product: Node, x: Node) -> Node:
    a, b = product.inputs
    return b if a is x else a


def _sum(place: Place, pair: Sequence[Node], x: Node) -> Node:
    """The sum of the gates, those first that give the axes of `x` in its order."""
    parts = [part for one in pair for part in (one.inputs if one.op == "add" and place.reads[one] <= 1 else (one,))]
    parts = parts if len(parts) <= MOST and all(one.dtype == x.dtype for one in parts) else list(pair)
    first = next((two for two in permutations(parts, 2) if _keeps_order(two, x)), tuple(parts[:2]))
    total = place.make.arithmetic("add", *first)
    for part in parts:
        total = total if part in first else place.make.arithmetic("add", total, part)
    return total


def _keeps_order(nodes: Sequence[Node], x: Node) -> bool:
    """Whether the sum has the innermost axis of `x` innermost."""
    return union(nodes)[-1:] == x.axes[-1:]


def _small_scaled(place: Place) -> Node | None:
    """`(x * g) * 2` is `x * (g * 2)` where `g` is smaller; `(a + b) * 2` is `a * 2 + b * 2` where both are smaller than their sum."""
    now = place.now
    number = next((one for one in (now.inputs if now.op == "mul" else now.inputs[1:]) if is_number(one)), None)
    if place.strict or number is None or now.dtype not in _FLOATS:
        return None
    at = 1 if now.inputs[0] is number else 0
    inner = now.inputs[at]
    if inner.dtype != now.dtype or len(inner.inputs) != 2 or not place.alone(at) or any(one.dtype != now.dtype for one in inner.inputs):
        return None
    scaled = [_scaled(place, one, number) if _is_small(place, one, now) else one for one in inner.inputs]
    if inner.op in ("add", "sub") and all(map(is_not, scaled, inner.inputs)):
        return place.make.arithmetic(inner.op, *scaled)
    if inner.op != "mul" or scaled == list(inner.inputs):
        return None
    a, b = inner.inputs
    first = scaled[0] is not a and (scaled[1] is b or len(a.axes) <= len(b.axes))
    return place.make.arithmetic("mul", *((scaled[0], b) if first else (a, scaled[1])))


def _scaled(place: Place, x: Node, number: Node) -> Node:
    return place.make.arithmetic(place.now.op, x, number)


def _is_small(place: Place, x: Node, whole: Node) -> bool:
    """Whether a value lacks an axis, or is a sum of some that do and that nothing else reads."""
    parts = [x]
    for one in parts:
        if len(one.axes) == len(whole.axes):
            if one.op not in ("add", "sub") or place.reads[one] > 1 or len(parts) > 2 * MOST:
                return False
            parts += one.inputs
    return not any(map(is_number, parts))


FACTORING = (
    Simplification("what two products share is multiplied once", frozenset({"add", "sub"}), _shared_factor),
    Simplification("a number is multiplied with the smallest factor", frozenset({"mul", "div"}), _small_scaled),
)
