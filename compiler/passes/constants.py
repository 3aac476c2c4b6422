"""What is known before the run: arithmetic on numbers, comparisons that sizes decide, and choices by them.

Numbers are folded only where the run would compute with Python numbers too, by the same function, so that no digit differs.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from ..graph import Node
from ..ops.facts import NUMBER_TARGETS
from ..sizes import Size, SizeTooLarge
from ..types import TensorType
from .laid import stands_in
from .making import Make
from .ranges import decided, range_of
from .simplify import Place, Simplification

_COMPARISONS = frozenset({"eq", "ne", "lt", "le", "gt", "ge"})
_LARGEST = 2**63
_SAME_NAME = ("add", "sub", "mul", "floordiv", "mod", "neg", "eq", "ne", "lt", "le", "gt", "ge", "abs")
_OTHER_NAME = {"div": "truediv", "and": "and_", "or": "or_", "not": "not_"}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(operator, name) for name in _SAME_NAME},
    **{name: getattr(operator, other) for name, other in _OTHER_NAME.items()},
    "floor": math.floor,
    "ceil": math.ceil,
    "int": int,
    "float": float,
}
"""Python's own arithmetic, which the run uses on numbers; powers, roots and extremes are left to it."""


def _numbers(place: Place) -> Node | None:
    """An operator on numbers alone: its value."""
    now = place.now
    if now.op not in NUMBER_TARGETS or not now.inputs or any(source.op != "scalar" for source in now.inputs):
        return None
    try:
        value = _FUNCTIONS[now.op](*(source["value"] for source in now.inputs))
    except (ArithmeticError, ValueError):
        return None  # left to the run, which says what is wrong
    kind = "bool" if isinstance(value, bool) else "int" if isinstance(value, int) else "wide"
    if kind != now.dtype or (kind == "int" and abs(value) >= _LARGEST):
        return None
    return place.make.scalar(value)


def _sizes(place: Place) -> Node | None:
    """Whole sums, differences and products of sizes: one size; a size that is known: a number."""
    now = place.now
    if now.dtype != "int":
        return None
    known = _size_of(now) if now.op == "size" else _size_arithmetic(now)
    if known is None:
        return None
    number = known.integer()
    if number is not None:
        return place.make.scalar(number) if abs(number) < _LARGEST else None
    return None if now.op == "size" else place.make.node("size", (), TensorType((), "int"), value=known)


def _size_of(node: Node) -> Size | None:
    if node.op == "size":
        size: Size = node["value"]
        return size
    if node.op == "scalar" and isinstance(node["value"], int) and not isinstance(node["value"], bool):
        return Size.of(node["value"])
    return None


def _size_arithmetic(node: Node) -> Size | None:
    sizes = [_size_of(source) for source in node.inputs]
    known = [size for size in sizes if size is not None]
    if not known or len(known) < len(sizes) or all(source.op == "scalar" for source in node.inputs):
        return None
    try:
        match node.op:
            case "add":
                return known[0] + known[1]
            case "sub":
                return known[0] - known[1]
            case "mul":
                return known[0] * known[1]
            case _:
                return None
    except SizeTooLarge:
        return None


# ------------------------------------------------ comparisons


def constant(make: Make, value: bool | int, like: Node) -> Node:
    """One value for every element of `like`."""
    number = make.scalar(value)
    return number if not like.axes else make.node("full", (number,), like.tensor)


def value_of(node: Node) -> bool | None:
    """The truth value that every element has, where that is known."""
    inner = node.inputs[0] if node.op == "full" else node
    return inner["value"] if inner.op == "scalar" and inner.dtype == "bool" else None


def _free_to_fill(place: Place) -> bool:
    """Whether a tensor of one value may take the place: with two axes or more it could lie in another order."""
    return not place.strict or len(place.now.axes) <= 1


def _compared(place: Place) -> Node | None:
    """A comparison of whole numbers that their ranges decide, as `pos(N) >= 0`."""
    now = place.now
    if any(source.dtype not in ("int", "bool") for source in now.inputs) or not _free_to_fill(place):
        return None
    left, right = now.inputs
    answer = now.op in ("eq", "le", "ge") if left is right else decided(now.op, range_of(left), range_of(right))
    return None if answer is None else constant(place.make, answer, now)


def _remainder(place: Place) -> Node | None:
    """`pos(N) % size` of what is below it anyway."""
    now = place.now
    left, right = now.inputs
    if now.dtype != "int" or frozenset(left.axes) != frozenset(now.axes) or left.dtype != "int":
        return None
    a, b = range_of(left), range_of(right)
    small = decided("lt", a, b) and a.low is not None and decided("ge", a, range_of(place.make.scalar(0)))
    return left if small and b.exact is not None and (not place.strict or left.op == "pos" or stands_in(left, now)) else None


# ------------------------------------------------ choices and logic


def _chosen(place: Place) -> Node | None:
    """`where` by a condition that is known."""
    condition, a, b = place.now.inputs
    answer = value_of(condition)
    return None if answer is None else widened(place, a if answer else b)


def _logic(place: Place) -> Node | None:
    """`and`, `or`, `not` with a truth value that is known."""
    now = place.now
    if now.op == "not":
        answer = value_of(now.inputs[0])
        return None if answer is None or not _free_to_fill(place) else constant(place.make, not answer, now)
    for known, other in (now.inputs, now.inputs[::-1]):
        answer = value_of(known)
        if answer is None:
            continue
        if answer is (now.op == "and"):
            return widened(place, other)
        return constant(place.make, answer, now) if _free_to_fill(place) else None
    return None


def widened(place: Place, x: Node) -> Node | None:
    """`x` along all axes of the node, where it has the node's kind of number; strictly only where it lies as the node would."""
    now = place.now
    if x.dtype != now.dtype or any(axis not in now.axes for axis in x.axes):
        return None
    if place.strict and not stands_in(x, now):
        return None
    return place.make.expand(x, now.axes)


CONSTANTS = (
    Simplification("arithmetic on numbers is done now", frozenset(_FUNCTIONS), _numbers),
    Simplification("arithmetic on sizes is one size", frozenset({"size", "add", "sub", "mul"}), _sizes),
    Simplification("a comparison that the sizes decide is its answer", _COMPARISONS, _compared),
    Simplification("a remainder of what is smaller is that", frozenset({"mod"}), _remainder),
    Simplification("a choice by what is known is the chosen value", frozenset({"where"}), _chosen),
    Simplification("a condition that is known is gone", frozenset({"and", "or", "not"}), _logic),
)
