"""Whether an expression is an integer for every assignment of positive integers."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from itertools import product
from math import gcd, lcm

from .atoms import Atom, is_integral
from .limits import SizeTooLarge
from .poly import Poly, atoms_of
from .size import Size

_MOST_RESIDUES = 1024


@lru_cache(maxsize=4096)
def is_integer(size: Size) -> bool | None:
    """True: always an integer. False: never. None: it depends, or it cannot tell."""
    rest = {factor: value for factor, value in size.terms if value.denominator != 1 or not is_integral(factor)}
    if not rest:
        return True
    if not all(is_integral(factor) for factor in rest):
        return None
    return _by_residues(rest)


def _by_residues(rest: Poly) -> bool | None:
    """Try every residue of every atom modulo the common denominator; independent atoms only make this more careful."""
    modulus = lcm(*(value.denominator for value in rest.values()))
    scaled = {factor: (value * modulus).numerator for factor, value in rest.items()}
    step = gcd(modulus, *(value for factor, value in scaled.items() if factor))
    if scaled.get((), 0) % step:
        return False
    atoms = atoms_of(rest)
    if modulus ** len(atoms) > _MOST_RESIDUES:
        return None
    hits = {_residue(scaled, dict(zip(atoms, values, strict=True)), modulus) == 0 for values in product(range(modulus), repeat=len(atoms))}
    return hits.pop() if len(hits) == 1 else None


def _residue(scaled: dict[tuple[tuple[Atom, int], ...], int], values: dict[Atom, int], modulus: int) -> int:
    total = 0
    for factor, value in scaled.items():
        for atom, exponent in factor:
            value = value * pow(values[atom], exponent, modulus) % modulus
        total += value
    return total % modulus


def divides(k: Size | int, n: Size | int) -> bool | None:
    """Whether `n/k` is an integer: always, never, or cannot tell. `k = 0` divides nothing but gives no error."""
    bottom = k if isinstance(k, Size) else Size.of(k)
    if bottom == 0:
        return False
    try:
        return is_integer((n if isinstance(n, Size) else Size.of(n)) / bottom)
    except SizeTooLarge:
        return None


def whole_part(size: Size) -> tuple[Size, Size]:
    """Split into a part that is an integer and a rest whose integer monomials have coefficients in [0, 1)."""
    whole: Poly = {}
    rest: Poly = {}
    for factor, value in size.terms:
        units = value.numerator // value.denominator if is_integral(factor) else 0
        if units:
            whole[factor] = Fraction(units)
        if value != units:
            rest[factor] = value - units
    return Size(whole), Size(rest)
