"""Small operands of a large value are put in its order first, where number by number work would read them across memory.

A gate [*, C, W] that a linear map made as [*, W, C] is read with a stride for every number of an image [*, C, H, W]; that takes three times
as long as the product itself, and the copy is small, as the gate lacks an axis of the image.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..graph import Graph, Node
from ..lower.emitter import Value
from ..orders.choices import lies
from ..orders.plan import Orders, orders
from ..orders.tracing import Tensor
from ..types import STAR, TensorType
from .base import Change
from .making import Make
from .rewriting import rewrite

LEAST = 32
"""How often each number has to be read for a copy to be worth its call."""
_INFIX = frozenset({"add", "sub", "mul", "div"})
Places = Mapping[Node, Mapping[Node, tuple[str, ...]]]
"""For each reader the orders in which it is given its inputs."""


def lined_up(graph: Graph, free: frozenset[Node]) -> tuple[Graph, tuple[Change, ...]]:
    """The graph with such operands laid out, and what was done. `free` are nodes worked out once, before any run."""
    readers = [node for node in graph.nodes if node not in free and _scales(node)]
    if not readers:
        return graph, ()
    plan = orders(graph)
    places = {node: wanted for node in readers if (wanted := _wanted(plan, node))}
    if not places:
        return graph, ()
    return rewrite(graph, lambda make, node: _laid(make, node, places)), tuple(_change(*one) for one in places.items())


def _scales(node: Node) -> bool:
    return node.op in _INFIX and any(_is_small(source, node) for source in node.inputs)


def _is_small(source: Node, node: Node) -> bool:
    """Whether an operand lacks an axis that is worth a copy: not `*`, which may be one, and not a short one."""
    if not isinstance(source.type, TensorType) or len(source.axes) < 2 or source.op == "lay":
        return False
    lacks = [size.integer() for name, size in node.axes if not source.tensor.has(name) and name != STAR]
    return any(size is None or size >= LEAST for size in lacks)


def _wanted(plan: Orders, node: Node) -> dict[Node, tuple[str, ...]]:
    """The small operands that are read across, and the order of the large one."""
    large = next((source for source in node.inputs if len(source.axes) == len(node.axes)), None)
    if large is None or not _told(plan.value(large)):
        return {}
    order = lies(plan.value(large))
    small = [source for source in node.inputs if source is not large and _is_small(source, node) and source.tensor.has(order[-1])]
    return {one: tuple(name for name in order if one.tensor.has(name)) for one in small if _is_across(plan.value(one), order[-1])}


def _is_across(value: Value, innermost: str) -> bool:
    return _told(value) and lies(value)[-1] != innermost


def _told(value: Value) -> bool:
    """Whether it is a tensor of which is known how it lies."""
    return isinstance(value.fx, Tensor) and value.fx.memory is not None


def _laid(make: Make, node: Node, places: Places) -> Node | None:
    if node not in places:
        return None
    wanted, now = places[node], make.now()
    pairs = zip(node.inputs, now.inputs, strict=True)
    return make.again(now, [make.node("lay", (x,), x.type, order=wanted[old]) if old in wanted else x for old, x in pairs])


def _change(node: Node, wanted: Mapping[Node, tuple[str, ...]]) -> Change:
    """`gate` is laid out as * C W."""
    words = [f"{f'`{one.name}`' if one.name else f'this `{one.op}`'} is laid out as {' '.join(order)}" for one, order in wanted.items()]
    return Change(f"{'; '.join(words)}, the order of what it is put together with", (node.span,))
