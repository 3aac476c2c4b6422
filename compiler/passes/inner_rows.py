"""A linear map writes a gate in the order of what it scales: as weights times input, with its rows innermost.

A gate [*, C, W] that a linear map makes as [*, W, C] is read across memory for every number of an image [*, C, H, W], or copied first.
As the product [C, D] x [*, D, W] it comes in that order, and from means that lie so there is no copy at either end.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..graph import Graph, Node
from ..lower.emitter import Value
from ..ops.base import OPERATORS
from ..orders.choices import Names, is_plain, lies
from ..orders.plan import orders
from ..orders.tracing import Tensor
from ..types import STAR
from .base import Change
from .layout_factors import LEAST
from .rewriting import rewrite

Wishes = dict[Node, "Names | None"]
"""The order in which the readers of a value want it; None where one does not mind, or they differ."""


def rows_inside(graph: Graph) -> tuple[Graph, tuple[Change, ...]]:
    """The graph with such linear maps, and what was done. For inference: the slope of a weight would be held once for each image."""
    if not any(_scales(node, source) and len(source.axes) > 1 for node in graph.nodes for source in node.inputs):
        return graph, ()
    wishes = _wishes(graph)
    rows = {node: found for node in graph.nodes if (found := _rows(node, wishes.get(node)))}
    if not rows:
        return graph, ()
    made = rewrite(graph, lambda make, node: make.again(node, make.now().inputs, rows=rows[node]) if node in rows else None)
    return made, tuple(_change(node, inner) for node, inner in rows.items())


def _wishes(graph: Graph) -> Wishes:
    """The order in which each value is wanted, from the results down."""
    plan, found = orders(graph), Wishes()
    ends = (*(output.node for output in graph.outputs), *(node for _, node in graph.updates))
    found.update(dict.fromkeys(ends))
    for node in reversed(graph.nodes):
        for source, order in _wanted(node, found.get(node), plan.values):
            found[source] = order if found.get(source, order) == order else None
    return found


def _wanted(node: Node, own: Names | None, values: dict[Node, Value]) -> Iterator[tuple[Node, Names | None]]:
    """Each input of a node, and the order in which it is wanted there; `own` is that for the node."""
    for source in dict.fromkeys(node.inputs):
        if OPERATORS[node.op].pointwise:
            large = _large(node) if _scales(node, source) else None
            order = own if large is None else _order(values.get(large))
            yield source, _among(order, source)
        elif node.op == "cut":
            yield source, own
        elif node.op == "rename" and own is not None:
            back = {new: old for old, new in node["pairs"]}
            yield source, tuple(back.get(name, name) for name in own)
        elif (rows := _rows(node, own)) and source is node.inputs[0]:
            others = tuple(name for name in own or () if name not in rows and name not in node["made"])
            yield source, (*others, *node["over"], *rows)
        else:
            yield source, None


def _scales(node: Node, source: Node) -> bool:
    """Whether an input is a small operand: it lacks an axis that is not short (`*` may be one)."""
    if not OPERATORS[node.op].pointwise or _large(node) in (None, source):
        return False
    lacks = [size.integer() for name, size in node.axes if not source.tensor.has(name) and name != STAR]
    return any(size is None or size >= LEAST for size in lacks)


def _large(node: Node) -> Node | None:
    return next((source for source in node.inputs if len(source.axes) == len(node.axes)), None)


def _order(value: Value | None) -> Names | None:
    """How a value lies, where that is known."""
    return lies(value) if value is not None and isinstance(value.fx, Tensor) and value.fx.memory is not None else None


def _among(order: Names | None, source: Node) -> Names | None:
    return None if order is None else tuple(name for name in order if source.tensor.has(name))


def _rows(node: Node, wanted: Names | None) -> Names:
    """The axes that a linear map should have innermost, after those it makes; none where it is as well as it is."""
    if wanted is None or not is_plain(node) or node.dtype != "float" or not node["made"] or not node["over"]:
        return ()
    made = node["made"]
    end = next((place + len(made) for place in range(len(wanted)) if wanted[place : place + len(made)] == made), len(wanted))
    return () if STAR in wanted[end:] else wanted[end:]


def _change(node: Node, rows: Names) -> Change:
    named = f"`{node.name}`" if node.name else "this linear map"
    return Change(f"{named} is weights times input, with {' '.join(rows)} innermost, the order of what it scales", (node.span,))
