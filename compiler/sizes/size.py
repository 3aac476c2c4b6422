"""`Size`: an exact rational expression over positive integer unknowns, always in normal form.

The normal form is a sum of monomials with exact coefficients. Exponents may be negative, so that `D/heads*heads` is `D` again;
what is not a monomial (floor, max, a sum in a denominator) is an atom inside one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from functools import lru_cache
from math import lcm

from .atoms import Atom, inverse, order
from .limits import MAX_BITS, MAX_EXPONENT, MAX_TERMS, SizeTooLarge, check_number
from .poly import ONE, Poly, add, cancel, content, exact_quotient, lowest, multiply, shift

ZERO = Fraction(0)


class Size:
    """The size of an axis. Immutable; equal normal forms are `==` and hash alike, and a constant equals its number.

    Symbols stand for positive integers; every simplification is true for those only. Arithmetic takes Size, int and Fraction,
    raises ZeroDivisionError on division by the constant 0, and SizeTooLarge when an expression outgrows the limits.
    """

    __slots__ = ("_free", "_hash", "_key", "_number", "_whole", "depth", "poly", "terms")

    poly: Poly
    """The coefficient of each monomial; never changed."""
    terms: tuple[tuple[tuple[tuple[Atom, int], ...], Fraction], ...]
    """The same in the order in which they are written."""
    depth: int

    def __init__(self, poly: Poly) -> None:
        """For this package: use `Size.of` and `Size.symbol`."""
        if any(atom.kind == "quotient" for factor in poly for atom, _ in factor):
            poly = cancel(poly)
        if len(poly) > MAX_TERMS:
            raise SizeTooLarge("a size expression has more than 200 terms")
        depth = 0
        for factor, value in poly.items():
            if value is not ONE:
                check_number(value)
            for atom, exponent in factor:
                depth = max(depth, atom.depth)
                if abs(exponent) > MAX_EXPONENT:
                    raise SizeTooLarge("a power in a size expression is over 64")
        self.poly = poly
        self.terms = tuple(sorted(poly.items(), key=lambda item: order(item[0]))) if len(poly) > 1 else tuple(poly.items())
        self.depth = depth
        self._key: str | None = None
        self._free: frozenset[str] | None = None
        self._number = ZERO if not self.terms else None if self.terms[0][0] else self.terms[0][1]  # a constant term is the last
        self._whole = self._number.numerator if self._number is not None and self._number.denominator == 1 else None
        self._hash = hash(self.terms if self._number is None else self._number)

    @staticmethod
    def of(value: int | Fraction) -> Size:
        """The constant."""
        return _constant(value)

    @staticmethod
    def symbol(name: str) -> Size:
        """A positive integer unknown: an axis size or an integer parameter."""
        return _symbol(name)

    def __reduce__(self) -> tuple[type[Size], tuple[Poly]]:
        return Size, (dict(self.terms),)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if isinstance(other, Size):
            return self._hash == other._hash and self.terms == other.terms
        if isinstance(other, int):
            return self._whole == other
        if isinstance(other, Fraction):
            return self._number == other
        return NotImplemented

    @property
    def key(self) -> str:
        """An unambiguous text of the normal form, for sorting."""
        if self._key is None:
            parts = ("*".join([*(f"{atom.key}^{e}" for atom, e in factor), str(value)]) for factor, value in self.terms)
            self._key = "+".join(parts)
        return self._key

    # Most sizes are whole numbers, which Python adds and multiplies quickest itself.

    def __add__(self, other: Size | int | Fraction) -> Size:
        right = as_size(other)
        if self._whole is not None and right._whole is not None:
            return _constant(self._whole + right._whole)
        return _sum(self, right, 1)

    def __sub__(self, other: Size | int | Fraction) -> Size:
        right = as_size(other)
        if self._whole is not None and right._whole is not None:
            return _constant(self._whole - right._whole)
        return _sum(self, right, -1)

    def __mul__(self, other: Size | int | Fraction) -> Size:
        right = as_size(other)
        if self._whole is not None and right._whole is not None:
            return _constant(self._whole * right._whole)
        if self._whole == 1:
            return right
        return self if right._whole == 1 else _product(self, right)

    def __truediv__(self, other: Size | int | Fraction) -> Size:
        return _divide(self, as_size(other))

    def __floordiv__(self, other: Size | int | Fraction) -> Size:
        from .functions import floor

        return floor(self / other)

    def __mod__(self, other: Size | int | Fraction) -> Size:
        return self - (self // other) * other

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other: int | Fraction) -> Size:
        return as_size(other) - self

    def __rtruediv__(self, other: int | Fraction) -> Size:
        return as_size(other) / self

    def __rfloordiv__(self, other: int | Fraction) -> Size:
        return as_size(other) // self

    def __rmod__(self, other: int | Fraction) -> Size:
        return as_size(other) % self

    def __neg__(self) -> Size:
        if self._whole is not None:
            return _constant(-self._whole)
        return Size({factor: -value for factor, value in self.terms})

    def __pow__(self, exponent: int) -> Size:
        return _power(self, exponent)

    def free(self) -> frozenset[str]:
        """The names of the symbols inside."""
        if self._free is None:
            names: set[str] = set()
            for factor, _ in self.terms:
                for atom, _ in factor:
                    names.update({atom.name} if atom.kind == "symbol" else (n for arg in atom.args for n in arg.free()))
            self._free = frozenset(names)
        return self._free

    def constant(self) -> Fraction | None:
        """The number, when there is no symbol inside."""
        return self._number

    def integer(self) -> int | None:
        """The number, when there is no symbol inside and it is an integer."""
        return self._whole

    def substitute(self, values: Mapping[str, Size | int]) -> Size:
        """The expression with symbols replaced; each value must stand for a positive integer. Others stay as they are."""
        from .values import substitute

        return substitute(self, values)

    def evaluate(self, values: Mapping[str, int]) -> Fraction:
        """The exact value. KeyError for a missing symbol, ZeroDivisionError, ValueError for a logarithm that is no integer."""
        if self._number is not None:
            return self._number
        total: int | Fraction = 0
        for factor, value in self.terms:
            term: int | Fraction = 1 if value is ONE else value.numerator if value.denominator == 1 else value  # whole numbers are quicker
            for atom, exponent in factor:
                number = values[atom.name] if atom.kind == "symbol" else _function_at(atom, values)
                term = term * (number**exponent if exponent > 0 else Fraction(number) ** exponent)
            total = total + term
        return Fraction(total)

    def is_integer(self) -> bool | None:
        """True: an integer for every positive integer assignment. False: for none. None: depends, or cannot tell."""
        from .integral import is_integer

        return is_integer(self)

    def __str__(self) -> str:
        from .text import readable

        return readable(self)

    def __repr__(self) -> str:
        return f"Size({self})"

    def python(self, name: Callable[[str], str], *, inner: bool = False) -> str:
        """Python source text of the integer value, each symbol through `name`; with `inner`, ready to stand inside arithmetic.

        Exact division becomes `//` over one common denominator, so the text is right whenever the value is an integer.
        """
        from .source import source

        return source(self, name, inner)


def _function_at(atom: Atom, values: Mapping[str, int]) -> Fraction:
    from .values import function_at

    return function_at(atom, values)


@lru_cache(4096)
def _symbol(name: str) -> Size:
    return of_atom(Atom("symbol", name))


@lru_cache(4096)
def _constant(value: int | Fraction) -> Size:
    return Size({(): ONE if value == 1 else Fraction(value)} if value else {})


# The same few sizes meet again and again in the types and costs of a graph.
@lru_cache(maxsize=1 << 15)
def _sum(left: Size, right: Size, sign: int) -> Size:
    """`left + sign * right`."""
    return Size(add(left.poly, right.poly, sign)) if right.terms else left


@lru_cache(maxsize=1 << 15)
def _product(left: Size, right: Size) -> Size:
    return Size(multiply(left.poly, right.poly))


def product(sizes: Iterable[Size]) -> Size:
    """The product of sizes; numbers first, which is quick."""
    number, total = 1, _constant(1)
    for size in sizes:
        known = size.integer()
        if known is None:
            total = total * size
        else:
            number *= known
    return total * number


def as_size(value: Size | int | Fraction) -> Size:
    """The size itself, or the constant."""
    return value if isinstance(value, Size) else _constant(value)


def of_atom(atom: Atom, exponent: int = 1) -> Size:
    """The atom as a size."""
    return Size({((atom, exponent),): ONE})


@lru_cache(maxsize=8192)
def fraction(size: Size) -> tuple[Size, Size]:
    """Numerator and denominator: integer coefficients and no negative exponents in either, up to what is inside atoms."""
    bottom = denominator([size])
    return size * bottom, bottom


def denominator(sizes: list[Size]) -> Size:
    """One common denominator of all: a positive integer times powers of atoms and of quotient sums."""
    factors = [factor for size in sizes for factor, _ in size.terms]
    scale = lcm(*(value.denominator for size in sizes for _, value in size.terms))
    result = Size.of(scale)
    lows: dict[Atom, int] = {}
    for atom, exponent in (power for factor in factors for power in factor):
        lows[atom] = min(lows.get(atom, 0), exponent)
    for atom, low in lows.items():
        base = atom.args[0] if atom.kind == "quotient" else of_atom(atom)
        result = result * base**-low
    return result


@lru_cache(maxsize=1 << 13)
def _divide(top: Size, bottom: Size) -> Size:
    if not bottom.terms:
        raise ZeroDivisionError("a size is divided by zero")
    if any(atom.kind == "quotient" for factor, _ in bottom.terms for atom, _ in factor):
        upper, lower = fraction(bottom)
        return _divide(top * lower, upper)
    poly = bottom.poly
    low, scale = lowest(poly), content(poly)
    if bottom.terms[0][1] < 0:
        scale = -scale
    base = Size({factor: value / scale for factor, value in shift(top.poly, inverse(low)).items()})
    core = Size({factor: value / scale for factor, value in shift(poly, inverse(low)).items()})
    if core == 1 or not base.terms:
        return base
    whole = exact_quotient(base.poly, core.poly)
    return Size(whole) if whole is not None else base * of_atom(Atom("quotient", args=(core,)), -1)


def _power(base: Size, exponent: int) -> Size:
    if exponent < 0:
        return 1 / _power(base, -exponent)
    number = base.constant()
    if number is not None:
        if exponent > MAX_BITS and abs(number) not in (0, 1):
            raise SizeTooLarge("a power in a size expression is too large")
        return Size.of(number**exponent)
    if exponent > MAX_EXPONENT:
        raise SizeTooLarge("a power in a size expression is over 64")
    result = Size.of(1)
    for _ in range(exponent):
        result = result * base
    return result
