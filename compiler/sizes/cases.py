"""Splitting an expression into cases that together cover every assignment."""

from __future__ import annotations

from itertools import product
from math import lcm

from .atoms import Atom, is_integral
from .poly import Poly, exponent_of
from .size import Size, fraction, of_atom


def arms(size: Size, atom: Atom) -> list[Size]:
    """The expression with a max, min or abs replaced by each value it may take."""
    values = (atom.args[0], -atom.args[0]) if atom.kind == "abs" else atom.args
    return [replace_atom(size, atom, value) for value in values]


def replace_atom(size: Size, atom: Atom, value: Size) -> Size:
    """The expression with another value in place of one of its top-level atoms."""
    total = Size.of(0)
    for factor, coefficient in size.terms:
        kept = tuple(power for power in factor if power[0] != atom)
        exponent = next((e for a, e in factor if a == atom), 0)
        total = total + Size({kept: coefficient}) * value**exponent
    return total


def cofactor(size: Size, atom: Atom) -> Size | None:
    """What the atom is multiplied by, when it only occurs to the first power."""
    found: Poly = {}
    for factor, value in size.terms:
        exponent = exponent_of(factor, atom)
        if exponent not in (0, 1):
            return None
        if exponent:
            found[tuple(power for power in factor if power[0] != atom)] = value
    return Size(found)


def step(size: Size) -> Size:
    """How far apart the values of the size are at least: `1/k` for an integer over k, else 0."""
    top, bottom = fraction(size)
    known = all(is_integral(factor) for factor, _ in top.terms if factor) and bottom.is_integer()
    return 1 / bottom if known else Size.of(0)


def by_residue(size: Size, most: int) -> list[Size] | None:
    """One case for each residue of the symbols that stand under floors with constant divisors; None when there are none or over `most`.

    In the case of residue r modulo k a symbol N is `k*N + r - k` for r in 1..k, so that N counts from 1 again.
    """
    moduli: dict[str, int] = {}
    _collect(size, 1, moduli)
    count = 1
    for modulus in moduli.values():
        count *= modulus
    if not moduli or count > most:
        return None
    names = sorted(moduli)
    return [
        size.substitute({n: moduli[n] * of_atom(Atom("symbol", n)) + r - moduli[n] for n, r in zip(names, residues, strict=True)})
        for residues in product(*(range(1, moduli[n] + 1) for n in names))
    ]


def _collect(size: Size, outer: int, moduli: dict[str, int]) -> None:
    """For every symbol under a floor, the modulus that makes all floors around it come out."""
    for atom in {atom for factor, _ in size.terms for atom, _ in factor}:
        if atom.kind == "symbol":
            if outer > 1:
                moduli[atom.name] = lcm(moduli.get(atom.name, 1), outer)
            continue
        for arg in atom.args:
            bottom = lcm(*(value.denominator for _, value in arg.terms)) if atom.kind == "floor" else 1
            _collect(arg, outer * bottom, moduli)
