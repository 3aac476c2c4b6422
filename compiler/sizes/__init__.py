"""Exact symbolic sizes of axes: arithmetic in normal form, proofs of equality and order, and their text."""

from .equality import equal
from .functions import absolute, ceil, ceil_log2, clamp, floor, floor_log2, log2, maximum, minimum
from .integral import divides
from .limits import SizeTooLarge
from .numbers import divisors, nearest_multiples
from .prove import at_least
from .size import Size, product

__all__ = [
    "Size",
    "SizeTooLarge",
    "absolute",
    "at_least",
    "ceil",
    "ceil_log2",
    "clamp",
    "divides",
    "divisors",
    "equal",
    "floor",
    "floor_log2",
    "log2",
    "maximum",
    "minimum",
    "nearest_multiples",
    "product",
]
