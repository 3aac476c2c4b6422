"""What can be decided about the order in memory of a value, as nodes that say the same otherwise.

`lay` puts a value in order once, for all that reads it; a linear map may make or add up its axes in another order, with its weight in that
order; attention may take its leading axes as batch or as heads; a stack may put its new axis elsewhere; a product may take its operands
the other way round.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from ..graph import Node
from ..lower.emitter import Value
from ..ops.attend_way import Layout, attend_way, roles
from ..types import STAR
from .tracing import Tensor

Names = tuple[str, ...]
Changes = dict[Node, Node]
"""Nodes of the graph, and what stands in their place: like nodes on inputs of the graph, or on a new `lay` of one."""
LEAST_ROWS = 16
"""How long an axis has to be for it to stay innermost beside a product."""
MOST_LEADING = 4
"""Of more leading axes than this not every way to part them is tried."""


class Making:
    """Makes nodes that differ in order alone; a `lay` of one value in one order is made once."""

    def __init__(self) -> None:
        self._laid: dict[tuple[Node, Names], Node] = {}

    def lay(self, x: Node, order: Names, at: Node) -> Node:
        x = x.inputs[0] if x.op == "lay" else x
        if (x, order) not in self._laid:
            self._laid[x, order] = Node("lay", (x,), (("order", order),), x.type, at.span, at.scope, at.name)
        return self._laid[x, order]

    def on(self, node: Node, inputs: Sequence[Node], **changed: Any) -> Node:
        options = {**node.options, **changed}
        return replace(node, inputs=tuple(inputs), attrs=tuple(sorted(options.items())))


def lies(value: Value) -> Names:
    """The axes of a value from outermost to innermost; those that take no memory first."""
    memory = value.fx.memory if isinstance(value.fx, Tensor) else None
    if memory is None:
        return value.axes
    inner = [value.axes[i] for i in memory.order]
    return (*(name for name in value.axes if name not in inner), *inner)


# ---------------------------------------------------------------- linear maps


def is_plain(node: Node) -> bool:
    """Whether a node is a linear map with one weight for all positions, and in PyTorch's own order."""
    return (
        node.op == "linear"
        and not node["each"]
        and not node.options.get("rows")
        and len(node.inputs[1].axes) == len(node["over"]) + len(node["own"])
    )


def made_as(making: Making, node: Node, order: Names) -> Node:
    """A linear map that makes its axes in this order."""
    own = dict(zip(node["made"], node["own"], strict=True))
    names = tuple(own[name] for name in order)
    x, weight, *bias = node.inputs
    inputs = [x, making.lay(weight, (*names, *node["over"]), node), *(making.lay(one, order, node) for one in bias)]
    return making.on(node, inputs, made=order, own=names)


def summed_as(making: Making, node: Node, order: Names) -> Node:
    """A linear map that adds up along its axes in this order."""
    x, weight, *bias = node.inputs
    return making.on(node, [x, making.lay(weight, (*node["own"], *order), node), *bias], over=order)


def summed_as_it_lies(making: Making, node: Node, value: Value) -> Node | None:
    """A linear map that adds up along its axes in the order in which its input lies; None where it does, or is none."""
    if not is_plain(node) or len(node["over"]) < 2:
        return None
    order = tuple(name for name in lies(value) if name in node["over"])
    return None if order == node["over"] else summed_as(making, node, order)


def with_rows_inside(making: Making, node: Node, value: Value | None) -> Node | None:
    """A linear map as weights times input, where what it adds up along lies outside other axes: these stay innermost. None where none do,
    or few, which would make narrow products. For inference: the slope of a weight would be held once for each matrix."""
    if value is None or not is_plain(node) or len(node.inputs) != 2 or node.dtype != "float" or not (node["over"] and node["made"]):
        return None
    order = lies(value)
    rows = order[max(order.index(name) for name in node["over"]) + 1 :]
    sizes = [node.tensor.size(name).integer() for name in rows if name != STAR]
    narrow = not any(size is None or size >= LEAST_ROWS for size in sizes)
    return None if narrow or STAR in rows or node.inputs[0].op == "lay" else making.on(node, node.inputs, rows=rows)


def arranged(order: Names, groups: Sequence[Names]) -> Names:
    """An order with the axes of each group side by side, in the order of the group, where its first one stood."""
    chain = {name: group for group in groups if len(group) > 1 for name in group}
    found: dict[str, None] = {}
    for name in order:
        for one in chain.get(name, (name,)):
            found.setdefault(one)
    return tuple(found)


def source_of(node: Node, limit: int) -> tuple[Node, dict[str, str]] | None:
    """The linear map that a value is but for names, cuts and factors, and what its axes were called there."""
    names = {name: name for name in node.tensor.names}
    for _ in range(limit):
        if node.op == "rename":
            back = {new: old for old, new in node["pairs"]}
            names = {now: back.get(before, before) for now, before in names.items()}
        elif node.op not in ("pick", "cut") and not (node.op == "mul" and len(node.inputs[0].axes) == len(node.axes)):
            break
        node = node.inputs[0]
    return (node, names) if is_plain(node) else None


def written_for(making: Making, node: Node, groups: Sequence[Names], values: Mapping[Node, Any]) -> Node | None:
    """A linear map that writes each of these groups of its axes side by side: its input laid out, its axes made in another order, or
    both. None where that changes nothing."""
    x, made = node.inputs[0], node["made"]
    now = (*(name for name in lies(values[x]) if name not in node["over"]), *made)
    wanted = arranged(now, groups)
    rows = tuple(name for name in wanted if name not in made)
    order = tuple(name for name in wanted if name in made)
    made_now = node if order == made else made_as(making, node, order)
    if rows == tuple(name for name in now if name not in made):
        return None if made_now is node else made_now
    laid = making.lay(x, (*rows, *node["over"]), node)
    return making.on(made_now, (laid, *made_now.inputs[1:]))


# ---------------------------------------------------------------- attention


def attention_ways(making: Making, node: Node, now: Mapping[Node, Node], values: Mapping[Node, Any], limit: int) -> Iterator[Changes]:
    """An attention with its leading axes parted in each way, and what its queries, keys and values come from written for that, or not.
    `now` is what nodes have become."""
    attend = now.get(node, node)
    way = attend_way(attend)
    if way.layout is None or attend["terms"] != 1:
        return
    sources = [source_of(one, limit) for one in node.inputs[:3]]
    for layout in _layouts(attend, way.layout, values):
        changed = attend if layout == way.layout else making.on(attend, attend.inputs, leading=(layout.batch, layout.heads, layout.rows))
        fixes: Changes = {}
        for found, rows in zip(sources, (layout.rows, attend["keys"], attend["keys"]), strict=True):
            if found is not None and found[0] not in fixes:
                groups = [tuple(found[1][name] for name in group if name in found[1]) for group in (layout.batch, layout.heads, rows)]
                fix = written_for(making, now.get(found[0], found[0]), groups, values)
                fixes.update({found[0]: fix} if fix is not None else {})
        for taken in product((False, True), repeat=len(fixes)):
            changes = {old: new for (old, new), is_taken in zip(fixes.items(), taken, strict=True) if is_taken}
            yield changes if changed is attend else {**changes, node: changed}


def _layouts(node: Node, now: Layout, values: Mapping[Node, Any]) -> Iterator[Layout]:
    """The layout as it is, and others. A mask keeps its axes apart from the others, so that what is done with it is not repeated; a bias
    alone is read as it is, and may be repeated where that copies less."""
    yield now
    lead, parts = (*now.batch, *now.heads), roles(node)
    queries = lies(values[parts.q[0]])
    rows = tuple(name for name in queries if name in now.rows)
    masked = [name for name in lead if name in parts.option("bias", "where")]
    if (0 < len(masked) < len(lead) and "where" in parts.extras) or len(lead) > MOST_LEADING:
        return
    order = sorted(lead, key=lambda name: queries.index(name) if name in queries else -1)
    for inside in product((False, True), repeat=len(order)):
        batch, heads = (tuple(name for name, is_inside in zip(order, inside, strict=True) if is_inside is one) for one in (False, True))
        found = replace(now, batch=batch, heads=heads, rows=rows if {*rows} == {*now.rows} else now.rows)
        if found != now:
            yield found


# ---------------------------------------------------------------- what else writes


def other_ways(making: Making, node: Node) -> Iterator[Node]:
    """A stack with its new axis elsewhere; a product of two with its operands the other way round."""
    if node.op == "stack":
        options = {name: value for name, value in node.attrs if name not in ("inner", "before")}
        beside = [axis.name for axis in node.axes if axis.name != node["axis"]]
        places: list[dict[str, Any]] = [{"inner": True}, *({"inner": False, "before": name} for name in beside)]
        for place in places:
            changed = replace(node, attrs=tuple(sorted({**options, **place}.items())))
            if changed.attrs != node.attrs:
                yield changed
    if node.op == "dot" and len(node.inputs) == 2:
        yield making.on(node, node.inputs[::-1])
