"""Which values of a graph depend on its weights, positions and numbers alone: they are worked out once where weights stay as they are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from .graph import Body, Graph, Node, topological
from .ops.attend_held import made_in_chunks
from .ops.attend_way import attend_way, roles
from .ops.base import OPERATORS
from .ops.facts import is_number
from .ops.mask_groups import looked_at
from .ops.pairs import by_positions
from .sizes import Size
from .types import TensorType, TupleType, is_tuple

NAMING = frozenset({"weight", "scalar", "literal", "size", "pos", "full", "item", "rename", "split", "expand"})
"""Operators that copy nothing and compute nothing: a value made by these alone is not worth keeping."""
LARGEST = 1 << 24
"""So many numbers are kept at most of a value in which no weight is: it is made anew as fast as it is read from far memory."""


def prepared_values(graph: Graph, cast: bool = False, positions: bool = True) -> tuple[Node, ...]:
    """The largest values that depend on weights, positions and numbers alone and take some work, in the order of the graph.

    None depends on an input, a random draw, a state that the run writes, or a size that only a run tells, and none is a mask or bias that
    is made chunk by chunk. States that nothing writes count as weights. Bodies are not looked into. With `cast`, floats are converted
    when a weight is read, which is work. Without `positions`, a weight is in each; with, there may be none in those up to `LARGEST`.

    Works in time linear in the number of nodes.
    """
    again = made_in_chunks(graph.nodes)
    fixed = _fixed([node for node in graph.nodes if node not in again], {slot for slot, _ in graph.updates}, cast)
    kept = {node for node, facts in fixed.items() if facts == _WEIGHT | _WORK or (positions and facts == _WORK and _is_small(node))}
    read = _read(graph, fixed, kept)
    return tuple(node for node in graph.nodes if node in kept and node in read and isinstance(node.type, TensorType))


def _read(graph: Graph, fixed: Collection[Node], kept: Collection[Node]) -> frozenset[Node]:
    """What a run reads if these are kept: it makes what varies, and what is fixed and still not kept."""
    read = {*(output.node for output in graph.outputs), *(node for _, node in graph.updates)}
    for node in reversed(graph.nodes):
        if node not in fixed or (node in read and node not in kept):
            read.update(_inputs(node))
    return frozenset(read)


def _inputs(node: Node) -> tuple[Node, ...]:
    """What a node reads: not a mask that is a flag, or a function of a pair, and of one that is planned as it runs what the plan reads."""
    layout = attend_way(node).layout if node.op == "attend" and "where" in node["extras"] else None
    if layout is None or not (layout.causal or layout.planned or by_positions(roles(node), layout)):
        return node.inputs
    mask = roles(node).extras["where"]
    return (*(source for source in node.inputs if source is not mask), *looked_at(layout.planned))


def _is_small(node: Node) -> bool:
    """A tensor of some numbers that may be kept although no weight is in it."""
    if not isinstance(node.type, TensorType) or not node.axes or is_number(node):
        return False
    return (node.type.elements().integer() or 0) <= LARGEST


def unchanging(graph: Graph) -> frozenset[Node]:
    """The values that no run changes, where weights stay as they are: they depend on weights, positions and numbers of known sizes."""
    return frozenset(_fixed(graph.nodes, {slot for slot, _ in graph.updates}))


def before_runs(graph: Graph) -> frozenset[Node]:
    """What is there before a run of a module for inference: weights, what is a view of these, and what is prepared or on the way to it."""
    return weight_only(graph.nodes, {slot for slot, _ in graph.updates}) | frozenset(topological(prepared_values(graph)))


def weight_only(nodes: Iterable[Node], written: Collection[int] = ()) -> frozenset[Node]:
    """Those of `nodes`, given inputs first, that depend on weights (none of `written`) and numbers alone, and on a weight at all."""
    return frozenset(node for node, facts in _fixed(nodes, written).items() if facts & _WEIGHT)


_WEIGHT, _WORK = 1, 2


def _fixed(nodes: Iterable[Node], written: Collection[int], cast: bool = False) -> dict[Node, int]:
    """The nodes, given inputs first, whose value no run changes: whether each depends on a weight, and takes some work."""
    found: dict[Node, int] = {}
    for node in nodes:
        if all(source in found for source in node.inputs) and _stays(node, written):
            facts = 0 if node.op != "weight" else _WEIGHT | _WORK if cast and node.dtype == "float" else _WEIGHT
            for source in node.inputs:
                facts |= found[source]
            found[node] = facts if node.op in NAMING else facts | _WORK
    return found


def _stays(node: Node, written: Collection[int]) -> bool:
    """Whether a node gives the same in every run if its inputs do."""
    if node.op in ("input", "param") or (node.op == "weight" and node["slot"] in written):
        return False
    operator = OPERATORS.get(node.op)
    if operator is None or operator.family == "random" or node.options.get("dropout"):
        return False
    return _has_known_sizes(node) and not any(isinstance(value, Body) for _, value in node.attrs)


def _has_known_sizes(node: Node) -> bool:
    types = node.type.items if isinstance(node.type, TupleType) else (node.type,)
    sizes = [axis.size for type in types for axis in type.axes]
    return all(size.constant() is not None for size in [*sizes, *_sizes(value for _, value in node.attrs)])


def _sizes(values: Iterable[Any]) -> Iterator[Size]:
    """Every size among options, at any depth."""
    stack = list(values)
    while stack:
        value = stack.pop()
        if isinstance(value, Size):
            yield value
        elif is_tuple(value):
            stack.extend(value)
