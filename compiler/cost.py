"""What a program costs: operations, bytes and parameters as exact formulas in the sizes of its axes.

FLOPs count a multiplication and an addition as two. Bytes count every value read and written once by each operation (what one holds while
it works is written and read too), at 4 bytes a float, 8 an int, 1 a bool: an upper bound that fusing kernels lowers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from .graph import Body, Graph, Node, topological
from .ops import OPERATORS
from .ops.attend_held import made_in_chunks
from .prepared import prepared_values
from .sizes import Size, minimum
from .types import TensorType, TupleType

if TYPE_CHECKING:
    from .passes.base import Mode

BYTES: dict[str, int] = {"float": 4, "wide": 4, "int": 8, "bool": 1, "complex": 8}
FREE = frozenset(
    (
        "input",
        "weight",
        "scalar",
        "size",
        "literal",
        "item",
        "param",
        "rename",
        "layer",
        "unknown",
        "expand",
        "split",
        "cut",
        "pick",
        "detach",
    )
)
"""Nodes that move nothing."""


@dataclass(frozen=True)
class Cost:
    """`parameters` are trained numbers, `buffers` saved ones that are not trained. `prepared`: operations that are done once, not in
    each run; `kept`: the bytes of what they leave."""

    flops: Size
    bytes: Size
    parameters: Size
    buffers: Size
    prepared: Size
    kept: Size


def done_once(graph: Graph, mode: Mode) -> tuple[frozenset[Node], tuple[Node, ...]]:
    """The nodes that are worked out once, before any run, and those of them that are kept: none in training."""
    kept = prepared_values(graph) if mode == "infer" else ()
    return frozenset(topological(kept)), kept


def graph_cost(graph: Graph, mode: Mode = "train", spared: Collection[Node] = ()) -> Cost:
    """The cost of one run of a graph that leaves out the nodes that are `spared`."""
    once, held = done_once(graph, mode)
    flops, moved = _nodes_cost(node for node in graph.nodes if node not in once and node not in spared)
    trained, saved = Size.of(0), Size.of(0)
    for weight in graph.weights:
        count = Size.of(1)
        for size in weight.shape:
            count = count * size
        if weight.kind == "param":
            trained = trained + count
        elif weight.kind != "const":
            saved = saved + count
    kept = Size.of(0)
    for node in held:
        kept = kept + type_bytes(node.type)
    return Cost(flops, moved, trained, saved, _nodes_cost(once)[0], kept)


def _nodes_cost(nodes: Iterable[Node]) -> tuple[Size, Size]:
    every = list(nodes)
    flops, moved, prices = Size.of(0), Size.of(0), Prices(made_in_chunks(every))
    for (work, traffic), times in Counter(map(prices.of, every)).items():
        flops = flops + work * times
        moved = moved + traffic * times
    return flops, moved


class Prices:
    """Operations and bytes of one node after the other; those of nodes that are alike, as in layers, are worked out once. What is made
    `again` in chunks moves nothing."""

    def __init__(self, again: Collection[Node] = ()) -> None:
        self._again = again
        self._known: dict[Hashable, tuple[Size, Size]] = {}

    def of(self, node: Node) -> tuple[Size, Size]:
        """`node_flops` and `node_bytes`."""
        again = self._again
        own = node.bodies or (again and (node in again or any(source in again for source in node.inputs)))
        key = node if own else _alike(node)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = (node_flops(node), Size.of(0) if node in again else node_bytes(node, again))
        return found


def _alike(node: Node) -> Hashable:
    """All that the cost of a node without a body follows from: the way of an `attend` depends on how its masks are made."""
    options = tuple(pair for pair in node.attrs if pair[0] not in ("slot", "number"))
    places = tuple(node.inputs.index(source) for source in node.inputs) if len(node.inputs) > 1 else ()
    masks = node.inputs[-len(node["extras"]) :] if node.op == "attend" and node["extras"] else ()
    return node.op, options, node.type, tuple((source.op, source.type) for source in node.inputs), places, masks


def node_flops(node: Node) -> Size:
    """The operations of one node; of a scan, those of its body at every step; of a choice, those of the cheaper way."""
    if node.op == "scan":
        length: Size = node["length"]
        return body_cost(node["body"])[0] * length
    if node.op == "choose":
        return minimum(body_cost(node["first"])[0], body_cost(node["second"])[0])
    operator = OPERATORS.get(node.op)
    return operator.cost(node) if operator is not None else Size.of(0)


def node_bytes(node: Node, again: Collection[Node] = ()) -> Size:
    """What one node reads and writes, without inputs that are made `again` in every chunk of it."""
    if node.op in FREE:
        return Size.of(0)
    if node.op == "scan":
        length: Size = node["length"]
        return body_cost(node["body"])[1] * length
    if node.op == "choose":
        return minimum(body_cost(node["first"])[1], body_cost(node["second"])[1])
    total = type_bytes(node.type) + scratch_bytes(node) * 2
    for source in dict.fromkeys(source for source in node.inputs if source not in again):
        total = total + type_bytes(source.type)
    return total


def scratch_bytes(node: Node) -> Size:
    """What one node holds besides inputs and result while it works."""
    operator = OPERATORS.get(node.op)
    return operator.scratch(node) * BYTES["float"] if operator is not None else Size.of(0)


def body_cost(body: Body) -> tuple[Size, Size]:
    """The operations and bytes of one run of a body."""
    return _nodes_cost(topological([*body.yields, *body.carries]))


@lru_cache(maxsize=4096)
def type_bytes(type: TensorType | TupleType) -> Size:
    """The memory of a value."""
    if isinstance(type, TupleType):
        total = Size.of(0)
        for item in type.items:
            total = total + type_bytes(item)
        return total
    return type.elements() * BYTES[type.dtype]


def readable(size: Size) -> Size:
    """`*` stands for the leading axes; in a formula it is called `batch`."""
    return size.substitute({"*": Size.symbol("batch")}) if "*" in size.free() else size
