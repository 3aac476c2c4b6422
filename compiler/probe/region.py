"""The weights of an attention in parts: which operations have both queries and keys, and what they are made from.

A map of 32,768 by 32,768 weights is never whole in memory. What lies below it is small, and every operation up to the weights treats
rows, heads and batch one by one; so the same operations on some rows of their inputs give these rows of the map. Where the last of them is
a softmax, one number of each row, the logarithm of its sum of exponentials, makes its keys independent, too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from math import inf

from ..graph import Builder, Node, topological
from ..ops.base import OPERATORS
from ..passes.making import AxisNames, Make
from ..sizes import Size
from ..types import Axis, TensorType

MIXING = {"dot": "over", "softmax": "axes", "entmax15": "axes", "sparsemax": "axes", "sink_softmax": "axes"}
"""Operators beside those that go number by number, and the option that says along which axes they mix."""


@dataclass(frozen=True)
class Region:
    """`leaves` are what the map is made from; `map` is the map on `inputs`, which stand for them with an open size for every axis.

    `parted` are the axes along which the leaves may be cut, each part by itself giving that part of the map. `split` is there where the
    map is a softmax."""

    leaves: tuple[Node, ...]
    inputs: tuple[Node, ...]
    map: Node
    parted: tuple[str, ...]
    split: Split | None = None


@dataclass(frozen=True)
class Split:
    """A softmax in two steps, on the leaves of the region. `statistic` is the logarithm of the sum of exponentials of each row; `block` is
    the map again, made from the leaves and from that number, which is its last input, and keys may be cut, too."""

    statistic: Region
    block: Region


def region_of(weights: Node, keys: Collection[str], queries: Collection[str], lifted: Callable[[Node], Node]) -> Region:
    """The operations that have an axis of the keys and one of the queries, from the weights down; without keys, the whole map.

    `lifted` gives a node outside of loops for one inside, with the axes of the loops, which the map then has, too."""
    inside = _inside(weights, keys, queries) if keys else {}
    if not inside:
        leaf = lifted(weights)
        whole = Node("input", (), (("name", "x_0"),), _opened(leaf.tensor), weights.span)
        return Region((leaf,), (whole,), whole, leaf.tensor.names)
    below = tuple(dict.fromkeys(child for node in inside for child in node.inputs if child not in inside and child.op != "scalar"))
    leaves, builder = tuple(map(lifted, below)), Builder()
    inputs = tuple(builder.make("input", (), _opened(leaf.tensor), {"name": f"x_{place}"}) for place, leaf in enumerate(leaves))
    made = dict(zip(below, inputs, strict=True))
    for node in inside:
        children = tuple(made.get(child, child) for child in node.inputs)
        steps = [axis for old, child in zip(node.inputs, children, strict=True) for axis in child.axes if not old.tensor.has(axis.name)]
        type = _opened(node.tensor).plus({axis.name: axis for axis in steps}.values())
        made[node] = builder.make(node.op, children, type, node.options, node.span, node.scope, node.name)
    top = made[weights]
    region = Region(leaves, inputs, top, _unmixed(inside, top.tensor.names))
    if weights.op not in ("softmax", "sink_softmax") or set(weights["axes"]) != set(keys):
        return region
    return replace(region, split=_split(builder, region, _unmixed([node for node in inside if node is not weights], top.tensor.names)))


def _unmixed(nodes: Iterable[Node], names: Iterable[str]) -> tuple[str, ...]:
    """The axes that none of the operations mixes along."""
    mixed = {name for node in nodes if node.op in MIXING for name in node[MIXING[node.op]]}
    return tuple(name for name in names if name not in mixed)


def _split(builder: Builder, region: Region, parted: tuple[str, ...]) -> Split:
    """Of a region whose map is a softmax, which mixes along `parted` nowhere else."""
    node = region.map
    make, (s, *others) = Make(builder, node, AxisNames(), {}), node.inputs
    mask = others[0] if node.op == "softmax" and others else None
    masked = s if mask is None else make.where(mask, s, make.scalar(-inf))
    total = make.node("logsumexp", (masked,), masked.tensor.without(node["axes"]).cast("wide"), axes=tuple(node["axes"]))
    if node.op == "sink_softmax":
        total = _added(make, total, others[0])
    number = builder.make("input", (), total.type, {"name": "statistic"})
    weights = make.function("exp", make.arithmetic("sub", masked, number))
    rows = tuple(name for name in parted if total.tensor.has(name))
    return Split(Region(region.leaves, region.inputs, total, rows), Region(region.leaves, (*region.inputs, number), weights, parted))


def _added(make: Make, a: Node, b: Node) -> Node:
    """log(exp(a) + exp(b)), without an overflow."""
    most = make.pointwise("maximum", a, b)
    parts = [make.function("exp", make.arithmetic("sub", x, most)) for x in (a, b)]
    return make.arithmetic("add", most, make.function("log", make.arithmetic("add", *parts)))


def _inside(weights: Node, keys: Collection[str], queries: Collection[str]) -> dict[Node, None]:
    """The nodes of the region, inputs first. The weights themselves are one of them, unless they are made in some other way."""
    candidates = list(topological([weights]))
    wanted, found = {weights}, set[Node]()
    for node in reversed(candidates):
        if node in wanted and _splits(node) and (node is weights or _crossed(node, keys, queries)):
            found.add(node)
            wanted.update(node.inputs)
    return {node: None for node in candidates if node in found}


def _splits(node: Node) -> bool:
    """Whether rows can be worked out one by one."""
    operator = OPERATORS.get(node.op)
    own_axes = {axis.name for child in node.inputs for axis in child.axes}
    return bool(node.inputs) and (node.op in MIXING or (operator is not None and operator.pointwise)) and {*node.tensor.names} <= own_axes


def _crossed(node: Node, keys: Collection[str], queries: Collection[str]) -> bool:
    names = node.tensor.names
    return any(name in keys for name in names) and any(name in queries for name in names)


def _opened(type: TensorType) -> TensorType:
    """The type with a size of its own for each axis."""
    return TensorType(tuple(Axis(name, Size.symbol(name)) for name in type.names), type.dtype)
