"""A learned temperature of an `attend` goes to its queries: PyTorch's fused attention scales by a number alone."""

from __future__ import annotations

from ..graph import Node
from ..ops.facts import is_number
from .making import Make


def carried(make: Make, node: Node) -> Node | None:
    """The `attend` with queries that are multiplied by its scale; None where the scale is a number, or differs from key to key."""
    terms: int = node["terms"]
    if "scale" not in node["extras"]:
        return None
    extras: tuple[str, ...] = node["extras"]
    place = 2 * terms + 1 + extras.index("scale")
    scale = node.inputs[place]
    queries = node.inputs[:terms]
    dots: tuple[tuple[str, ...], ...] = node["dots"]
    if is_number(scale) or scale.dtype != "float" or not all(_takes(q, own, scale) for q, own in zip(queries, dots, strict=True)):
        return None
    inputs = [make.new(source) for source in node.inputs]
    inputs[:terms] = [make.arithmetic("mul", inputs[i], inputs[place]) for i in range(terms)]
    inputs[place] = make.scalar(1.0)
    return make.again(node, inputs)


def _takes(q: Node, dots: tuple[str, ...], scale: Node) -> bool:
    """Whether queries have every axis of the scale, apart from those that are added up, in the type of number of the scores."""
    return q.dtype == "float" and {axis.name for axis in scale.axes} <= {axis.name for axis in q.axes} - {*dots}
