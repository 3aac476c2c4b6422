"""How large a size expression may grow before it is refused."""

from __future__ import annotations

from fractions import Fraction

MAX_TERMS = 200
MAX_EXPONENT = 64
MAX_BITS = 200
MAX_DEPTH = 30
MAX_TEXT = 20_000
MAX_CHOICES = 32


class SizeTooLarge(ValueError):
    """A size expression has too many terms, too high a power, too large a number or too deep a nesting."""


def check_number(value: Fraction) -> None:
    """Raise SizeTooLarge when the numerator or the denominator needs more than 200 bits."""
    if value.numerator.bit_length() > MAX_BITS or value.denominator.bit_length() > MAX_BITS:
        raise SizeTooLarge("a number in a size expression is over 2**200")
