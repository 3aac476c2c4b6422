"""What a mask says of positions: which distances between a query and a key it allows, along which axes.

A mask is taken apart into the conditions that must all hold. A condition that compares sums of positions along two axes is a band, one on
the remainder of their distance is a residue, and one that both lie in the same block of so many is a segment. Any other says nothing here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from ..graph import Node
from ..sizes import Size

DEEPEST = 40
"""How deep a condition is looked into."""
CARRIED = frozenset(("rename", "expand", "detach"))
Names: TypeAlias = Mapping[str, str]


@dataclass(frozen=True)
class Linear:
    """A sum of positions along axes, each so many times, and a number."""

    times: dict[str, Size] = field(default_factory=dict[str, Size])
    number: Size = field(default_factory=lambda: Size.of(0))

    def plus(self, other: Linear, sign: int = 1) -> Linear:
        names = dict.fromkeys((*self.times, *other.times))
        times = {name: self.times.get(name, Size.of(0)) + other.times.get(name, Size.of(0)) * sign for name in names}
        return Linear({name: count for name, count in times.items() if count != 0}, self.number + other.number * sign)

    def scaled(self, by: Size) -> Linear:
        return Linear({name: count * by for name, count in self.times.items() if by != 0}, self.number * by)


@dataclass(frozen=True)
class Band:
    """`low <= position along `key` - position along `query` <= high`; None where there is no limit."""

    query: str
    key: str
    low: Size | None = None
    high: Size | None = None


@dataclass(frozen=True)
class Residue:
    """The distance of the two positions is a multiple of `step`."""

    query: str
    key: str
    step: Size


@dataclass(frozen=True)
class Segment:
    """Both positions lie in the same block of `size`."""

    query: str
    key: str
    size: Size


Fact: TypeAlias = Band | Residue | Segment


def conditions(mask: Node) -> list[tuple[Node, Names]]:
    """The nodes that must all be true, in order, each with the mask's name for every axis of its own."""
    found: list[tuple[Node, Names]] = []
    stack: list[tuple[Node, Names]] = [(mask, {axis.name: axis.name for axis in mask.axes})]
    while stack:
        node, names = stack.pop()
        if node.op == "and":
            stack.extend((source, {axis.name: names[axis.name] for axis in source.axes}) for source in reversed(node.inputs))
        elif node.op in CARRIED:
            stack.append((node.inputs[0], _inside(node, names)))
        else:
            found.append((node, names))
    return found


def facts(condition: Node, names: Names, keys: frozenset[str]) -> tuple[Fact, ...]:
    """What one condition says of queries and `keys`; nothing where it says something else."""
    if condition.op in ("le", "lt", "ge", "gt"):
        left, right = condition.inputs if condition.op in ("le", "lt") else reversed(condition.inputs)
        return tuple(_compared(left, right, names, keys, strict=condition.op in ("lt", "gt")))
    if condition.op == "eq":
        first, second = condition.inputs
        return tuple(_equal(first, second, names, keys))
    return ()


# ---------------------------------------------------------------- comparisons


def _compared(left: Node, right: Node, names: Names, keys: frozenset[str], strict: bool) -> Iterator[Fact]:
    """`left <= right` (or `<`): of whole numbers."""
    if left.op == "abs":
        inner, limit = linear(left.inputs[0], _inside(left, names)), linear(right, names)
        if inner is not None and limit is not None and not limit.times:
            yield from _below(inner.plus(limit, -1), keys, strict)
            yield from _below(inner.scaled(Size.of(-1)).plus(limit, -1), keys, strict)
        return
    first, second = linear(left, names), linear(right, names)
    if first is not None and second is not None:
        yield from _below(first.plus(second, -1), keys, strict)


def _below(sum: Linear, keys: frozenset[str], strict: bool) -> Iterator[Fact]:
    """`sum <= 0` (or `< 0`)."""
    pair = _pair(sum, keys)
    if pair is None:
        return
    query, key, times, number = pair
    least = number + 1 if strict else number
    yield Band(query, key, high=-least) if times > 0 else Band(query, key, low=least)


def _equal(left: Node, right: Node, names: Names, keys: frozenset[str]) -> Iterator[Fact]:
    if left.op == right.op == "floordiv":
        yield from _same_block(left, right, names, keys)
        return
    if left.op == "mod" and right.op == "scalar" and right["value"] == 0:
        inner, step = linear(left.inputs[0], names), linear(left.inputs[1], names)
        pair = _pair(inner, keys) if inner is not None else None
        if pair is not None and step is not None and not step.times and pair[3] == 0:
            yield Residue(pair[0], pair[1], step.number)
        return
    first, second = linear(left, names), linear(right, names)
    pair = _pair(first.plus(second, -1), keys) if first is not None and second is not None else None
    if pair is not None:
        at = -pair[3] if pair[2] > 0 else pair[3]
        yield Band(pair[0], pair[1], at, at)


def _same_block(left: Node, right: Node, names: Names, keys: frozenset[str]) -> Iterator[Fact]:
    """`pos(N) // size == pos(N') // size`."""
    below = [linear(node, names) for node in (left.inputs[0], right.inputs[0], left.inputs[1], right.inputs[1])]
    first, second, size, other = below
    if first is None or second is None or size is None or other is None or size.times or size != other:
        return
    pair = _pair(first.plus(second, -1), keys)
    if pair is not None and first.number == 0 == second.number and len(first.times) == 1:
        yield Segment(pair[0], pair[1], size.number)


def _pair(sum: Linear, keys: frozenset[str]) -> tuple[str, str, int, Size] | None:
    """Query and key of `key - query + number` (1) or `query - key + number` (-1); a common whole factor of both is divided out
    where the number has it too."""
    if len(sum.times) != 2 or sum.times.keys() <= keys or not (sum.times.keys() & keys):
        return None
    (key,) = sum.times.keys() & keys
    (query,) = sum.times.keys() - {key}
    times = sum.times[key]
    if times + sum.times[query] != 0 or times.integer() is None:
        return None
    number = sum.number / abs(times.integer() or 1)
    if number.is_integer() is not True:
        return None
    return query, key, 1 if (times.integer() or 0) > 0 else -1, number


# ---------------------------------------------------------------- sums of positions


def linear(node: Node, names: Names, depth: int = 0) -> Linear | None:
    """A whole number as a sum of positions; None where it is something else."""
    if depth > DEEPEST or node.dtype != "int":
        return None
    if node.op == "pos":
        return Linear({names[node["axis"]]: Size.of(1)})
    if node.op in ("scalar", "size"):
        value = node["value"]
        return Linear({}, value if isinstance(value, Size) else Size.of(value))
    if node.op in CARRIED:
        return linear(node.inputs[0], _inside(node, names), depth + 1)
    parts = [linear(source, names, depth + 1) for source in node.inputs] if node.op in ("add", "sub", "mul", "neg") else []
    known = [part for part in parts if part is not None]
    if not parts or len(known) < len(parts):
        return None
    return _combined(node.op, known)


def _combined(op: str, parts: list[Linear]) -> Linear | None:
    if op == "neg":
        return parts[0].scaled(Size.of(-1))
    left, right = parts
    if op in ("add", "sub"):
        return left.plus(right, 1 if op == "add" else -1)
    if left.times and right.times:
        return None
    return left.scaled(right.number) if left.times else right.scaled(left.number)


def _inside(node: Node, names: Names) -> Names:
    """The mask's names for the axes of a node's first input."""
    outer = dict(names)
    if node.op == "rename":
        outer |= {old: outer[new] for old, new in node["pairs"]}
    return {axis.name: outer[axis.name] for axis in node.inputs[0].axes}
