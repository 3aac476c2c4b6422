"""Values known when the program is compiled: numbers, lists and positions of bound axes, and arithmetic on them, exactly.

A place whose value would depend on rounding is unknown (None); zero times unknown is zero, false and unknown is false. So what is
found holds in every dtype.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

from ...graph import Graph, Node, Weight
from ...sizes import Size
from ...types import DType, TensorType, is_tuple
from .bits import those

MOST = 65_536
"""Tables of more places than this are not made."""

Number = Fraction | bool | None


@dataclass(frozen=True)
class Table:
    """A value for every place: axes with their lengths, and the values in row-major order."""

    axes: tuple[tuple[str, int], ...]
    values: tuple[Number, ...]

    def where(self, wanted: Callable[[Number], bool]) -> dict[str, int]:
        """For each axis the positions at which every place has a wanted value."""
        found: dict[str, int] = {}
        stride = len(self.values)
        for name, count in self.axes:
            stride //= max(count, 1)
            bad = {index // stride % count for index, value in enumerate(self.values) if not wanted(value)}
            found[name] = those(at for at in range(count) if at not in bad)
        return found

    def all(self, wanted: Callable[[Number], bool]) -> bool:
        return all(map(wanted, self.values))


def is_zero(value: Number) -> bool:
    return value is not None and value == 0


def is_true(value: Number) -> bool:
    return value is True


class Constants:
    """The tables of a graph's nodes, each worked out once, inputs first."""

    def __init__(self, graph: Graph) -> None:
        self.weights = graph.weights
        self.found: dict[Node, Table | None] = {}

    def note(self, node: Node) -> Table | None:
        """The table of a node whose inputs have been noted before, or None where it has none."""
        if node not in self.found:
            self.found[node] = self._table(node)
        return self.found[node]

    def _table(self, node: Node) -> Table | None:
        if node.op == "weight":
            slot: int = node["slot"]
            return _stored(self.weights[slot])
        axes = _axes(node)
        if axes is None:
            return None
        if node.op in _LEAVES:
            return Table(axes, _LEAVES[node.op](node))
        inputs = [self.found.get(source) for source in node.inputs]
        tables = [table for table in inputs if table is not None]
        if len(tables) < len(inputs) or not inputs:
            return None
        return _applied(node, axes, tables)


def _axes(node: Node) -> tuple[tuple[str, int], ...] | None:
    """The axes of a node with their lengths; None where they are unknown or too many."""
    if not isinstance(node.type, TensorType):
        return None
    found: list[tuple[str, int]] = []
    total = 1
    for name, size in node.axes:
        count = size.integer()
        if count is None or (total := total * count) > MOST:
            return None
        found.append((name, count))
    return tuple(found)


def _applied(node: Node, axes: tuple[tuple[str, int], ...], tables: Sequence[Table]) -> Table | None:
    if node.op == "rename":
        names = dict(node["pairs"])
        return Table(tuple((names.get(name, name), count) for name, count in tables[0].axes), tables[0].values)
    function = _FUNCTIONS.get(node.op)
    if function is None:
        return None
    rows = [_spread(table, axes) for table in tables]
    return Table(axes, tuple(_kept(_one(function, values), node.dtype) for values in zip(*rows, strict=True)))


def _spread(table: Table, axes: tuple[tuple[str, int], ...]) -> list[Number]:
    """The values of a table at every place of more axes."""
    if table.axes == axes:
        return list(table.values)
    names = [name for name, _ in axes]
    picked: list[Number] = []
    for place in product(*(range(count) for _, count in axes)):
        at = 0
        for name, count in table.axes:
            at = at * count + place[names.index(name)]
        picked.append(table.values[at])
    return picked


def _one(function: Callable[..., Number], values: Sequence[Number]) -> Number:
    try:
        return function(*values)
    except (ArithmeticError, ValueError):
        return None


def _kept(value: Number, dtype: DType) -> Number:
    """The value where every dtype that the kind of number may have holds it exactly."""
    if value is None or isinstance(value, bool):
        return Fraction(int(value)) if isinstance(value, bool) and dtype != "bool" else value
    if dtype == "bool":
        return value != 0
    bits = {"int": 53, "wide": 24}.get(dtype, 8)
    return value if _fits(value, bits) else None


def _fits(value: Fraction, bits: int) -> bool:
    """Whether a number has so few binary digits, and is neither huge nor tiny."""
    top, bottom = abs(value.numerator), value.denominator
    if bottom & (bottom - 1) or bottom > 2**10 or top > 2**53:
        return False
    while top and top % 2 == 0:
        top //= 2
    return top.bit_length() <= bits and (bits > 8 or abs(value) < 2**15)


# ---------------------------------------------------------------- leaves


def _scalar(node: Node) -> tuple[Number, ...]:
    return (_exactly(node["value"], node.dtype),)


def _literal(node: Node) -> tuple[Number, ...]:
    return tuple(_exactly(value, node.dtype) for value in _flat(node["value"]))


def _pos(node: Node) -> tuple[Number, ...]:
    (axis,) = node.axes
    return tuple(Fraction(at) for at in range(axis.size.integer() or 0))


_LEAVES: dict[str, Callable[[Node], tuple[Number, ...]]] = {"scalar": _scalar, "literal": _literal, "pos": _pos}


def _exactly(value: Any, dtype: DType) -> Number:
    if isinstance(value, bool):
        return value if dtype == "bool" else Fraction(int(value))
    if isinstance(value, Size):
        value = value.constant()
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    exact = Fraction(value)
    return exact if exact == 0 else _kept(exact, dtype)


def _flat(value: Any) -> list[Any]:
    found, waiting = list[Any](), [value]
    while waiting:
        top = waiting.pop()
        if is_tuple(top):
            waiting.extend(reversed(top))
        else:
            found.append(top)
    return found


def _stored(weight: Weight) -> Table | None:
    """What a `const` holds. Other weights may change, whatever they start as."""
    counts = [axis.size.integer() for axis in weight.axes]
    known = [count for count in counts if count is not None]
    if weight.kind != "const" or len(known) < len(counts) or math.prod(known) > MOST:
        return None
    axes, total = tuple((axis.name, count) for axis, count in zip(weight.axes, known, strict=True)), math.prod(known)
    init = weight.init
    if init.node is not None:
        return _formula(init.node, axes, weight.dtype)
    if init.kind == "list":
        values = [_exactly(value, weight.dtype) for value in _flat(init.values)]
        return Table(axes, tuple(values)) if len(values) == total else None
    one = {"zeros": 0, "ones": 1}.get(init.kind, init.values[0] if init.kind == "constant" and init.values else None)
    return None if one is None else Table(axes, (_exactly(one, weight.dtype),) * total)


def _formula(node: Node, axes: tuple[tuple[str, int], ...], dtype: DType) -> Table | None:
    from ...graph import Output, topological

    inner = Constants(Graph("formula", (), (Output("", node, node.tensor.names),)))
    for one in topological([node]):
        inner.note(one)
    table = inner.found[node]
    return None if table is None else Table(axes, tuple(_kept(value, dtype) for value in _spread(table, axes)))


# ---------------------------------------------------------------- functions of known and unknown numbers


def _known(function: Callable[..., Any]) -> Callable[..., Number]:
    """A function that knows nothing where it is not told everything."""

    def told(*values: Number) -> Number:
        if any(value is None for value in values):
            return None
        result = function(*values)
        return result if isinstance(result, bool) else Fraction(result)

    return told


def _mul(a: Number, b: Number) -> Number:
    if is_zero(a) or is_zero(b):
        return Fraction(0)
    return None if a is None or b is None else Fraction(a) * Fraction(b)


def _and(a: Number, b: Number) -> Number:
    if a is False or b is False:
        return False
    return True if a is True and b is True else None


def _or(a: Number, b: Number) -> Number:
    if a is True or b is True:
        return True
    return False if a is False and b is False else None


def _where(mask: Number, a: Number, b: Number) -> Number:
    if mask is None:
        return a if a is not None and a == b else None
    return a if mask else b


def _truncated(value: Fraction) -> int:
    return math.trunc(value)


def _same(value: Number) -> Number:
    return value


def _div(a: Fraction, b: Fraction) -> Fraction:
    return a / b


def _floordiv(a: Fraction, b: Fraction) -> int:
    return a // b


def _relu(a: Fraction) -> Fraction:
    return max(a, Fraction(0))


def _square(a: Fraction) -> Fraction:
    return a * a


_FUNCTIONS: dict[str, Callable[..., Number]] = {
    **{name: _known(getattr(operator, name)) for name in ("add", "sub", "eq", "ne", "lt", "le", "gt", "ge", "neg")},
    **dict.fromkeys(("expand", "full", "float32", "float", "detach"), _same),
    "div": _known(_div), "floordiv": _known(_floordiv), "mod": _known(operator.mod),
    "abs": _known(abs), "floor": _known(math.floor), "ceil": _known(math.ceil), "int": _known(_truncated), "bool": _known(bool),
    "maximum": _known(max), "minimum": _known(min), "not": _known(operator.not_), "relu": _known(_relu),
    "square": _known(_square), "mul": _mul, "and": _and, "or": _or, "where": _where,
}  # fmt: skip
