"""Sets of positions along an axis, as the bits of an integer: position 0 is the lowest bit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from ...graph import Node
from ...types import TensorType, TupleType

LONGEST = 65_536
"""Axes of more positions than this are left as they are."""


def length(node: Node, axis: str) -> int | None:
    """How many positions an axis has, where that is known and not too many."""
    return _lengths(node.type).get(axis)


def countable(node: Node) -> list[tuple[str, int]]:
    """The axes of a node with their lengths, where these are known."""
    return [*_lengths(node.type).items()]


@lru_cache(4096)
def _lengths(type: TensorType | TupleType) -> dict[str, int]:
    if not isinstance(type, TensorType):
        return {}
    known = ((axis.name, axis.size.integer()) for axis in type.axes)
    return {name: count for name, count in known if count is not None and 0 < count <= LONGEST}


def full(count: int) -> int:
    return (1 << count) - 1


def those(positions: Iterable[int]) -> int:
    mask = 0
    for position in positions:
        mask |= 1 << position
    return mask


def positions(mask: int) -> list[int]:
    """The positions in a set, in order."""
    return [at for at, bit in enumerate(reversed(bin(mask)[2:])) if bit == "1"] if mask else []


def reversed_bits(mask: int, count: int) -> int:
    """The set as seen from the other end of the axis."""
    return those(count - 1 - at for at in positions(mask))


def spread(masks: Sequence[int], counts: Sequence[int]) -> int:
    """Positions of a merged axis from those of its parts, outer first: all combinations."""
    found = [0]
    for mask, count in zip(masks, counts, strict=True):
        inner = positions(mask)
        found = [outer * count + at for outer in found for at in inner]
    return those(found)


def parts(mask: int, counts: Sequence[int]) -> list[int]:
    """For each part of a merged axis, outer first, its positions that some position of the set has."""
    found = [set[int]() for _ in counts]
    for at in positions(mask):
        rest = at
        for number in reversed(range(len(counts))):
            rest, digit = divmod(rest, counts[number])
            found[number].add(digit)
    return [those(one) for one in found]


def outside(mask: int, count: int) -> int:
    """The positions that a set lacks."""
    return full(count) & ~mask
