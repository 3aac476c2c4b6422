"""Work that gives back what it was given: neutral elements, what undoes itself, what is done twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..graph import Node
from .laid import stands_in, writes
from .simplify import Place, Simplification

_IDEMPOTENT = frozenset({"relu", "abs", "floor", "ceil", "round", "sign", "detach", "int", "bool", "float", "float32"})


def _instead(place: Place, x: Node) -> Node | None:
    """`x` in place of the node, where it has its axes and kind of number, and lies as it did."""
    now = place.now
    if x.dtype != now.dtype or frozenset(x.axes) != frozenset(now.axes):
        return None
    return x if not place.strict or stands_in(x, now) else None


def is_scalar(node: Node, *values: Any) -> bool:
    """Whether a node is one of these numbers; a bool is none."""
    return node.op == "scalar" and not isinstance(node["value"], bool) and node["value"] in values


def _neutral(place: Place) -> Node | None:
    """`x * 1`, `x / 1`, `x ** 1`, `x - 0`; `x + 0` of whole numbers alone, as -0.0 + 0 is 0.0."""
    now = place.now
    left, right = now.inputs
    neutral = {"mul": 1, "div": 1, "pow": 1, "sub": 0}.get(now.op, 0)
    if is_scalar(right, neutral) and (now.op != "add" or now.dtype == "int"):
        return _instead(place, left)
    if is_scalar(left, neutral) and (now.op == "mul" or (now.op == "add" and now.dtype == "int")):
        return _instead(place, right)
    return None


def _twice(place: Place) -> Node | None:
    """`-(-x)` and `not not x`."""
    (inner,) = place.now.inputs
    if inner.op != place.now.op:
        return None
    return _instead_inner(place, inner.inputs[0])


def _instead_inner(place: Place, x: Node) -> Node | None:
    if x.dtype != place.now.dtype:
        return None
    return x if not place.strict or writes(x) else None


def _again(place: Place) -> Node | None:
    """`relu(relu(x))`, `abs(abs(x))`, a cast of what has the kind already."""
    (inner,) = place.now.inputs
    if inner.op != place.now.op or inner.dtype != place.now.dtype:
        return None
    return inner if inner.op in ("detach", "int", "bool", "float", "float32") or not place.strict or writes(inner) else None


def _same_choice(place: Place) -> Node | None:
    """`where(c, a, a)`."""
    _, a, b = place.now.inputs
    return _instead(place, a) if a is b else None


def _same_truth(place: Place) -> Node | None:
    """`a and a`, `a or a`."""
    a, b = place.now.inputs
    return _instead(place, a) if a is b else None


def _other_way(place: Place) -> Node | None:
    """`where(not c, a, b)` is `where(c, b, a)`; strictly only where this leaves the order in memory."""
    negated, a, b = place.now.inputs
    if negated.op != "not":
        return None
    widths = [len(node.axes) for node in (negated, a, b)]
    if place.strict and (widths[1] == widths[2] and widths[1] > widths[0]):
        return None
    if place.strict and max(widths) < len(place.now.axes):
        return None
    return place.make.again(place.now, (negated.inputs[0], b, a))


_OPPOSITE = {"lt": "ge", "ge": "lt", "le": "gt", "gt": "le", "eq": "ne", "ne": "eq"}


def _opposite(place: Place) -> Node | None:
    """`not (a < b)` is `a >= b` where both are whole (of NaN neither is true)."""
    (inner,) = place.now.inputs
    if inner.op not in _OPPOSITE or any(node.dtype not in ("int", "bool") for node in inner.inputs):
        return None
    return place.make.node(_OPPOSITE[inner.op], inner.inputs, place.now.type)


def _row(said: str, ops: str, apply: Callable[[Place], Node | None]) -> Simplification:
    return Simplification(said, frozenset(ops.split()), apply)


IDENTITIES = (
    _row("arithmetic with a neutral number is left out", "add sub mul div pow", _neutral),
    _row("two signs or negations in a row are none", "neg not", _twice),
    Simplification("what was done to a value already is not done again", _IDEMPOTENT, _again),
    _row("a choice between two equal values is that value", "where", _same_choice),
    _row("a condition joined with itself is itself", "and or", _same_truth),
    _row("a choice by a negated condition is the other choice", "where", _other_way),
    _row("a negated comparison of whole numbers is the opposite one", "not", _opposite),
)
