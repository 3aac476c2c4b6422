"""What a mask says for certain, whatever the data: evaluated on small sizes, in plain Python and in bounded time.

Only what follows from positions and sizes is known; everything else is unknown, and logic has three values (None is unknown).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice, product
from math import ceil, floor, lcm
from typing import Any

from ..graph import Node
from ..sizes import Size

MAX_STEPS = 300
MAX_CELLS = 10_000
MAX_SIZES = 40
MAX_ROWS = 64

Cell = Mapping[str, int]


def _and(a: Any, b: Any) -> Any:
    if a is False or b is False:
        return False
    return None if a is None or b is None else bool(a and b)


def _or(a: Any, b: Any) -> Any:
    if a is True or b is True:
        return True
    return None if a is None or b is None else bool(a or b)


def _where(condition: Any, a: Any, b: Any) -> Any:
    if condition is None:
        return a if a == b else None
    return a if condition else b


def _sign(x: float) -> int:
    return (x > 0) - (x < 0)


def _quotient(a: Any, b: Any) -> Any:
    return a / b


def _floor_quotient(a: Any, b: Any) -> Any:
    return a // b


def _power(a: Any, b: Any) -> Any:
    return None if abs(b) > 64 or abs(a) > 2**32 else a**b


# With a value for an unknown operand.
LENIENT: dict[str, Callable[..., Any]] = {"and": _and, "or": _or, "where": _where}
# Unknown as soon as an operand is.
STRICT: dict[str, Callable[..., Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": _quotient, "floordiv": _floor_quotient, "mod": operator.mod,
    "pow": _power, "neg": operator.neg, "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt,
    "ge": operator.ge, "not": operator.not_, "abs": abs, "sign": _sign, "floor": floor, "ceil": ceil, "round": round,
    "maximum": max, "minimum": min, "int": int, "float": float, "float32": float, "bool": bool,
}  # fmt: skip
CARRIED = frozenset({"rename", "expand", "detach"})


@dataclass(frozen=True)
class Step:
    """One value: that of a function of earlier ones, a position along an axis, a size, a number, or unknown (`kind` says which)."""

    kind: str
    value: Any = None
    inputs: tuple[int, ...] = ()


@dataclass
class Program:
    """A mask as steps in order; the last is its value. `axes` are those of the mask whose positions matter, with their sizes."""

    steps: list[Step] = field(default_factory=list[Step])
    axes: dict[str, Size] = field(default_factory=dict[str, Size])

    def run(self, cell: Cell, sizes: Mapping[str, int]) -> Any:
        """The value at one place: True, False, a number, or None where it is unknown."""
        values: list[Any] = []
        for step in self.steps:
            values.append(_value(step, [values[i] for i in step.inputs], cell, sizes))
        return values[-1]


def _value(step: Step, inputs: list[Any], cell: Cell, sizes: Mapping[str, int]) -> Any:
    if step.kind == "pos":
        return cell[step.value]
    if step.kind == "size":
        return _size(step.value, sizes)
    if step.kind == "number":
        return step.value
    if step.kind in LENIENT:
        return LENIENT[step.kind](*inputs)
    if step.kind == "unknown" or any(value is None for value in inputs):
        return None
    return _strictly(step.kind, inputs)


def _strictly(kind: str, inputs: list[Any]) -> Any:
    try:
        value = STRICT[kind](*inputs)
    except (ArithmeticError, ValueError):
        return None
    return None if value is None or isinstance(value, complex) or abs(value) > 2**128 else value


def _size(size: Size, sizes: Mapping[str, int]) -> int | float | None:
    if not size.free() <= sizes.keys():
        return None
    try:
        value = size.evaluate(sizes)
    except (ArithmeticError, ValueError):
        return None
    return value.numerator if value.denominator == 1 else float(value)


# ---------------------------------------------------------------- from nodes to steps

State = tuple[Node, tuple[tuple[str, str], ...]]


def program(mask: Node) -> Program | None:
    """The mask as a program over its own axes; None where it is too long to look at."""
    made = Program()
    known: dict[State, int] = {}
    root: State = (mask, tuple((axis.name, axis.name) for axis in mask.axes))
    stack = [root]
    while stack:
        state = stack[-1]
        below = _below(state)
        waiting = [inner for inner in below if inner not in known]
        if waiting:
            stack.extend(waiting)
        else:
            stack.pop()
            if state not in known:
                known[state] = len(made.steps)
                made.steps.append(_step(state, [known[inner] for inner in below], made, mask))
        if len(known) > MAX_STEPS or len(stack) > MAX_STEPS:
            return None
    return made


def _below(state: State) -> list[State]:
    """The inputs of a node, each with the mask's axis for every axis of its own."""
    node, names = state
    if node.op not in STRICT and node.op not in LENIENT and node.op not in CARRIED:
        return []
    outer = dict(names)
    if node.op == "rename":
        outer |= {old: outer[new] for old, new in node["pairs"]}
    return [(source, tuple((axis.name, outer[axis.name]) for axis in source.axes)) for source in node.inputs]


def _step(state: State, inputs: list[int], made: Program, mask: Node) -> Step:
    node, names = state
    if node.op == "pos":
        axis = dict(names)[node["axis"]]
        made.axes[axis] = mask.tensor.size(axis)
        return Step("pos", axis)
    if node.op in ("scalar", "size"):
        return Step("size" if isinstance(node["value"], Size) else "number", node["value"])
    if node.op in CARRIED:
        return made.steps[inputs[0]]
    known = node.op in STRICT or node.op in LENIENT
    return Step(node.op, None, tuple(inputs)) if known else Step("unknown")


# ---------------------------------------------------------------- rows without a key


@dataclass(frozen=True)
class EmptyRow:
    """A place of the axes that are no keys, at certain sizes (by symbol), at which no key is allowed."""

    position: tuple[tuple[str, int], ...]
    sizes: tuple[tuple[str, int], ...]


def empty_row(mask: Node, keys: Sequence[str]) -> EmptyRow | None:
    """A row that the mask leaves empty whatever the data are, looked for at some small sizes, or at those that are given.

    None where none was found; the search is cut short where it would take long.
    """
    made = program(mask)
    if made is None or not made.axes:
        return None
    cells = [MAX_CELLS]
    for sizes in islice(_assignments(list(made.axes.values())), MAX_SIZES):
        counts = {name: int(size.evaluate(sizes)) for name, size in made.axes.items()}
        for row in islice(_places({name: count for name, count in counts.items() if name not in keys}, few=True), MAX_ROWS):
            if _is_empty(made, row, {name: count for name, count in counts.items() if name in keys}, sizes, cells):
                return EmptyRow(tuple(row.items()), tuple(sizes.items()))
            if cells[0] <= 0:
                return None
    return None


def _is_empty(made: Program, row: Cell, keys: Mapping[str, int], sizes: Mapping[str, int], cells: list[int]) -> bool:
    """Whether every key is refused for certain; False also when the work allowed is used up."""
    near = {name: min(max(row.values(), default=0), count - 1) for name, count in keys.items()}
    last = {name: count - 1 for name, count in keys.items()}
    for place in chain([near, last], _places(keys, few=False)):
        cells[0] -= 1
        if cells[0] <= 0 or made.run({**row, **place}, sizes) is not False:
            return False
    return True


def _places(counts: Mapping[str, int], few: bool) -> Iterator[dict[str, int]]:
    """Every place of these axes; with `few`, the ends and the middle of long ones."""
    ranges = [sorted({0, 1, 2, count // 2, count - 2, count - 1}) if few and count > 9 else range(count) for count in counts.values()]
    for place in product(*ranges):
        yield dict(zip(counts, place, strict=True))


def _assignments(sizes: Sequence[Size]) -> Iterator[dict[str, int]]:
    """Numbers for the symbols in these sizes such that every size is a positive whole number."""
    symbols = sorted({name for size in sizes for name in size.free()})
    if len(symbols) > 3:
        return
    unit = lcm(*(value.denominator for size in sizes for _, value in size.terms))
    small = range(1, (10, 10, 6, 4)[len(symbols)])
    choices = [*small, *(unit * times for times in (1, 2, 3) if unit * times not in small)]
    for values in product(choices, repeat=len(symbols)):
        chosen = dict(zip(symbols, values, strict=True))
        if all(_is_count(size, chosen) for size in sizes):
            yield chosen


def _is_count(size: Size, chosen: Mapping[str, int]) -> bool:
    value = _size(size, chosen)
    return isinstance(value, int) and 1 <= value <= 2**16
