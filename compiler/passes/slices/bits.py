"""Sets of positions along an axis, as the bits of an integer: position 0 is the lowest bit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...graph import Node
from ...types import TensorType

LONGEST = 65_536
"""Axes of more positions than this are left as they are."""


def length(node: Node, axis: str) -> int | None:
    """How many positions an axis has, where that is known and not too many."""
    if not isinstance(node.type, TensorType) or not node.type.has(axis):
        return None
    known = node.type.size(axis).integer()
    return known if known is not None and 0 < known <= LONGEST else None


def countable(node: Node) -> list[tuple[str, int]]:
    """The axes of a node with their lengths, where these are known."""
    if not isinstance(node.type, TensorType):
        return []
    return [(name, count) for name in node.type.names if (count := length(node, name)) is not None]


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
