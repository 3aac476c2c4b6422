"""Arithmetic on raw polynomials: dictionaries from monomials (exponents may be negative) to exact coefficients."""

from __future__ import annotations

from fractions import Fraction
from math import gcd, lcm

from .atoms import Atom, Monomial, inverse, monomial, times
from .limits import MAX_TERMS

ONE = Fraction(1)
Poly = dict[Monomial, Fraction]
_Vector = tuple[int, ...]


def add(left: Poly, right: Poly, scale: int = 1) -> Poly:
    """`left + scale * right`, without zero terms."""
    out = dict(left)
    for factor, value in right.items():
        change = value if scale == 1 else scale * value
        known = out.get(factor)
        total = change if known is None else known + change
        if total:
            out[factor] = total
        else:
            out.pop(factor, None)
    return out


def multiply(left: Poly, right: Poly) -> Poly:
    """The product, without zero terms."""
    out: Poly = {}
    for first, a in left.items():
        for second, b in right.items():
            factor = times(first, second)
            known = out.get(factor)
            value = b if a is ONE else a if b is ONE else a * b
            out[factor] = value if known is None else known + value
    return {factor: value for factor, value in out.items() if value}


def shift(poly: Poly, factor: Monomial) -> Poly:
    """The polynomial times one monomial."""
    return {times(m, factor): c for m, c in poly.items()} if factor else poly


def atoms_of(poly: Poly) -> list[Atom]:
    """The distinct atoms at the top level, in a fixed order."""
    return sorted({atom for factor in poly for atom, _ in factor}, key=lambda atom: (atom.key, atom.kind))


def exponent_of(factor: Monomial, atom: Atom) -> int:
    """The exponent of the atom in the monomial, 0 when it is absent."""
    return next((e for a, e in factor if a == atom), 0)


def lowest(poly: Poly) -> Monomial:
    """The largest monomial (exponents may be negative) that divides every term."""
    return monomial({atom: min(exponent_of(factor, atom) for factor in poly) for atom in atoms_of(poly)})


def content(poly: Poly) -> Fraction:
    """The positive number that leaves coprime integer coefficients when divided out."""
    tops = [value.numerator for value in poly.values()]
    return Fraction(gcd(*tops), lcm(*(value.denominator for value in poly.values())))


def exact_quotient(poly: Poly, divisor: Poly) -> Poly | None:
    """`poly / divisor` when it comes out exactly, else None. The divisor has no monomial factor of its own."""
    low = lowest(poly)
    names = sorted({*atoms_of(poly), *atoms_of(divisor)}, key=lambda atom: (atom.key, atom.kind))
    rest = _vectors(shift(poly, inverse(low)), names)
    quotient = _long_division(rest, _vectors(divisor, names))
    if quotient is None:
        return None
    return {times(monomial(dict(zip(names, vector, strict=True))), low): value for vector, value in quotient.items()}


def _vectors(poly: Poly, names: list[Atom]) -> dict[_Vector, Fraction]:
    return {tuple(dict(factor).get(atom, 0) for atom in names): value for factor, value in poly.items()}


def _long_division(rest: dict[_Vector, Fraction], divisor: dict[_Vector, Fraction]) -> dict[_Vector, Fraction] | None:
    """Division in lexicographic order; it stops as soon as a leading term does not divide."""
    lead = max(divisor)
    quotient: dict[_Vector, Fraction] = {}
    while rest:
        top = max(rest)
        step = tuple(a - b for a, b in zip(top, lead, strict=True))
        if min(step, default=0) < 0 or len(quotient) >= MAX_TERMS:
            return None
        value = rest[top] / divisor[lead]
        quotient[step] = value
        for vector, coefficient in divisor.items():
            place = tuple(a + b for a, b in zip(step, vector, strict=True))
            total = rest.get(place, Fraction(0)) - value * coefficient
            if total:
                rest[place] = total
            else:
                rest.pop(place, None)
    return quotient


def cancel(poly: Poly) -> Poly:
    """Remove quotient atoms whose cofactor their sum divides: `(a*b + a)/(b + 1)` becomes `a`."""
    progress = True
    while progress:
        progress = False
        for atom in atoms_of(poly):
            reduced = _cancel_one(poly, atom) if atom.kind == "quotient" else None
            if reduced is not None:
                poly, progress = reduced, True
                break
    return poly


def _cancel_one(poly: Poly, atom: Atom) -> Poly | None:
    low = min(exponent_of(factor, atom) for factor in poly)
    group = {factor: value for factor, value in poly.items() if exponent_of(factor, atom) == low}
    divided = exact_quotient(shift(group, ((atom, -low),)), atom.args[0].poly)
    if divided is None:
        return None
    kept = {factor: value for factor, value in poly.items() if factor not in group}
    return add(kept, shift(divided, ((atom, low + 1),) if low + 1 else ()))
