"""Nodes that only move or name axes, for operators and for the evaluator; and what arrows of such operators must look like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...dsl.source import Span
from ..graph import Node
from ..types import Axis, TensorType
from .base import AxisRef, Call, Maker
from .borders import no_twice

Sides = tuple[tuple[AxisRef, ...], tuple[AxisRef, ...]]
"""Both sides of an arrow."""


def rename_axes(make: Maker, x: Node, pairs: Sequence[tuple[str, str]], span: Span) -> Node:
    """`x` with axes under other names, all at once. A Fault E0204 where a name would stand twice."""
    moved = tuple((old, new) for old, new in pairs if old != new)
    if not moved:
        return x
    names = dict(moved)
    axes = tuple(Axis(names.get(name, name), size) for name, size in x.axes)
    return make.node("rename", (x,), TensorType(axes, x.dtype), span, pairs=moved)


def expand_axes(make: Maker, x: Node, axes: Sequence[Axis], span: Span) -> Node:
    """`x` repeated along new axes, without a copy in memory."""
    if not axes:
        return x
    return make.node("expand", (x,), x.tensor.plus(axes), span, axes=tuple(axis.name for axis in axes))


def split_axis(make: Maker, x: Node, name: str, parts: Sequence[Axis], span: Span) -> Node:
    """Axis `name` taken apart into a product, the left part outer. The sizes must be known to multiply to it."""
    if len(parts) == 1:
        return rename_axes(make, x, ((name, parts[0].name),), span)
    axes = [new for axis in x.axes for new in (parts if axis.name == name else (axis,))]
    return make.node("split", (x,), TensorType(tuple(axes), x.dtype), span, axis=name, parts=tuple(part.name for part in parts))


def merge_axes(make: Maker, x: Node, names: Sequence[str], into: Axis, span: Span) -> Node:
    """The axes `names` as one product axis, the left one outer; `into.size` must be their product."""
    return merge_groups(make, x, [(tuple(names), into)], span)


def merge_groups(make: Maker, x: Node, groups: Sequence[tuple[tuple[str, ...], Axis]], span: Span) -> Node:
    """Several products at once, so that memory is put in order once. The names must be different."""
    single = [(names[0], into.name) for names, into in groups if len(names) == 1]
    several = [(names, into) for names, into in groups if len(names) > 1]
    if not several:
        return rename_axes(make, x, single, span)
    if x.op == "stack" and not x["inner"] and "before" not in x.options:
        x = _stacked_for(make, x, [names for names, _ in several])
    rest = x.tensor.without([name for names, _ in several for name in names])
    type = rest.plus([into for _, into in several])
    parts, made = tuple(names for names, _ in several), tuple(into.name for _, into in several)
    return rename_axes(make, make.node("merge", (x,), type, span, parts=parts, axes=made), single, span)


def _stacked_for(make: Maker, x: Node, groups: Sequence[tuple[str, ...]]) -> Node:
    """A stack that is merged along what it made: laid out so at once (innermost, or before the next part), the merge is a view."""
    group = next((names for names in groups if x["axis"] in names), None)
    if group is None:
        return x
    place = group.index(x["axis"]) + 1
    where: dict[str, Any] = {"inner": True} if place == len(group) else {"before": group[place]}
    return make.node("stack", x.inputs, x.tensor, x.span, **{**x.options, **where})


def arrow_sides(call: Call) -> list[Sides]:
    """Both sides of every arrow, where each is a product of named axes; a Fault E0209 for sums and numbers."""
    sides: list[Sides] = []
    for arrow in call.arrows:
        if len(arrow.left) != 1 or len(arrow.right) != 1:
            raise call.fault(
                "E0209",
                f"`{call.name}` takes no `+` here",
                arrow.span,
                "a sum of axes",
                "concat joins axes, split with a sum on the right parts them",
            )
        for ref in (*arrow.left[0], *arrow.right[0]):
            if ref.is_number:
                raise call.fault("E0209", f"`{call.name}` needs a name here", ref.span, f"`{ref.name}` is a number")
        sides.append((arrow.left[0], arrow.right[0]))
    return sides


def free_sources(call: Call, sides: Sequence[Sides]) -> tuple[Node, dict[str, str]]:
    """Arrows act all at once: sources whose name another arrow makes step aside first. The tensor, and where sources are now."""
    sources = [ref for left, _ in sides for ref in left]
    made = [ref for _, right in sides for ref in right]
    no_twice(call, sources)
    no_twice(call, made)
    for ref in sources:
        call.axis(ref)
    kept = set(call.x.tensor.names) - {ref.symbol for ref in sources}
    for ref in made:
        if ref.symbol in kept:
            raise call.fault(
                "E0204",
                f"the tensor already has an axis `{ref.name}`",
                ref.span,
                "it would stand twice",
                "rename the other one first",
                notes=(f"its axes: {call.describe(call.x.tensor)}",),
            )
    if len(sides) == 1:
        return call.x, {ref.symbol: ref.symbol for ref in sources}
    taken = {ref.symbol for ref in made}
    names = [*call.x.tensor.names, *(ref.symbol for ref in made)]
    now = {ref.symbol: call.make.fresh(ref.symbol, names) if ref.symbol in taken else ref.symbol for ref in sources}
    return rename_axes(call.make, call.x, tuple(now.items()), call.span), now
