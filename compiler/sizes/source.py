"""Python source text of a size, in integer arithmetic alone."""

from __future__ import annotations

from collections.abc import Callable

from .atoms import Atom, Monomial
from .cases import replace_atom
from .functions import single
from .poly import atoms_of
from .prove import at_least, positive
from .size import Size, denominator, fraction
from .text import as_written
from .values import rebuild

Name = Callable[[str], str]

# The kinds whose text `_atom` puts in brackets.
_BRACKETED = ("floor", "ceil", "mod", "log2", "floor_log2")


def source(size: Size, name: Name, inner: bool) -> str:
    """The text; see `Size.python`. `name` must give something that binds as tightly as a plain name."""
    top, bottom = fraction(as_written(_over_one_bar(size)))
    if bottom == 1:
        text = _factor(top, name)
        # The one atom, sum or negative number that stands alone needs no brackets around it.
        return text if inner or not text.startswith("(") else _alone(top, name)
    text = f"{_factor(top, name)}//{_factor(bottom, name)}"
    return f"({text})" if inner else text


def _alone(size: Size, name: Name) -> str:
    atom = single(size)
    text = _sum(size, name)
    return text if atom is None or atom.kind not in _BRACKETED else text[1:-1]


def _over_one_bar(size: Size) -> Size:
    """Take denominators out of max, min and abs, so that no intermediate result of the text is a fraction."""
    for atom in atoms_of(size.poly):
        if atom.kind not in ("max", "min", "abs"):
            continue
        args = [_over_one_bar(arg) for arg in atom.args]
        if all(arg.is_integer() is True for arg in args):
            continue
        bottom = denominator(args)
        if not positive(bottom):
            bottom = bottom * bottom
        size = replace_atom(size, atom, rebuild(atom, [arg * bottom for arg in args]) / bottom)
    return size


def _factor(size: Size, name: Name) -> str:
    """The text of an integer polynomial, ready to stand on either side of `//`."""
    text = _sum(size, name)
    number = size.integer()
    if number is not None and number >= 0:
        return text
    return text if single(size) is not None else f"({text})"


def _sum(size: Size, name: Name) -> str:
    text = ""
    for factor, value in size.terms:
        term = _term(factor, abs(value.numerator), name)
        sign = "-" if value < 0 else "+"
        text = f"{text} {sign} {term}" if text else f"-{term}" if value < 0 else term
    return text or "0"


def _term(factor: Monomial, value: int, name: Name) -> str:
    parts = [f"{_atom(atom, name)}**{e}" if e != 1 else _atom(atom, name) for atom, e in factor]
    return "*".join([str(value), *parts] if value != 1 or not parts else parts)


def _atom(atom: Atom, name: Name) -> str:
    if atom.kind == "symbol":
        return name(atom.name)
    if atom.kind in ("max", "min", "abs"):
        return f"{atom.kind}({', '.join(source(arg, name, False) for arg in atom.args)})"
    if atom.kind == "mod":
        return f"({source(atom.args[0], name, True)} % {source(atom.args[1], name, True)})"
    top, bottom = (_factor(part, name) for part in fraction(as_written(_over_one_bar(atom.args[0]))))
    match atom.kind:
        case "floor":
            return f"({top}//{bottom})"
        case "ceil":
            return f"(-(-{top}//{bottom}))"
        case "log2":
            below = "1" if bottom == "1" else f"{_call(bottom)}.bit_length()"
            return f"({_call(top)}.bit_length() - {below})"
        case _:
            return _floor_log2(atom.args[0], top, bottom)


def _call(text: str) -> str:
    return text if text.startswith("(") else f"({text})"


def _floor_log2(arg: Size, top: str, bottom: str) -> str:
    above = f"{_call(top) if bottom == '1' else f'({top}//{bottom})'}.bit_length() - 1"
    if at_least(arg, 1):
        return f"({above})"
    return f"({above} if {top} >= {bottom} else -(-(-{bottom}//{top}) - 1).bit_length())"
