"""The graph with fewer slices, the graph with gates at the ends of its slices, and whether two graphs say the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..graph import Body, Graph, Init, Node, Output, Weight
from ..sizes import Size
from ..types import Axis, TensorType
from .groups import Group
from .ties import End

GATE = "pruning_gate_"
"""How the weights that gate slices are called, with the group's number after it."""


def shrink(graph: Graph, groups: Sequence[Group], kept: Sequence[int]) -> Graph:
    """The same operations with so many slices of each group: what the smaller program has to be."""
    counts: dict[End, Size] = {end: Size.of(count) for group, count in zip(groups, kept, strict=True) for end in group.ends}
    new: dict[Node, Node] = {}
    for node in graph.nodes:
        type = node.type
        if isinstance(type, TensorType):
            type = TensorType(tuple(Axis(name, counts.get((node, name), size)) for name, size in type.axes), type.dtype)
        new[node] = replace(node, inputs=tuple(new[source] for source in node.inputs), type=type)
    weights = list(graph.weights)
    for group, count in zip(groups, kept, strict=True):
        for slot, place in group.weights:
            axes = list(weights[slot].axes)
            axes[place] = Axis(axes[place].name, Size.of(count))
            weights[slot] = replace(weights[slot], axes=tuple(axes))
    outputs = tuple(replace(output, node=new[output.node]) for output in graph.outputs)
    updates = tuple((slot, new[node]) for slot, node in graph.updates)
    return replace(graph, inputs=tuple(new[node] for node in graph.inputs), outputs=outputs, weights=tuple(weights), updates=updates)


def gated(graph: Graph, groups: Sequence[Group]) -> Graph:
    """The graph with a gate of ones for each group, a trained weight of its own, multiplied into what its sinks add up."""
    slots = len(graph.weights)
    weights: list[Weight] = []
    wanted: dict[tuple[Node, int], list[Node]] = {}
    for number, group in enumerate(groups):
        for sink in group.sinks:
            axis = Axis(sink.axis, Size.of(group.length))
            gate = Node("weight", (), (("slot", slots + number),), TensorType((Axis("gate", axis.size),)))
            wanted.setdefault((sink.node, sink.input), []).append(
                Node("rename", (gate,), (("pairs", (("gate", sink.axis),)),), TensorType((axis,))) if sink.axis != "gate" else gate
            )
        weights.append(Weight(f"{GATE}{number}", "param", (Axis("gate", Size.of(group.length)),), (("gate",),), "float", Init("ones")))
    new: dict[Node, Node] = {}
    for node in graph.nodes:
        inputs = [new[source] for source in node.inputs]
        for place, source in enumerate(inputs):
            for gate in wanted.get((node, place), ()):
                source = Node("mul", (source, gate), (), source.tensor.cast("float"), node.span, node.scope)
            inputs[place] = source
        new[node] = replace(node, inputs=tuple(inputs)) if tuple(inputs) != node.inputs else node
    outputs: tuple[Output, ...] = tuple(replace(output, node=new[output.node]) for output in graph.outputs)
    updates = tuple((slot, new[node]) for slot, node in graph.updates)
    inputs_of = tuple(new[node] for node in graph.inputs)
    return replace(graph, inputs=inputs_of, outputs=outputs, weights=(*graph.weights, *weights), updates=updates)


def _same_options(old: Node, new: Node) -> bool:
    """The bodies of loops are made by the same text, and nothing that was pruned is inside them."""
    left, right = ([(key, value) for key, value in node.attrs if not isinstance(value, Body)] for node in (old, new))
    return left == right


def difference(wanted: Graph, found: Graph) -> Node | None:
    """The first operation of `found` that is not as in `wanted`, or None. Raises ValueError where they differ in form."""
    if [(w.path, w.shape, w.kind, w.groups) for w in wanted.weights] != [(w.path, w.shape, w.kind, w.groups) for w in found.weights]:
        raise ValueError("the weights differ")
    if len(wanted.nodes) != len(found.nodes) or len(wanted.outputs) != len(found.outputs):
        raise ValueError("the number of operations differs")
    pairs: Mapping[Node, Node] = dict(zip(wanted.nodes, found.nodes, strict=True))
    for old, new in pairs.items():
        if old.options.get("absent", False) and new.options.get("absent", False):
            continue  # an input that is left out may have what axes it likes
        if (old.op, old.type) != (new.op, new.type) or not _same_options(old, new):
            return new
        if tuple(pairs[source] for source in old.inputs) != new.inputs:
            return new
    return None
