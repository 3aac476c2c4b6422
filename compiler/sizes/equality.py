"""Whether two sizes are the same for every assignment, for none, or neither provably."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import gcd

from .atoms import is_integral
from .cases import arms, by_residue
from .limits import SizeTooLarge
from .poly import atoms_of
from .prove import FULL_EFFORT, positive
from .samples import samples
from .size import Size, as_size, fraction


def equal(a: Size | int | Fraction, b: Size | int | Fraction) -> bool | None:
    """True: proved equal. False: proved different for all positive integer symbols. None: it depends, or it cannot tell."""
    left, right = as_size(a), as_size(b)
    if left == right:
        return True
    if left.constant() is not None and right.constant() is not None:
        return False
    try:
        gap = left - right
        if len({value == 0 for value in samples(gap)}) == 2:
            return None
        return _is_zero(gap, FULL_EFFORT)
    except (SizeTooLarge, ZeroDivisionError):  # Zero: one of the cases is undefined.
        return None


@lru_cache(maxsize=4096)
def _is_zero(size: Size, fuel: int) -> bool | None:
    number = size.constant()
    if number is not None:
        return number == 0
    top, _ = fraction(size)
    if not top.terms:
        return True
    if positive(top, fuel) or positive(-top, fuel) or _misses_zero(top):
        return False
    return _by_cases(top, fuel)


def _misses_zero(size: Size) -> bool:
    """Whether the constant is no multiple of what all other terms are multiples of, as in `2*N + 1`."""
    others = [value.numerator for factor, value in size.terms if factor]
    if not all(value.denominator == 1 and is_integral(factor) for factor, value in size.terms if factor):
        return False
    return size.poly.get((), Fraction(0)) % gcd(*others) != 0


def _by_cases(size: Size, fuel: int) -> bool | None:
    choices = [atom for atom in atoms_of(size.poly) if atom.kind in ("max", "min", "abs")]
    cases = arms(size, choices[0]) if choices else by_residue(size, fuel // 2)
    if not cases or fuel < len(cases):
        return None
    verdicts: set[bool | None] = set()
    for case in cases:
        verdicts.add(_is_zero(case, fuel // len(cases)))
        if None in verdicts or len(verdicts) > 1:
            return None
    return verdicts.pop()
