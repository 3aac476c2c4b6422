"""Projections read off a graph: one tensor times a weight, however it is written (`linear`, `dot`, `conv`), in the names of the tensor."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ..graph import Node
from ..types import Axis

GEOMETRY = ("over", "stride", "dilation", "pads")
"""Options of a convolution that are equal in all that can be one."""


@dataclass(frozen=True, eq=False)
class Projection:
    """`node` is `x` times `weight`, plus `bias`, before the renames `names` that stand between `x` and the node's own input.

    `gone` are the axes that are added up and `each` those with weights of their own, as `x` calls them; `own` the weight's names for the
    axes that are made, `made` those axes as the node has them. `taps` slide in a convolution.
    """

    node: Node
    x: Node
    weight: Node
    bias: Node | None
    gone: tuple[str, ...]
    each: tuple[str, ...]
    own: tuple[str, ...]
    made: tuple[Axis, ...]
    names: Mapping[str, str]
    taps: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for projections that can be one product."""
        shape = tuple(self.weight.tensor.size(name) for name in self.taps)
        geometry = tuple(self.node[name] for name in GEOMETRY) if self.taps else ()
        return self.x, frozenset(self.gone), self.each, bool(self.taps), shape, geometry

    def in_x(self, name: str) -> str:
        """What `x` calls an axis of the node's input."""
        return next((old for old, new in self.names.items() if new == name), name)


def projection(node: Node, weights: Collection[Node]) -> Projection | None:
    """The projection a node is, where its weight is one of `weights` and its input is not."""
    if node.op == "linear":
        return _linear(node, weights)
    if node.op == "dot":
        return _dot(node, weights)
    return _conv(node, weights) if node.op == "conv" else None


def _fits(x: Node, others: Collection[Node], weights: Collection[Node]) -> bool:
    """A float input that is no weight, times float weights."""
    return x not in weights and all(other in weights for other in others) and all(node.dtype == "float" for node in (x, *others))


def _linear(node: Node, weights: Collection[Node]) -> Projection | None:
    x, weight, *bias = node.inputs
    over, own, each = node["over"], node["own"], node["each"]
    if not _fits(x, (weight, *bias), weights) or {*weight.tensor.names} != {*over, *own, *each}:
        return None
    made = tuple(Axis(name, node.tensor.size(name)) for name in node["made"])
    return _read(node, x, weight, bias[0] if bias else None, (over, own, each), made)


def _dot(node: Node, weights: Collection[Node]) -> Projection | None:
    if len(node.inputs) != 2:
        return None
    x, weight = node.inputs if node.inputs[1] in weights else node.inputs[::-1]
    if not _fits(x, (weight,), weights):
        return None
    each = tuple(name for name in x.tensor.names if weight.tensor.has(name) and name not in node["over"])
    made = tuple(axis for axis in weight.axes if not x.tensor.has(axis.name))
    return _read(node, x, weight, None, (node["over"], tuple(axis.name for axis in made), each), made)


def _conv(node: Node, weights: Collection[Node]) -> Projection | None:
    """A convolution that mixes all channels: none of its axes has kernels of its own."""
    x, weight, *bias = node.inputs
    inner, taps = node["inner"], node["taps"]
    made = tuple(axis for axis in weight.axes if axis.name not in inner and axis.name not in taps)
    if not _fits(x, (weight, *bias), weights) or any(x.tensor.has(axis.name) for axis in made):
        return None
    return _read(node, x, weight, bias[0] if bias else None, (inner, tuple(axis.name for axis in made), ()), made, taps)


def _read(
    node: Node, x: Node, weight: Node, bias: Node | None, names: tuple[tuple[str, ...], ...], made: tuple[Axis, ...],
    taps: tuple[str, ...] = (),
) -> Projection:  # fmt: skip
    over, own, each = names
    base, moved = _before_renames(x)
    if taps and any(new in node["over"] for new in moved.values()):
        base, moved = x, {}
    found = Projection(node, base, weight, bias, over, each, own, made, moved, taps)
    gone, kept = (tuple(found.in_x(name) for name in part) for part in (over, each))
    return Projection(node, base, weight, bias, gone, kept, own, made, moved, taps)


def _before_renames(x: Node) -> tuple[Node, dict[str, str]]:
    """The tensor below renames, and how each of its axes is called above them where that differs."""
    now = {name: name for name in x.tensor.names}
    while x.op == "rename":
        back = {new: old for old, new in x["pairs"]}
        now = {back.get(name, name): above for name, above in now.items()}
        (x,) = x.inputs
    return x, {below: above for below, above in now.items() if below != above}
