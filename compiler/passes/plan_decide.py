"""Whether another way to work something out is taken: by proof where sizes allow one, else by a comparison when the module runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import ceil, gcd, lcm

from ..cost import readable
from ..sizes import Size, SizeTooLarge, at_least
from ..sizes.size import fraction
from .cost_model import Work

LARGE = 4096
"""What an axis without a known size counts as when the best order is looked for."""
LEADING = 8
"""The same for the axes that `*` stands for."""
WORTH = 0.97
"""A way is another way where it costs less than this part of what is written."""
WORTH_A_CHOICE = 0.9
"""The same where it takes a comparison in each run, and both ways in the module."""
ALWAYS = 16
"""A way that wins where every axis has so many positions is taken without a comparison: below, both are fast."""
NEAR = 4
"""Two first values that differ by no more than this are told as one, the later."""
FURTHEST = 2**40
EFFORT = 16
"""How hard a proof is looked for."""


@dataclass(frozen=True)
class Decision:
    """`take` the other way, or only where `left <= right`."""

    take: bool
    left: Size | None = None
    right: Size | None = None

    @property
    def condition(self) -> str:
        """`N >= 123`, or the comparison as it stands; empty where there is none."""
        if self.left is None or self.right is None:
            return ""
        small, large = spoken(self.left), spoken(self.right)
        return f"{large} >= {small}" if self.right.constant() is None else f"{small} <= {large}"


KEEP, TAKE = Decision(False), Decision(True)


def numbers_for(size: Size) -> int:
    """A number for a size: the known one, or a large one."""
    known = size.integer()
    if known is not None:
        return max(known, 1)
    try:
        return max(1, int(size.evaluate(large(size))))
    except (ValueError, ZeroDivisionError):  # a logarithm that is no integer, for instance: only an estimate is needed
        return LARGE


def large(*sizes: Size) -> dict[str, int]:
    """Large numbers for every symbol in these sizes."""
    return {name: LEADING if name == "*" else LARGE for size in sizes for name in sorted(size.free())}


def decide(written: Work, planned: Work) -> Decision:
    """Compare two ways. Calls count only where all sizes are known: elsewhere they are a constant among formulas that grow."""
    try:
        gap = written.size - planned.size
        sizes = large(written.size, planned.size)
        before, after = written.number(sizes), planned.number(sizes)
    except (SizeTooLarge, ValueError, ZeroDivisionError):
        return KEEP
    if after > WORTH * before or at_least(planned.size, written.size, effort=EFFORT) is True:
        return KEEP
    if not sizes or at_least(written.size, planned.size, effort=EFFORT) is True:
        return TAKE
    return compared(gap, after <= WORTH_A_CHOICE * before)


def compared(gap: Size, choosing: bool = True) -> Decision:
    """The condition that says `gap >= 0`, as short as it can be; without `choosing` only what needs none is taken."""
    left, right = sides(gap)
    names = (left.free() | right.free()) - {"*"}
    if _above(right - left, ALWAYS):
        return TAKE
    if not choosing:
        return KEEP
    first = _first(right - left, *names) if len(names) == 1 else None
    if first is None:
        return Decision(True, left, right)
    (name,) = names
    return Decision(True, Size.of(first), Size.symbol(name))


def _above(gap: Size, least: int) -> bool:
    """Whether a formula is proved not to be negative where all sizes but the leading ones are at least this."""
    moved = {name: Size.symbol(name) + (least - 1) for name in sorted(gap.free()) if name != "*"}
    return at_least(gap.substitute(moved), 0, effort=EFFORT) is True


def _first(gap: Size, name: str) -> int | None:
    """From which value of a symbol on the other way wins, for one leading position and for many: the later of two that are near."""
    if "*" not in gap.free():
        return threshold(gap, name)
    one = threshold(gap.substitute({"*": 1}), name)
    many = threshold(Size({factor: value for factor, value in gap.terms if "*" in Size({factor: Fraction(1)}).free()}), name)
    return max(one, many) if one is not None and many is not None and max(one, many) <= NEAR * min(one, many) else None


def sides(gap: Size) -> tuple[Size, Size]:
    """Two whole numbers of which the left is not above the right where `gap >= 0`: common factors, which are positive, are gone."""
    top, _ = fraction(gap)
    top = _without_common(top)
    left = Size({factor: -value for factor, value in top.terms if value < 0})
    right = Size({factor: value for factor, value in top.terms if value > 0})
    return left, right


def _without_common(size: Size) -> Size:
    """Divided by every symbol that all terms have, and by the greatest common divisor of the coefficients."""
    powers = [dict(factor) for factor, _ in size.terms]
    shared = {atom: min(power.get(atom, 0) for power in powers) for atom in powers[0]}
    scale = lcm(*(value.denominator for _, value in size.terms))
    divisor = gcd(*(int(value * scale) for _, value in size.terms))
    lowered = {
        tuple((atom, power - shared.get(atom, 0)) for atom, power in factor if power > shared.get(atom, 0)): value * scale / divisor
        for factor, value in size.terms
    }
    return Size({factor: Fraction(value) for factor, value in lowered.items()})


def threshold(gap: Size, name: str) -> int | None:
    """The first value of a symbol from which on a polynomial in it is not negative; None where that is not so simple."""
    gap = _without_common(gap).substitute({"*": 1}) if gap.terms else gap
    coefficients: dict[int, Fraction] = {}
    for factor, value in gap.terms:
        if any(atom.kind != "symbol" for atom, _ in factor):
            return None
        coefficients[sum(power for _, power in factor)] = value
    if not coefficients:
        return None
    if all(value > 0 for value in coefficients.values()):
        return 1
    signs = [coefficients[power] > 0 for power in sorted(coefficients)]
    changes = sum(a is not b for a, b in pairwise(signs))
    if changes != 1 or not signs[-1]:
        return None
    low, high = 0, 1
    while gap.evaluate({name: high}) < 0:
        low, high = high, 2 * high
        if high > FURTHEST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if gap.evaluate({name: middle}) < 0 else (low, middle)
    return ceil(high)


def spoken(size: Size) -> str:
    """A formula as it stands in a sentence."""
    return str(readable(size))


def numbers_of(sizes: Mapping[str, Size]) -> dict[str, int]:
    return {name: numbers_for(size) for name, size in sizes.items()}
