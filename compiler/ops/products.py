"""How products of tensors that are summed over axes become PyTorch calls: matmul where it fits, in an order of least work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..graph import Node
from ..lower.emitter import Emitter, Value
from ..sizes import Size
from ..types import Axis, DType, promote

NOMINAL = 1024
"""What a size that only the caller's tensors tell counts as, when an order of products is chosen."""
MAX_PLANNED = 6
"""Above this many operands products are taken from left to right."""

Axes = Sequence[frozenset[str]]


def product_type(dtypes: Iterable[DType]) -> DType:
    """The kind of number a sum of products gives: that of arithmetic, and int for truth values alone."""
    found = promote(*dtypes)
    return "int" if found == "bool" else found


def sizes_of(nodes: Iterable[Node]) -> dict[str, Size]:
    """The size of every axis of these tensors."""
    return {axis.name: axis.size for node in nodes for axis in node.axes}


def operands(e: Emitter, nodes: Sequence[Node], dtype: DType) -> list[Value]:
    """The tensors in one dtype, ready to be multiplied; `dtype` is that of the result."""
    if dtype == "wide":
        return [e.wide(node) for node in nodes]
    values = [e.tensor(node) for node in nodes]
    like = next((value.fx for node, value in zip(nodes, values, strict=True) if node.dtype == dtype), None)
    return [value if node.dtype == dtype else cast(e, value, dtype, like) for node, value in zip(nodes, values, strict=True)]


def cast(e: Emitter, value: Value, dtype: DType, like: Any) -> Value:
    """The value as int, or in the dtype of `like`."""
    if dtype == "int":
        return Value(e.method("long", value.fx), value.axes)
    return Value(e.method("type_as", value.fx, like), value.axes)


# ---------------------------------------------------------------- two operands


def product(
    e: Emitter, a: Value, b: Value, over: Sequence[str], sizes: Mapping[str, Size], last: Sequence[str] = (), exact: bool = False,
    bias: Value | None = None,
) -> Value:  # fmt: skip
    """`a * b`, lined up by name and added up along `over`. Axes that one side lacks are never repeated in memory.

    The result has the shared axes first, then those of `a`, then those of `b`, or the other way round; axes of `b` in `last` come at the
    very end.
    `exact` (integers) avoids matmul, which not every device has for them. `bias`, along all axes that `b` alone has, is added to it.
    """
    shared = [name for name in a.axes if name in b.axes and name not in over]
    summed = [name for name in a.axes if name in b.axes and name in over]
    rows = [name for name in a.axes if name not in b.axes]
    columns = [name for name in b.axes if name not in a.axes and name not in last] + [name for name in last if name not in a.axes]
    if exact or not summed or not (rows or columns):
        return _plus(e, _elementwise(e, a, b, (*shared, *rows, *columns), summed), bias)
    if bias is not None:
        return _batched_with_bias(e, (a, b, bias), (shared, rows, summed, columns), sizes)
    if not last and (len(columns) > len(rows) if not shared else _is_across(a, b, summed, sizes)):
        a, b, rows, columns = b, a, columns, rows  # without shared axes matmul takes several leading ones on its left side only
    return _matmul(e, (a, b), (shared, rows, summed, columns), sizes)


def _is_across(a: Value, b: Value, summed: Sequence[str], sizes: Mapping[str, Size]) -> bool:
    """Whether the larger operand would be read across: it goes left where its innermost axis is added up, and right where that stays."""
    left, right = (_count(value.axes, {name: _number(sizes[name]) for name in value.axes}) for value in (a, b))
    if left == right:
        return False
    return (a.axes[-1] not in summed) if left > right else (b.axes[-1] in summed)


def _elementwise(e: Emitter, a: Value, b: Value, kept: tuple[str, ...], summed: Sequence[str]) -> Value:
    left, right = e.align([a, b], (*kept, *summed))
    both = e.call("torch.mul", left, right)
    if not summed:
        return Value(both, kept)
    return Value(e.call("torch.sum", both, dim=list(range(-len(summed), 0))), kept)


def _plus(e: Emitter, y: Value, bias: Value | None) -> Value:
    return y if bias is None else Value(e.call("torch.add", *e.align([y, bias], y.axes)), y.axes)


def _batched_with_bias(e: Emitter, values: tuple[Value, Value, Value], parts: Sequence[Sequence[str]], sizes: Mapping[str, Size]) -> Value:
    """One call for the product and the sum, which a call of its own would read and write once more."""
    a, b, bias = values
    shared, rows, summed, columns = ([Axis(name, sizes[name]) for name in part] for part in parts)
    if _is_across(a, b, parts[2], sizes):
        left, right = e.flat(b, [shared, columns, summed]), e.flat(a, [shared, summed, rows])
        return e.unflat(e.call("torch.baddbmm", e.flat(bias, [columns, []]), left, right), [shared, columns, rows])
    left, right = e.flat(a, [shared, rows, summed]), e.flat(b, [shared, summed, columns])
    return e.unflat(e.call("torch.baddbmm", e.flat(bias, [columns]), left, right), [shared, rows, columns])


def _matmul(e: Emitter, pair: tuple[Value, Value], parts: Sequence[Sequence[str]], sizes: Mapping[str, Size]) -> Value:
    shared, rows, summed, columns = ([Axis(name, sizes[name]) for name in part] for part in parts)
    batch = [[axis] for axis in shared]
    if shared and not (rows and columns):
        (left, right), own = (pair, rows) if rows else ((pair[1], pair[0]), columns)
        each = e.call("runtime.matrix_vector", e.flat(left, [*batch, own, summed]), e.flat(right, [*batch, summed]))
        return e.unflat(each, [*batch, own])
    row_groups = [rows] if shared else [[axis] for axis in rows]
    left = e.flat(pair[0], [*batch, *row_groups, summed])
    right = e.flat(pair[1], [*batch, summed, columns])
    return e.unflat(e.call("torch.matmul", left, right), [*batch, *row_groups, columns])


# ---------------------------------------------------------------- any number of operands


@dataclass(frozen=True)
class Step:
    """One product of two: of operands or of earlier results (which are counted on from the operands), added up along `over`."""

    left: int
    right: int
    over: tuple[str, ...]


def contract(e: Emitter, values: Sequence[Value], over: Sequence[str], sizes: Mapping[str, Size], exact: bool = False) -> Value:
    """The product of all, added up along `over`, two at a time in the order of `plan`. Every axis in `over` is in two or more."""
    done = list(values)
    for step in plan([frozenset(value.axes) for value in values], over, sizes):
        done.append(product(e, done[step.left], done[step.right], step.over, sizes, exact=exact))
    return done[-1]


def plan(axes: Axes, over: Sequence[str], sizes: Mapping[str, Size]) -> list[Step]:
    """The order of least work for up to six operands, else from left to right. Of equal orders the leftmost wins.

    Work is counted in multiplications and numbers written; a size that is not known yet counts as 1024. An axis is added up
    in the first product after which no other operand has it.
    """
    if len(axes) != 2 and len(axes) <= MAX_PLANNED:
        pairs = _best_pairs(axes, over, {name: _number(size) for name, size in sizes.items()})
    else:
        pairs = [(0, 1), *((len(axes) + number, number + 2) for number in range(len(axes) - 2))]
    inside = [{number} for number in range(len(axes))]
    found: list[Step] = []
    for left, right in pairs:
        both = inside[left] | inside[right]
        done = {name for step in found for name in step.over}
        gone = tuple(name for name in over if name not in done and not any(name in axes[i] for i in range(len(axes)) if i not in both))
        found.append(Step(left, right, gone))
        inside.append(both)
    return found


Pairs = tuple[tuple[int, int], ...]


def _best_pairs(axes: Axes, over: Sequence[str], numbers: Mapping[str, int]) -> list[tuple[int, int]]:
    """Every way to multiply in pairs is looked at, over sets of operands (written as bits)."""
    count = len(axes)
    best: dict[int, tuple[int, Pairs]] = {1 << number: (0, ()) for number in range(count)}
    for group in range(1, 1 << count):
        if group not in best:
            best[group] = _cheapest(group, best, axes, over, numbers)
    slots = {1 << number: number for number in range(count)}
    pairs: list[tuple[int, int]] = []
    for left, right in best[(1 << count) - 1][1]:
        slots[left | right] = count + len(pairs)
        pairs.append((slots[left], slots[right]))
    return pairs


def _cheapest(
    group: int, best: Mapping[int, tuple[int, Pairs]], axes: Axes, over: Sequence[str], numbers: Mapping[str, int]
) -> tuple[int, Pairs]:
    """The work of the best way to split a group of operands in two, and its pairs of groups, inner ones first."""
    found: tuple[int, Pairs] | None = None
    written = _count(_left(axes, over, group), numbers)
    part = (group - 1) & group
    while part:
        other = group - part
        if part & group & -group:  # each split once, with the first operand on the left
            joined = _left(axes, over, part) | _left(axes, over, other)
            total = best[part][0] + best[other][0] + _count(joined, numbers) + written
            if found is None or total < found[0]:
                found = total, (*best[part][1], *best[other][1], (part, other))
        part = (part - 1) & group
    assert found is not None  # a group of two or more can be split
    return found


def _left(axes: Axes, over: Sequence[str], group: int) -> frozenset[str]:
    """The axes that the product of a group still has."""
    inside = [number for number in range(len(axes)) if group >> number & 1]
    outside = [number for number in range(len(axes)) if not group >> number & 1]
    names = frozenset[str]().union(*(axes[number] for number in inside))
    if len(inside) == 1:
        return names
    return names - {name for name in over if not any(name in axes[number] for number in outside)}


def _number(size: Size) -> int:
    known = size.integer()
    if known is not None:
        return known
    try:
        return max(1, int(size.evaluate(dict.fromkeys(size.free(), NOMINAL))))
    except (ValueError, ZeroDivisionError):  # a logarithm that is no integer, for instance: only an estimate is needed
        return NOMINAL


def _count(names: Iterable[str], numbers: Mapping[str, int]) -> int:
    total = 1
    for name in names:
        total *= numbers[name]
    return total


def operations(axes: Axes, over: Sequence[str], sizes: Mapping[str, Size]) -> Size:
    """Floating-point operations of the whole product in the order of `plan`: two for each multiplication that is added up."""
    known = tuple((name, sizes[name]) for name in sorted(frozenset[str]().union(*axes)))
    return _operations(tuple(axes), tuple(over), known)


@lru_cache(maxsize=4096)
def _operations(axes: tuple[frozenset[str], ...], over: tuple[str, ...], found: tuple[tuple[str, Size], ...]) -> Size:
    sizes, total, known = dict(found), Size.of(0), list(axes)
    for step in plan(axes, over, sizes):
        joined = known[step.left] | known[step.right]
        known.append(joined.difference(step.over))
        work = Size.of(2)
        for name in sorted(joined):
            work = work * sizes[name]
        total = total + work
    return total
