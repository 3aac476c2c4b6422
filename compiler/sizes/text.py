"""The text of a size as people write it: `4*D`, `H/2`, `ceil(N/64)`, `(H + 1)//3`, `C/r`."""

from __future__ import annotations

from fractions import Fraction

from .atoms import Atom, Monomial
from .cases import replace_atom
from .functions import over_integers
from .poly import atoms_of
from .size import Size, fraction, of_atom


def with_ceils(size: Size) -> Size:
    """The same value with those floors written as ceil that read better so; for printing alone."""
    for atom in atoms_of(dict(size.terms)):
        value = _as_ceil(atom) if atom.kind == "floor" else None
        if value is not None:
            size = replace_atom(size, atom, value)
    return size


def _as_ceil(atom: Atom) -> Size | None:
    """`floor(n/k)` is `ceil((n + 1)/k) - 1`: taken when that leaves fewer terms inside."""
    arg = atom.args[0]
    if not over_integers(arg):
        return None
    above = arg + 1 / fraction(arg)[1]
    constant = dict(above.terms).get((), Fraction(0))
    units = constant.numerator // constant.denominator
    inside = above - units
    if len(inside.terms) >= len(arg.terms):
        return None
    return of_atom(Atom("ceil", args=(inside,))) + units - 1


def readable(size: Size) -> str:
    """The text; see `Size.__str__`. Terms over the same sum share one fraction bar."""
    groups: dict[Monomial, list[tuple[Monomial, Fraction]]] = {}
    for factor, value in with_ceils(size).terms:
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
        text = f"-({text})" if "//" in text and not text.endswith(")") else f"-{text}"
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
    if atom.kind == "quotient" or (atom.kind == "floor" and not text.startswith("floor(")):
        text = f"({text})"
    return text if exponent == 1 else f"{text}**{exponent}"


def _atom(atom: Atom) -> str:
    match atom.kind:
        case "symbol":
            return atom.name
        case "floor":
            return _floor(atom.args[0])
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
    simple = bottom.integer() is not None or (len(bottom.terms) == 1 and len(bottom.terms[0][0]) == 1 and "//" not in str(bottom))
    simple = simple and "*" not in str(bottom).strip("*")
    single = len(with_ceils(top).terms) == 1
    return f"{top if single else f'({top})'}//{bottom if simple else f'({bottom})'}"
