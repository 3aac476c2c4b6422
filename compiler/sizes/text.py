"""The text of a size as people write it: `4*D`, `H/2`, `ceil(N/64)`, `(H + 1)//3`, `C/r`."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from .atoms import Atom, Monomial
from .cases import cofactor, replace_atom
from .functions import over_integers, single
from .limits import SizeTooLarge
from .poly import atoms_of
from .size import Size, fraction, of_atom


def as_written(size: Size) -> Size:
    """The same value with those floors written as ceil or % that read better so; for printing alone."""
    try:
        for atom in atoms_of(size.poly):
            if atom.kind == "floor" and over_integers(atom.args[0]):
                size = _with_ceil(_with_mod(size, atom), atom)
    except SizeTooLarge:
        return size
    return size


def _with_mod(size: Size, atom: Atom) -> Size:
    """`n - k*floor(n/k)` is `n % k`: taken when that leaves fewer terms."""
    top, bottom = fraction(atom.args[0])
    side = cofactor(size, atom)
    if side is None or not side.terms:
        return size
    times = -side / bottom
    shorter = size - times * (top - bottom * of_atom(atom)) + times * of_atom(Atom("mod", args=(top, bottom)))
    return shorter if len(shorter.terms) < len(size.terms) else size


def _with_ceil(size: Size, atom: Atom) -> Size:
    """`floor(n/k)` is `ceil((n + 1)/k) - 1`: taken when that leaves fewer terms inside."""
    arg = atom.args[0]
    above = arg + 1 / fraction(arg)[1]
    constant = above.poly.get((), Fraction(0))
    units = constant.numerator // constant.denominator
    inside = above - units
    if len(inside.terms) >= len(arg.terms):
        return size
    return replace_atom(size, atom, of_atom(Atom("ceil", args=(inside,))) + units - 1)


@lru_cache(maxsize=8192)
def readable(size: Size) -> str:
    """The text; see `Size.__str__`. Terms over the same sum share one fraction bar."""
    groups: dict[Monomial, list[tuple[Monomial, Fraction]]] = {}
    for factor, value in as_written(size).terms:
        below = tuple(power for power in factor if power[0].kind == "quotient")
        groups.setdefault(below, []).append((tuple(power for power in factor if power not in below), value))
    parts: list[tuple[bool, str]] = []
    for below, terms in groups.items():
        if below and len(terms) > 1:
            parts.append((False, _over(f"({_sum([(v < 0, _term(f, abs(v))) for f, v in terms])})", [_power(a, -e) for a, e in below])))
        else:
            parts.extend((value < 0, _term((*factor, *below), abs(value))) for factor, value in terms)
    return _sum(parts)


def _sum(parts: list[tuple[bool, str]]) -> str:
    """Join terms by their signs; a sum that would start with a minus starts with its first positive term instead."""
    if not parts:
        return "0"
    first = next((i for i, (negative, _) in enumerate(parts) if not negative), 0)
    parts = [parts[first], *parts[:first], *parts[first + 1 :]]
    negative, text = parts[0]
    if negative:
        text = f"-({text})" if "//" in text or "%" in text else f"-{text}"
    return text + "".join(f" {'-' if minus else '+'} {term}" for minus, term in parts[1:])


def _term(factor: Monomial, value: Fraction) -> str:
    if value == 1 and len(factor) == 1 and factor[0][1] == 1:
        return _atom(factor[0][0])
    above = [_power(atom, exponent) for atom, exponent in factor if exponent > 0]
    below = [_power(atom, -exponent) for atom, exponent in factor if exponent < 0]
    if value.numerator != 1 or not above:
        above.insert(0, str(value.numerator))
    if value.denominator != 1:
        below.insert(0, str(value.denominator))
    return _over("*".join(above), below)


def _over(above: str, below: list[str]) -> str:
    if not below:
        return above
    return f"{above}/{below[0]}" if len(below) == 1 else f"{above}/({'*'.join(below)})"


def _power(atom: Atom, exponent: int) -> str:
    """The atom as a factor, in brackets where it needs them."""
    text = _atom(atom)
    if atom.kind in ("quotient", "mod") or (atom.kind == "floor" and over_integers(atom.args[0])):
        text = f"({text})"
    return text if exponent == 1 else f"{text}**{exponent}"


def _atom(atom: Atom) -> str:
    match atom.kind:
        case "symbol":
            return atom.name
        case "floor":
            return _floor(atom.args[0])
        case "mod":
            return _infix(atom.args[0], " % ", atom.args[1])
        case "floor_log2":
            return f"floor(log2({atom.args[0]}))"
        case "quotient":
            return str(atom.args[0])
        case _:
            return f"{atom.kind}({', '.join(str(arg) for arg in atom.args)})"


def _floor(arg: Size) -> str:
    if not over_integers(arg):
        return f"floor({arg})"
    top, bottom = fraction(arg)
    return _infix(top, "//", bottom)


def _infix(left: Size, sign: str, right: Size) -> str:
    """Two sizes around `//` or `%`, in brackets unless they are products on the left, or a name or number on the right."""
    first = str(left) if len(as_written(left).terms) == 1 else f"({left})"
    atom = single(right)
    simple = right.integer() is not None or (atom is not None and atom.kind not in ("floor", "mod"))
    return f"{first}{sign}{right if simple else f'({right})'}"
