"""Putting values in: exact numbers, or other sizes."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from .atoms import Atom
from .functions import absolute, ceil, exact_log2, floor, floor_log2, floor_of_log2, log2, maximum, minimum
from .size import Size


def function_at(atom: Atom, values: Mapping[str, int]) -> Fraction:
    """The value of an atom."""
    args = [arg.evaluate(values) for arg in atom.args]
    match atom.kind:
        case "floor":
            return Fraction(args[0].numerator // args[0].denominator)
        case "ceil":
            return Fraction(-(-args[0].numerator // args[0].denominator))
        case "mod":
            return args[0] % args[1]
        case "max":
            return max(args)
        case "min":
            return min(args)
        case "abs":
            return abs(args[0])
        case "log2":
            return Fraction(exact_log2(args[0]))
        case "floor_log2":
            return Fraction(floor_of_log2(args[0]))
        case "quotient":
            return args[0]
        case "symbol":
            return Fraction(values[atom.name])


def substitute(size: Size, values: Mapping[str, Size | int]) -> Size:
    """The expression with symbols replaced, in normal form again; see `Size.substitute`."""
    if not values or size.free().isdisjoint(values):
        return size
    total = Size.of(0)
    for factor, value in size.terms:
        term = Size.of(value)
        for atom, exponent in factor:
            term = term * _replaced(atom, values) ** exponent
        total = total + term
    return total


def _replaced(atom: Atom, values: Mapping[str, Size | int]) -> Size:
    if atom.kind == "symbol":
        found = values.get(atom.name)
        return Size({((atom, 1),): Fraction(1)}) if found is None else found if isinstance(found, Size) else Size.of(found)
    return rebuild(atom, [substitute(arg, values) for arg in atom.args])


def rebuild(atom: Atom, args: list[Size]) -> Size:
    """The same function as the atom's, of other arguments."""
    match atom.kind:
        case "floor":
            return floor(args[0])
        case "ceil":
            return ceil(args[0])
        case "mod":
            return args[0] % args[1]
        case "max":
            return maximum(*args)
        case "min":
            return minimum(*args)
        case "abs":
            return absolute(args[0])
        case "log2":
            return log2(args[0])
        case "floor_log2":
            return floor_log2(args[0])
        case "quotient" | "symbol":
            return args[0]
