"""Values of a size at a few assignments: one that goes against a claim saves the search for its proof."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache

from .limits import SizeTooLarge
from .size import Size

POINTS = (1, 2, 97, 8, 3, 1024, 5, 64, 12)
TURNS = 5


@lru_cache(maxsize=4096)
def samples(size: Size) -> tuple[Fraction, ...]:
    """Values at positive integers, equal ones for all symbols and different ones; those without a value are left out."""
    return tuple(_values(size))


def _values(size: Size) -> Iterator[Fraction]:
    names = sorted(size.free())
    for turn in range(TURNS):
        for stride in (0, turn + 1):
            values = {name: POINTS[(turn + i * stride) % len(POINTS)] for i, name in enumerate(names)}
            try:
                yield size.evaluate(values)
            except (ValueError, ZeroDivisionError, SizeTooLarge):
                continue
