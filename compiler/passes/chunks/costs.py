"""What a running product costs in chunks, in the unit of `cost_model`. The last chunk counts whole, and is full where that is not known."""

from __future__ import annotations

from collections.abc import Iterable

from ...graph import Node
from ...sizes import Size, SizeTooLarge, at_least, product
from ...types import STAR, Axis
from ..cost_model import CALL, MOVED, SINGLE
from ..making import union
from ..plan_decide import EFFORT, KEEP, TAKE, Decision, compared, sides, threshold
from .running import Running

MATRICES = 4
"""Products of matrices for each chunk."""
CALLS = 20
"""About so many calls into PyTorch, whatever the sizes."""


def work_of(one: Running, rows: int) -> Size:
    """Operations and moved numbers together."""
    q, k, v = (_axes(one, side, rows) for side in (one.q, one.k, one.v))
    if not v.keys() - k.keys() and one.decay is None:
        return MOVED * (2 * _count(q) + 3 * _count(k))  # as a running sum of the keys
    pairs = {name: axis for name, axis in {**q, **k}.items() if name not in one.over}
    state = _count({**k, **v})
    products = rows * (_count({**q, **k}) + _count({**pairs, **v})) + state + _count({**q, **k, **v})
    moved = _count(q) + 3 * _count(k) + 3 * _count(v) + 4 * rows * _count(pairs) + 3 * _count({**pairs, **v}) + 4 * state / rows
    if one.decay is not None:
        moved = moved + 6 * rows * _count(_axes(one, (one.decay,), rows))
    return 2 * products + MOVED * moved + MATRICES * SINGLE * _count(pairs) / rows + CALLS * CALL


def _axes(one: Running, side: Iterable[Node], rows: int) -> dict[str, Axis]:
    """The axes of one side, with the one that it runs along."""
    size = one.axis.size
    known = size.integer()
    whole = size + (rows - 1) if known is None else Size.of(-(-known // rows) * rows)
    return {axis.name: axis for axis in (*union(tuple(side)), one.axis)} | {one.axis.name: Axis(one.axis.name, whole)}


def _count(axes: dict[str, Axis]) -> Size:
    return product(axis.size for axis in axes.values())


def worth(written: Size, chunked: Size, leading: bool = False) -> Decision:
    """For which sizes chunks cost less. A few positions take the plain form. Without `leading` the axes of `*` count as 1."""
    try:
        gap = written - chunked if leading else (written - chunked).substitute({STAR: 1})
        if gap.constant() is not None or at_least(gap, 0, effort=EFFORT) is True:
            return TAKE if at_least(gap, 0) else KEEP
        if at_least(-gap, 0, effort=EFFORT) is True:
            return KEEP
        decision = compared(gap)
        return decision if decision.condition else _from(gap)
    except (SizeTooLarge, ValueError, ZeroDivisionError):
        return KEEP


def _from(gap: Size) -> Decision:
    """The comparison that says `gap >= 0`."""
    names = sorted(gap.free())
    first = threshold(gap, names[0]) if len(names) == 1 else None
    return Decision(True, *sides(gap)) if first is None else Decision(True, Size.of(first), Size.symbol(names[0]))


def from_size(size: Size, least: int) -> Decision:
    """Where an axis has so many positions."""
    known = size.integer()
    if known is None:
        return Decision(True, Size.of(least), size)
    return TAKE if known >= least else KEEP
