"""Values of weights and positions alone, which a module for inference works out once: a body of their own, and one call in the forward."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import prod

import torch

from ..graph import Graph, Node, Weight, topological
from ..ops.attend_way import attend_way, roles
from ..passes.pipeline import Optimised
from ..prepared import prepared_values
from ..types import Axis
from .emitter import Value
from .loops import BodyWriter
from .writer import Writer, rename

Groups = Sequence[Sequence[Axis]]


def prepares(optimised: Optimised) -> bool:
    """Whether values that no run changes are kept from run to run: for inference, above level 0, which computes the program as written."""
    return optimised.mode == "infer" and optimised.level > 0


class PreparedWriter(BodyWriter):
    """Writes a body whose inputs are weights as they are stored. It works in their dtype, and rounds to half precision last."""

    def __init__(self, parent: Writer, weights: Sequence[Weight]) -> None:
        super().__init__(parent)
        self.dtype = parent.dtype if parent.half is None else torch.float32
        self.weights = weights

    def take(self, slot: int) -> None:
        """Make a weight the next input; the first ones tell device and working type."""
        inner = self._stored(slot)
        self.host = inner if self.host is None else self.host
        if self.weights[slot].dtype == "float" and self.typist is None:
            self.typist = inner

    def weight(self, slot: int, cast: bool = True) -> Value:
        weight = self.weights[slot]
        axes = {axis.name: axis for axis in weight.axes}
        groups = [[axes[name] for name in group] for group in weight.groups]
        value: Value = self.once(("weight", slot), lambda: self.unflat(self._stored(slot), groups))
        return value

    def _stored(self, slot: int) -> object:
        return self.outside(self.parent.get_attr(self.weights[slot].path))


def write_prepared(writer: Writer, graph: Graph) -> tuple[Node, ...]:
    """Write the body and its call, and say what the prepared values are worth. Gives these values; none where there is nothing to do.

    Without a float weight only the inputs tell the working type, so nothing is prepared before they are there. On a GPU masks are functions
    of a pair, so what is made of positions alone stays where it is.
    """
    values = prepared_values(graph, cast=writer.half is not None, positions=writer.kind == "cpu")
    floats = [slot for slot, weight in enumerate(graph.weights) if weight.dtype == "float"]
    if not values or not floats:
        return ()
    inner = PreparedWriter(writer, graph.weights)
    groups = _write_body(inner, values, stored_as(graph, values), floats[0])
    body = writer.body_name(inner.module(), "prepared")
    result = writer.call("runtime.prepared", writer.get_attr(body), *inner.captured)
    for index, (node, shape) in enumerate(zip(values, groups, strict=True)):
        part = writer.call("operator.getitem", result, index)
        part.meta["axes"] = tuple("*".join(axis.name for axis in group) or "1" for group in shape)
        part.meta["sizes"] = tuple(prod(axis.size.integer() or 0 for axis in group) for group in shape)
        if node.name:
            rename(part, node.name)
        writer.seed(node, writer.unflat(part, shape))
    return values


def _write_body(inner: PreparedWriter, values: Sequence[Node], wanted: Mapping[Node, Groups], typist: int) -> list[Groups]:
    """The body, which gives one tensor for each value, and how the axes of each are grouped into dimensions."""
    cone = list(topological(values))
    for node in cone:
        if node.op == "weight":
            inner.take(node["slot"])
    if inner.typist is None:
        inner.take(typist)
    for node in cone:
        inner.lower_node(node)
    made = [inner.tensor(node) for node in values]
    groups = [wanted.get(node) or _as_it_is(node, value) for node, value in zip(values, made, strict=True)]
    flat = [inner.flat(value, shape) for value, shape in zip(made, groups, strict=True)]
    half = inner.parent.half
    narrow = [x if half is None or node.dtype != "float" else inner.method("to", x, half) for node, x in zip(values, flat, strict=True)]
    inner.graph.output(tuple(narrow))
    inner.finish()
    return groups


def _as_it_is(node: Node, value: Value) -> Groups:
    return [[Axis(name, node.tensor.size(name))] for name in value.axes]


def stored_as(graph: Graph, values: Collection[Node]) -> dict[Node, Groups]:
    """How the readers of a value want its axes flattened, where all of them want the same."""
    wanted: dict[Node, list[Groups]] = {node: [] for node in values}
    for node in graph.nodes:
        for place, source in enumerate(node.inputs):
            if source in wanted:
                wanted[source].append(_pairs(node, source) if node.op == "attend" else _matrix(node, place))
    return {node: groups[0] for node, groups in wanted.items() if groups and groups[0] and all(other == groups[0] for other in groups)}


def _matrix(node: Node, place: int) -> Groups:
    """The dimensions that PyTorch's linear wants of its weight and bias; none for other operators, and where it is not called."""
    if node.op != "linear" or place == 0:
        return ()
    weight, (over, made, own) = node.inputs[1].tensor, (node["over"], node["made"], node["own"])
    if {*weight.names} != {*over, *own}:
        return ()
    parts, owner = ((own, over), weight) if place == 1 else ((made,), node.tensor)
    axes = {axis.name: axis for axis in owner.axes}
    return [[axes[name] for name in part] for part in parts]


def _pairs(node: Node, source: Node) -> Groups:
    """The four dimensions that PyTorch's attention wants of a bias; none for its other inputs, and for a bias that is a view of a row."""
    parts, layout = roles(node), attend_way(node).layout
    if layout is None or layout.line or parts.extras.get("bias") is not source or node.inputs.count(source) > 1:
        return ()
    axes = {axis.name: axis for axis in source.axes}
    return [[axes[name] for name in group if name in axes] for group in (layout.batch, layout.heads, layout.rows, parts.keys)]


def above(graph: Graph, done: Collection[Node]) -> list[Node]:
    """The nodes of a graph that are still to be written when some are done, in its order."""
    known = frozenset(done)
    needed = {*(output.node for output in graph.outputs), *(node for _, node in graph.updates)}
    for node in reversed(graph.nodes):
        if node in needed and node not in known:
            needed.update(node.inputs)
    return [node for node in graph.nodes if node in needed and node not in known]
