"""Sizes as plain JSON values, read back to the identical normal form.

A whole number is itself, a lone symbol its name; everything else is a list of terms `[coefficient, atom, exponent, atom, exponent, ...]`,
where an atom is a symbol's name or `[function, size, ...]` and a coefficient a number or `"a/b"`.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any, TypeGuard, cast

from .atoms import Atom, Kind, Monomial, monomial
from .limits import MAX_CHOICES, MAX_DEPTH, MAX_TERMS, check_number
from .size import Size

Json = Any

_RATIO = re.compile(r"-?[0-9]{1,80}/[0-9]{1,80}")
_ONE_ARGUMENT = frozenset(("floor", "abs", "log2", "floor_log2", "quotient"))
_SEVERAL = frozenset(("max", "min"))


def to_plain(size: Size) -> Json:
    """The size as numbers, strings, lists and dictionaries."""
    number = size.integer()
    if number is not None:
        return number
    if len(size.terms) == 1 and size.terms[0][1] == 1 and len(size.terms[0][0]) == 1:
        atom, exponent = size.terms[0][0][0]
        if atom.kind == "symbol" and exponent == 1:
            return atom.name
    return [[_ratio(value), *(part for atom, exponent in factor for part in (_atom(atom), exponent))] for factor, value in size.terms]


def _ratio(value: Fraction) -> int | str:
    return value.numerator if value.denominator == 1 else f"{value.numerator}/{value.denominator}"


def _atom(atom: Atom) -> Json:
    return atom.name if atom.kind == "symbol" else [atom.kind, *(to_plain(arg) for arg in atom.args)]


def from_plain(value: Json, depth: int = 0) -> Size:
    """The size that `to_plain` made this of. ValueError where the value is none, or is larger than a size may be."""
    if depth > MAX_DEPTH:
        raise ValueError("a size is nested too deeply")
    if isinstance(value, str):
        return Size.symbol(_symbol(value))
    if isinstance(value, int) and not isinstance(value, bool):
        check_number(Fraction(value))
        return Size.of(value)
    poly: dict[Monomial, Fraction] = {}
    for term in _list(value, MAX_TERMS):
        coefficient, *powers = _list(term, 2 * MAX_TERMS, 1)
        factor, number = _monomial(powers, depth), _number(coefficient)
        if not number or factor in poly:
            raise ValueError("a size is not in its normal form")
        poly[factor] = number
    return Size(poly)


def _monomial(powers: list[Json], depth: int) -> Monomial:
    found: dict[Atom, int] = {}
    if len(powers) % 2:
        raise ValueError("a size has a power that is none")
    for atom, exponent in zip(powers[::2], powers[1::2], strict=True):
        read = _read_atom(atom, depth)
        if not isinstance(exponent, int) or isinstance(exponent, bool) or not exponent or read in found:
            raise ValueError("a size has a power that is none")
        if read.kind == "quotient" and exponent > 0:
            raise ValueError("a size is not in its normal form")
        found[read] = exponent
    return monomial(found)


def _read_atom(value: Json, depth: int) -> Atom:
    if isinstance(value, str):
        return Atom("symbol", _symbol(value))
    kind, *args = _list(value, MAX_CHOICES + 1, 2)
    if not isinstance(kind, str) or kind not in _ONE_ARGUMENT | _SEVERAL or (kind in _ONE_ARGUMENT) != (len(args) == 1):
        raise ValueError("a size has a function that is none")
    return Atom(cast(Kind, kind), args=tuple(from_plain(arg, depth + 1) for arg in args))


def _symbol(name: str) -> str:
    if not 0 < len(name) <= 256:
        raise ValueError("a size has a name that is none")
    return name


def _number(value: Json) -> Fraction:
    ratio = isinstance(value, str) and _RATIO.fullmatch(value) is not None and int(value.partition("/")[2]) != 0
    if not ratio and (not isinstance(value, int) or isinstance(value, bool)):
        raise ValueError("a size has a coefficient that is none")
    number = Fraction(value)
    check_number(number)
    return number


def _list(value: Json, most: int, least: int = 0) -> list[Json]:
    if not _is_list(value) or not least <= len(value) <= most:
        raise ValueError("a size must be a number, a name or a list of terms")
    return value


def _is_list(value: Json) -> TypeGuard[list[Json]]:
    return isinstance(value, list)
