"""What can be proved about sizes whose symbols are positive integers: signs, order, equality.

A proof of `size >= 0` clears denominators, writes every atom as its least value plus something non-negative, and looks whether
all coefficients are non-negative. Where that fails it splits into cases (the arguments of a max, the residues of a symbol under
a floor) or replaces a floor by its bounds.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from .atoms import Atom
from .cases import arms, by_residue, cofactor, step
from .limits import SizeTooLarge
from .poly import Poly, add, atoms_of, multiply
from .samples import samples
from .size import Size, as_size, fraction

# Work a question may cost; cases share it evenly, so that answers never depend on what was asked before.
FULL_EFFORT = 256
SMALL_EFFORT = 16


@lru_cache(maxsize=4096)
def least(atom: Atom) -> Fraction | None:
    """A constant the atom never falls below, or None."""
    if atom.kind == "symbol":
        return Fraction(1)
    bounds = [lower_bound(arg) for arg in atom.args]
    known = [bound for bound in bounds if bound is not None]
    match atom.kind:
        case "floor" | "ceil":
            return Fraction(known[0].numerator // known[0].denominator) if known else None
        case "max":
            return max(known, default=None)
        case "min":
            return min(known) if len(known) == len(bounds) else None
        case "log2" | "floor_log2":
            return Fraction(0) if known and known[0] >= 1 else None
        case "abs":
            return max([Fraction(0), *known])
        case _:
            return known[0] if known else None


@lru_cache(maxsize=4096)
def lower_bound(size: Size) -> Fraction | None:
    """A constant the size never falls below, or None. Terms with divisors count as zero or as their worst value."""
    plain: Poly = {}
    bound = Fraction(0)
    for factor, value in size.terms:
        if all(exponent > 0 for _, exponent in factor):
            plain[factor] = value
            continue
        lows = [(least(atom), exponent) for atom, exponent in factor]
        if any(low is None or low <= 0 for low, _ in lows):
            return None
        if value < 0:
            if any(exponent > 0 or low is None or low < 1 for low, exponent in lows):
                return None
            bound += value
    shifted = _shifted(plain)
    if shifted is None or any(value < 0 for factor, value in shifted.items() if factor):
        return None
    return bound + shifted.get((), Fraction(0))


def _shifted(poly: Poly) -> Poly | None:
    """The polynomial in what each atom has above its least value; None when an atom has none."""
    lows: dict[Atom, Fraction] = {}
    for atom in atoms_of(poly):
        low = least(atom)
        if low is None:
            return None
        lows[atom] = low
    total: Poly = {}
    for factor, value in poly.items():
        term: Poly = {(): value}
        for atom, exponent in factor:
            moved: Poly = {((atom, 1),): Fraction(1), (): lows[atom]} if lows[atom] else {((atom, 1),): Fraction(1)}
            for _ in range(exponent):
                term = multiply(term, moved)
        total = add(total, term)
        if len(total) > 2000:
            return None
    return total


def positive(size: Size, effort: int = SMALL_EFFORT) -> bool:
    """Whether the size is proved to be above zero."""
    return nonnegative(size, strict=True, effort=effort)


def nonnegative(size: Size, *, strict: bool = False, effort: int = SMALL_EFFORT) -> bool:
    """Whether the size is proved to be at least zero, or above it."""
    if size.constant() is None and any(value < 0 or (strict and value == 0) for value in samples(size)):
        return False
    try:
        return _nonnegative(size, strict, effort)
    except (SizeTooLarge, ZeroDivisionError):  # Zero: one of the cases is undefined.
        return False


@lru_cache(maxsize=8192)
def _nonnegative(size: Size, strict: bool, fuel: int) -> bool:
    number = size.constant()
    if number is not None:
        return number > 0 if strict else number >= 0
    if fuel == 0:
        return False
    top, bottom = fraction(size)
    if bottom.constant() is None and not _positive_product(bottom, fuel // 4):
        return False
    shifted = _shifted(top.poly)
    if shifted is not None and all(value >= 0 for value in shifted.values()) and (not strict or () in shifted):
        return True
    return _by_arms(top, strict, fuel) or _by_floors(top, strict, fuel) or _by_residues(top, strict, fuel)


def _positive_product(size: Size, fuel: int) -> bool:
    if len(size.terms) == 1:
        return size.terms[0][1] > 0 and all((least(atom) or 0) > 0 for atom, _ in size.terms[0][0])
    return _nonnegative(size, True, fuel)


def _by_arms(size: Size, strict: bool, fuel: int) -> bool:
    """Each value a max, min or abs may take; any one is enough where that value bounds the atom from the helpful side."""
    for atom in atoms_of(size.poly):
        if atom.kind not in ("max", "min", "abs"):
            continue
        values = arms(size, atom)
        proofs = (_nonnegative(case, strict, fuel // len(values)) for case in values)
        side = cofactor(size, atom)
        if side is not None and _nonnegative(-side if atom.kind == "min" else side, False, fuel // 4):
            return any(proofs)
        return all(proofs)
    return False


def _by_floors(size: Size, strict: bool, fuel: int) -> bool:
    """Replace a floor by the bound on the side that its cofactor needs."""
    for atom in atoms_of(size.poly):
        side = cofactor(size, atom) if atom.kind == "floor" else None
        if side is None:
            continue
        rest = size - side * Size({((atom, 1),): Fraction(1)})
        if _nonnegative(side, False, fuel // 4):
            return _nonnegative(rest + side * (atom.args[0] - 1 + step(atom.args[0])), strict, fuel // 2)
        if _nonnegative(-side, False, fuel // 4):
            return _nonnegative(rest + side * atom.args[0], strict, fuel // 2)
    return False


def _by_residues(size: Size, strict: bool, fuel: int) -> bool:
    cases = by_residue(size, fuel // 2)
    return cases is not None and all(_nonnegative(case, strict, fuel // len(cases)) for case in cases)


def at_least(a: Size | int | Fraction, b: Size | int | Fraction, *, effort: int = FULL_EFFORT) -> bool | None:
    """Whether `a >= b`: always, never, or cannot tell (also where it depends on the symbols)."""
    left, right = as_size(a), as_size(b)
    lower, upper = right.integer(), left.integer()
    if lower is not None and upper is not None:
        return upper >= lower
    try:
        gap = left - right
    except SizeTooLarge:
        return None
    if nonnegative(gap, effort=effort):
        return True
    return False if nonnegative(-gap, strict=True, effort=effort) else None
