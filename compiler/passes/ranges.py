"""What is known of whole numbers before they exist: between which sizes a value lies. Positions, sizes and arithmetic on them."""

from __future__ import annotations

from dataclasses import dataclass

from ..graph import Node
from ..sizes import Size, SizeTooLarge, at_least
from ..types import TensorType

DEPTH = 6
"""How many operations deep is looked: enough for masks, and the work for a node stays bounded."""
EFFORT = 16
_ARITHMETIC = frozenset({"add", "sub", "neg", "mul", "mod", "floordiv"})
_KNOWN = _ARITHMETIC | {"rename", "expand", "split", "merge", "cut", "pick", "flip", "roll", "gather"}


@dataclass(frozen=True)
class Range:
    """Inclusive limits; None where none is known."""

    low: Size | None = None
    high: Size | None = None

    @property
    def exact(self) -> Size | None:
        """The one value it can have."""
        return self.low if self.low is not None and self.low == self.high else None


ANY = Range()


def range_of(node: Node, depth: int = DEPTH) -> Range:
    """The limits of a whole (or true or false) value; ANY for other kinds."""
    if node.op == "scalar":
        value = node["value"]
        return _only(Size.of(int(value))) if isinstance(value, int) else ANY
    if node.op == "size":
        return _only(node["value"]) if node.dtype == "int" else ANY
    if node.op == "pos":
        return Range(Size.of(0), node.axes[0].size - 1)
    if isinstance(node.type, TensorType) and node.dtype == "bool":
        return Range(Size.of(0), Size.of(1))
    if node.op not in _KNOWN or node.dtype != "int" or depth == 0:
        return ANY
    try:
        return _combined(node, [range_of(source, depth - 1) for source in node.inputs])
    except SizeTooLarge:
        return ANY


def _only(size: Size) -> Range:
    return Range(size, size)


def _combined(node: Node, parts: list[Range]) -> Range:
    match node.op:
        case "add":
            return Range(_plus(parts[0].low, parts[1].low), _plus(parts[0].high, parts[1].high))
        case "sub":
            return Range(_minus(parts[0].low, parts[1].high), _minus(parts[0].high, parts[1].low))
        case "neg":
            return Range(_minus(Size.of(0), parts[0].high), _minus(Size.of(0), parts[0].low))
        case "mul":
            return _product(*parts)
        case "mod":
            return _remainder(*parts)
        case "floordiv":
            return _quotient(*parts)
        case _:
            return parts[0]


def _plus(a: Size | None, b: Size | None) -> Size | None:
    return None if a is None or b is None else a + b


def _minus(a: Size | None, b: Size | None) -> Size | None:
    return None if a is None or b is None else a - b


def _product(a: Range, b: Range) -> Range:
    """Of numbers that are not negative, or with a known one that is not."""
    if a.low is None or b.low is None or not (_is_least(a.low, 0) and _is_least(b.low, 0)):
        return ANY
    return Range(a.low * b.low, None if a.high is None or b.high is None else a.high * b.high)


def _remainder(a: Range, b: Range) -> Range:
    if b.exact is None or not _is_least(b.exact, 1):
        return ANY
    small = a.high is not None and _is_least(a.low, 0) and at_least(b.exact - 1, a.high, effort=EFFORT) is True
    return a if small else Range(Size.of(0), b.exact - 1)


def _quotient(a: Range, b: Range) -> Range:
    if b.exact is None or not _is_least(b.exact, 1):
        return ANY
    return Range(None if a.low is None else a.low // b.exact, None if a.high is None else a.high // b.exact)


def _is_least(low: Size | None, least: int) -> bool:
    """Whether a lower limit is provably this or more."""
    return low is not None and at_least(low, least, effort=EFFORT) is True


def never_more(a: Range, b: Range, gap: int = 0) -> bool:
    """Whether every number of `a`, and `gap` more, is at most every number of `b`."""
    return a.high is not None and b.low is not None and at_least(b.low - gap, a.high, effort=EFFORT) is True


def decided(op: str, a: Range, b: Range) -> bool | None:
    """What a comparison of whole numbers gives whatever they are; None where it depends."""
    match op:
        case "le":
            return True if never_more(a, b) else False if never_more(b, a, 1) else None
        case "lt":
            return True if never_more(a, b, 1) else False if never_more(b, a) else None
        case "ge":
            return decided("le", b, a)
        case "gt":
            return decided("lt", b, a)
        case "eq":
            if a.exact is not None and a.exact == b.exact:
                return True
            return False if never_more(a, b, 1) or never_more(b, a, 1) else None
        case _:
            same = decided("eq", a, b)
            return None if same is None else not same
