"""Whether masks leave every row a key for certain, at every size: by looking at the diagonal, and at the first key."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from ..graph import Node
from ..sizes import Size, equal
from .recognise_pieces import Piece, bare

MOST = 64
"""How many operations of a mask are looked at."""


@dataclass(frozen=True)
class Linear:
    """A sum of positions, each a number of times, and a constant. Positions are 0 or more."""

    times: Mapping[str, int]
    constant: int = 0

    def minus(self, other: Linear) -> Linear:
        names = sorted({*self.times, *other.times})
        kept = {name: self.times.get(name, 0) - other.times.get(name, 0) for name in names}
        return Linear({name: count for name, count in kept.items() if count}, self.constant - other.constant)

    def plus(self, other: Linear) -> Linear:
        return self.minus(Linear({}).minus(other))

    def least(self) -> int | None:
        """The smallest value, where there is one."""
        return self.constant if all(count > 0 for count in self.times.values()) else None


def always_some(masks: Sequence[Piece], keys: Sequence[str], sizes: Mapping[str, Size]) -> bool:
    """Whether all masks hold together at some key of every row. `sizes`: of the axes that some mask has."""
    rows = [name for mask in masks for name in mask.names.values() if name not in keys]
    choices: list[list[str | None]] = []
    for key in keys:
        twins = [row for row in dict.fromkeys(rows) if key in sizes and equal(sizes[row], sizes[key])]
        choices.append([*twins, None])
    for chosen in product(*choices):
        places = dict(zip(keys, chosen, strict=True))
        if all(_value(mask, places, [MOST]) is True for mask in masks):
            return True
    return False


def _value(piece: Piece, places: Mapping[str, str | None], left: list[int]) -> Any:
    """What is known at the chosen keys: True, False, a Linear, or None for nothing."""
    left[0] -= 1
    if left[0] < 0:
        return None
    piece = bare(piece)
    node = piece.node
    if node.op == "pos":
        name = piece.names[node["axis"]]
        at = places.get(name, name)
        return Linear({} if at is None else {at: 1})
    if node.op == "scalar":
        return _constant(node)
    if node.op not in _RULES and node.op not in ("add", "sub", "and", "or", "not"):
        return None
    return _combined(node, [_value(piece.input(place), places, left) for place in range(len(node.inputs))])


def _constant(node: Node) -> Any:
    value = node["value"]
    if isinstance(value, bool):
        return value
    return Linear({}, value) if isinstance(value, int) else None


def _combined(node: Node, values: list[Any]) -> Any:
    if node.op == "and":
        return True if all(value is True for value in values) else None
    if node.op == "or":
        return True if any(value is True for value in values) else None
    if not all(isinstance(value, Linear) for value in values) or len(values) != 2:
        return None
    left, right = values
    if node.op == "add":
        return left.plus(right)
    return left.minus(right) if node.op == "sub" else _RULES[node.op](left, right)


def _at_least(left: Linear, right: Linear, more: int = 0) -> bool | None:
    least = left.minus(right).least()
    return True if least is not None and least >= more else None


def _same(left: Linear, right: Linear) -> bool | None:
    difference = left.minus(right)
    return True if not difference.times and not difference.constant else None


def _more(left: Linear, right: Linear) -> bool | None:
    return _at_least(left, right, 1)


def _at_most(left: Linear, right: Linear) -> bool | None:
    return _at_least(right, left)


def _less(left: Linear, right: Linear) -> bool | None:
    return _at_least(right, left, 1)


_RULES: dict[str, Callable[[Linear, Linear], bool | None]] = {
    "ge": _at_least, "gt": _more, "le": _at_most, "lt": _less, "eq": _same
}  # fmt: skip
