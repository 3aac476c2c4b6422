"""The order in memory of every value of a graph, and the copies its lowering makes only to put numbers in another order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...dsl.frozen import frozen
from ..cost import BYTES
from ..graph import Body, Graph, Node, Weight, topological
from ..lower.emitter import Value
from ..ops.base import OPERATORS
from ..ops.indexing import apart
from ..sizes import Size
from ..types import DType
from .tracing import Draft, Tensor, Tracer, whole


@dataclass(frozen=True)
class PlannedCopy:
    """A copy that `node` makes, of an input or of what it makes on the way (then `source` is None): the axes it wants, outermost first
    (those that are one by then are one word), which of them it takes as one, how they lie, how many numbers, and the kernel that reads it
    (empty: whatever reads the node). `key` is the same for copies that are made once for several nodes."""

    node: Node
    source: Node | None
    axes: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    lies: tuple[str, ...]
    elements: Size
    dtype: DType
    kernel: str
    key: tuple[Any, ...]

    @property
    def bytes(self) -> Size:
        return self.elements * BYTES[self.dtype]


@frozen
class Traced:
    """One node: its value (or several), the copies its lowering makes, and what is inside it."""

    value: Any
    copies: tuple[PlannedCopy, ...] = ()
    bodies: tuple[Orders, ...] = ()


class Orders:
    """The values of nodes that follow each other: of a graph, or of a body. Equal operations on equal values are looked through once, so
    that the layers of a deep network cost little more than one."""

    def __init__(self, nodes: Sequence[Node], results: Sequence[Node], weights: Sequence[Weight], given: Mapping[Node, Value]) -> None:
        self.nodes = nodes
        self.results = results
        self.weights = weights
        self.pieces = apart(nodes, results)
        self.values: dict[Node, Any] = dict(given)
        self.copies: dict[Node, tuple[PlannedCopy, ...]] = {}
        self.bodies: dict[Node, tuple[Orders, ...]] = {}
        self._known: dict[tuple[Any, ...], tuple[Traced, list[Value]]] = {}
        for node in nodes:
            if node not in self.values:
                self.keep(node, self.traced(node, self.values))

    def value(self, node: Node) -> Value:
        found: Value = self.values[node]
        return found

    def keep(self, node: Node, found: Traced) -> None:
        """From now on this is what a node gives."""
        self.values[node], self.copies[node] = found.value, found.copies
        if found.bodies:
            self.bodies[node] = found.bodies

    # ------------------------------------------------ one node

    def traced(self, node: Node, values: Mapping[Node, Any]) -> Traced:
        """What a node gives for these values of its inputs."""
        given = [values[source] for source in node.inputs]
        if node.bodies or node.options.get("chunk") is not None or not all(isinstance(value, Value) for value in given):
            return self._traced(node, values)  # chunks read what lies under their masks too
        key = (node.op, node.attrs, node.type, self.pieces.get(node), _alike(node, given))
        found = self._known.get(key)
        if found is None:
            traced = self._traced(node, values)
            self._known[key] = traced, given
            return traced
        return _same(*found, node, given)

    def _traced(self, node: Node, values: Mapping[Node, Any]) -> Traced:
        tracer = Tracer(node, values, self.weights, self.pieces)
        if node.op == "unknown":  # a parameter that nobody has bound yet: one number, which has no order
            return Traced(whole(list(node.axes)))
        lower = OPERATORS[node.op].lower
        if lower is None:
            raise TypeError(f"operator {node.op} has no lowering")
        result = lower(tracer, node)
        if isinstance(result, Value) and isinstance(result.fx, Tensor):
            sizes = {axis.name: axis.size for axis in node.axes}
            tracer.settled(result.fx, [sizes[name] for name in result.axes])
            tracer.called(result.fx, result.axes)
        return Traced(result, tuple(_copy(node, draft) for draft in tracer.drafts), tuple(tracer.bodies))

    # ------------------------------------------------ all copies

    def all_copies(self) -> list[PlannedCopy]:
        """Those made outside bodies, each once."""
        return distinct(copy for node in self.nodes for copy in self.copies.get(node, ()))


def orders(graph: Graph) -> Orders:
    """How the values of a graph lie, its inputs in their declared order."""
    given = {node: _input(node) for node in graph.inputs}
    return Orders(graph.nodes, [output.node for output in graph.outputs], graph.weights, given)


def _input(node: Node) -> Value:
    axes = {axis.name: axis for axis in node.axes}
    return whole([axes[name] for name in node["order"]])


def inside(body: Body, weights: Sequence[Weight], given: Sequence[Value]) -> Orders:
    """How the values in a body lie, its parameters as given."""
    nodes = list(topological([*body.yields, *body.carries]))
    return Orders(nodes, body.yields, weights, dict(zip(body.params, given, strict=True)))


def _copy(node: Node, draft: Draft) -> PlannedCopy:
    return PlannedCopy(node, draft.source, draft.axes, draft.groups, draft.lies, draft.elements, draft.dtype, draft.kernel, draft.key)


def distinct(copies: Iterable[PlannedCopy]) -> list[PlannedCopy]:
    """Those that are made: one for each key, the first."""
    found: dict[tuple[Any, ...], PlannedCopy] = {}
    for copy in copies:
        found.setdefault(copy.key, copy)
    return list(found.values())


# ---------------------------------------------------------------- what is known of a like node


def _alike(node: Node, given: Sequence[Value]) -> tuple[Any, ...]:
    """What the lowering of a node can see of its inputs: types, orders, and which of them are one tensor."""
    first: dict[Any, int] = {}
    seen: list[Any] = []
    for i, (source, value) in enumerate(zip(node.inputs, given, strict=True)):
        if isinstance(value.fx, Tensor):
            seen.append((source.type, value.axes, value.fx.memory, first.setdefault(value.fx, i)))
        else:
            seen.append((source.type, source.op, source.attrs if source.op == "scalar" else value.fx, value.fx.__class__))
    return tuple(seen)


def _same(known: Traced, before: Sequence[Value], node: Node, given: Sequence[Value]) -> Traced:
    """What was found for a like node, of this node and its inputs."""
    places = [(old.fx, new.fx) for old, new in zip(before, given, strict=True) if isinstance(old.fx, Tensor)]
    bases = {old.base: new.base for old, new in places}
    value = known.value
    if isinstance(value, Value) and isinstance(value.fx, Tensor):
        x = next((new for old, new in places if old is value.fx), None)
        value = Value(x or Tensor(value.fx.memory, value.fx.axes, bases.get(value.fx.base)), value.axes)
    return Traced(value, tuple(_copy_of(one, bases, node) for one in known.copies))


def _copy_of(copy: PlannedCopy, bases: Mapping[Tensor, Tensor], node: Node) -> PlannedCopy:
    source = node.inputs[copy.node.inputs.index(copy.source)] if copy.source is not None else None
    key = (bases.get(copy.key[0], node), *copy.key[1:])
    return PlannedCopy(node, source, copy.axes, copy.groups, copy.lies, copy.elements, copy.dtype, copy.kernel, key)
