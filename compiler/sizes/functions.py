"""Functions of sizes: rounding, choice, magnitude and logarithm, each simplified as far as the normal form goes."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import lcm
from typing import Literal

from .atoms import Atom, is_integral
from .integral import whole_part
from .limits import MAX_CHOICES, SizeTooLarge
from .size import Size, as_size, fraction, of_atom


def single(size: Size) -> Atom | None:
    """The atom, when the size is exactly one atom to the first power."""
    if len(size.terms) != 1 or size.terms[0][1] != 1 or len(size.terms[0][0]) != 1:
        return None
    atom, exponent = size.terms[0][0][0]
    return atom if exponent == 1 else None


def floor(x: Size | int | Fraction) -> Size:
    """The largest integer not above `x`. Integer parts move outside, so `floor(H/2 + 3)` is `floor(H/2) + 3`."""
    size = as_size(x)
    number = size.constant()
    if number is not None:
        return Size.of(number.numerator // number.denominator)
    if size.is_integer():
        return size
    sure, size = _integer_terms(size)
    if all(value < 0 for factor, value in size.terms if factor) and over_integers(size):
        return sure - ceil(-size)
    whole, rest = whole_part(size)
    whole, rest = whole + sure, _round_constant(rest)
    number = rest.constant()
    if number is not None:
        return whole + number.numerator // number.denominator
    return whole + (rest if rest.is_integer() else _floor_of_rest(rest))


def ceil(x: Size | int | Fraction) -> Size:
    """The smallest integer not below `x`, written as a floor wherever `x` is an integer over a positive integer."""
    size = as_size(x)
    if size.is_integer():
        return size
    if over_integers(size):
        return floor(size + 1 - 1 / fraction(size)[1])
    atom = single(size)
    if atom is not None and atom.kind == "log2" and atom.args[0].is_integer():
        return _floor_log2(atom.args[0] * 2 - 1)
    if atom is not None and atom.kind in ("max", "min"):
        return _choose(atom, ceil)
    return -floor(-size)


def _integer_terms(size: Size) -> tuple[Size, Size]:
    """The terms that are integers as they stand, and the others."""
    sure = {factor: value for factor, value in size.terms if value.denominator == 1 and is_integral(factor)}
    return Size(sure), Size({factor: value for factor, value in size.terms if factor not in sure})


def over_integers(size: Size) -> bool:
    """Whether the size is an integer over a denominator that is a positive integer."""
    from .prove import positive

    try:
        top, bottom = fraction(size)
    except SizeTooLarge:
        return False
    return all(is_integral(factor) for factor, _ in top.terms if factor) and bottom.is_integer() is True and positive(bottom)


def _round_constant(rest: Size) -> Size:
    """`floor(H/2 + 1/4)` is `floor(H/2)`: the constant falls to a multiple of what the other terms step by."""
    others = {factor: value for factor, value in rest.terms if factor}
    constant = rest.poly.get((), Fraction(0))
    if not constant or not all(is_integral(factor) for factor in others):
        return rest
    step = lcm(*(value.denominator for value in others.values()))
    return Size({**others}) + Fraction(constant * step // 1, step)


def _floor_of_rest(rest: Size) -> Size:
    others = [(factor, value) for factor, value in rest.terms if factor]
    atom = single(rest)
    if atom is not None and atom.kind == "log2":
        return _floor_log2(atom.args[0])
    if len(others) == 1 and others[0][1] > 0:
        chosen = single(Size({others[0][0]: Fraction(1)}))
        if chosen is not None and chosen.kind in ("max", "min"):
            scale, added = others[0][1], rest - Size(dict(others))
            return _choose(chosen, lambda arg: floor(arg * scale + added))
    flat = _flatten(rest)
    return floor(flat) if flat is not None else of_atom(Atom("floor", args=(rest,)))


def _choose(atom: Atom, apply: Callable[[Size], Size]) -> Size:
    """An increasing function of a max or a min is the max or min of its values."""
    return (maximum if atom.kind == "max" else minimum)(*(apply(arg) for arg in atom.args))


def _flatten(rest: Size) -> Size | None:
    """`floor((floor(y) + m)/k)` is `floor((y + m)/k)` for integers m and k > 0; None when the form is another."""
    inner = [(factor, value) for factor, value in rest.terms for atom, _ in factor if atom.kind != "symbol"]
    if len(inner) != 1 or not over_integers(rest):
        return None
    top, bottom = fraction(rest)
    for factor, value in top.terms:
        if value == 1 and len(factor) == 1 and factor[0][0].kind == "floor" and factor[0][1] == 1:
            return (top - of_atom(factor[0][0]) + factor[0][0].args[0]) / bottom
    return None


def maximum(*xs: Size | int | Fraction) -> Size:
    """The largest. ValueError without arguments."""
    from .prove import SMALL_EFFORT, at_least

    return _extreme("max", [as_size(x) for x in xs], lambda a, b: at_least(a, b, effort=SMALL_EFFORT) is True)


def minimum(*xs: Size | int | Fraction) -> Size:
    """The smallest. ValueError without arguments."""
    from .prove import SMALL_EFFORT, at_least

    return _extreme("min", [as_size(x) for x in xs], lambda a, b: at_least(b, a, effort=SMALL_EFFORT) is True)


def _extreme(kind: Literal["max", "min"], sizes: list[Size], beats: Callable[[Size, Size], bool]) -> Size:
    """Flatten, drop what another argument always beats, and sort."""
    if not sizes:
        raise ValueError(f"{kind} needs at least one size")
    nested = [(size, single(size)) for size in sizes]
    flat = [arg for size, atom in nested for arg in (atom.args if atom is not None and atom.kind == kind else (size,))]
    kept: list[Size] = []
    for size in flat:
        if not any(beats(other, size) for other in kept):
            kept = [other for other in kept if not beats(size, other)]
            kept.append(size)
    if len(kept) == 1:
        return kept[0]
    if len(kept) > MAX_CHOICES:
        raise SizeTooLarge("a max or min of sizes has too many arguments")
    kept.sort(key=lambda size: (size.constant() is not None, size.key))
    return of_atom(Atom(kind, args=tuple(kept)))


def absolute(x: Size | int | Fraction) -> Size:
    """The magnitude."""
    from .prove import nonnegative

    size = as_size(x)
    if nonnegative(size):
        return size
    if nonnegative(-size):
        return -size
    return of_atom(Atom("abs", args=(-size if size.terms[0][1] < 0 else size,)))


def clamp(x: Size | int | Fraction, lo: Size | int | Fraction, hi: Size | int | Fraction) -> Size:
    """`min(max(x, lo), hi)`; the upper limit wins when the two cross."""
    return minimum(maximum(x, lo), hi)


def log2(x: Size | int | Fraction) -> Size:
    """The logarithm to base two, as an exact number. ValueError for a constant that is no power of two."""
    size = as_size(x)
    number = size.constant()
    if number is not None:
        return Size.of(exact_log2(number))
    twos = _powers_of_two(size.terms[0][1]) if len(size.terms) == 1 else 0
    return of_atom(Atom("log2", args=(size * Fraction(2) ** -twos,))) + twos


def floor_log2(x: Size | int | Fraction) -> Size:
    """`floor(log2(x))`, also for a constant that is no power of two. ValueError for a constant that is not positive."""
    return _floor_log2(as_size(x))


def ceil_log2(x: Size | int | Fraction) -> Size:
    """`ceil(log2(x))`, also for a constant that is no power of two. ValueError for a constant that is not positive."""
    size = as_size(x)
    number = size.constant()
    return Size.of(-floor_of_log2(1 / number)) if number else ceil(log2(size))


def _floor_log2(size: Size) -> Size:
    number = size.constant()
    if number is not None:
        return Size.of(floor_of_log2(number))
    twos = _powers_of_two(size.terms[0][1]) if len(size.terms) == 1 else 0
    return of_atom(Atom("floor_log2", args=(size * Fraction(2) ** -twos,))) + twos


def _powers_of_two(value: Fraction) -> int:
    top, bottom = abs(value.numerator), value.denominator
    return (top & -top).bit_length() - (bottom & -bottom).bit_length()


def floor_of_log2(value: Fraction) -> int:
    """The exact floor of the logarithm of a number. ValueError when the number is not positive."""
    if value <= 0:
        raise ValueError(f"log2 of {value}, which is not positive")
    guess = value.numerator.bit_length() - value.denominator.bit_length()
    return guess if Fraction(2) ** guess <= value else guess - 1


def exact_log2(value: Fraction) -> int:
    """The logarithm of a power of two. ValueError for any other number."""
    result = floor_of_log2(value)
    if Fraction(2) ** result != value:
        raise ValueError(f"log2 of {value}, which is not a power of two")
    return result
