"""An affine that follows a product of weights goes into these weights: `conv`, `linear`, `dot`, and norms with a factor of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..graph import Node
from ..types import Axis
from .inference_affine import Affine, Fixed, product, total
from .making import Make

SINKS = frozenset({"conv", "conv_transpose", "linear", "dot", "layernorm", "rmsnorm", "groupnorm"})


def into_weights(make: Make, node: Node, affine: Affine, fixed: Fixed) -> Node | None:
    """The node (of the new graph) with the affine in its weights; None where these do not reach so far."""
    return _RULES[node.op](make, node, affine, fixed) if node.op in _RULES else None


def _conv(make: Make, node: Node, affine: Affine, fixed: Fixed) -> Node | None:
    """Channels that are made, and those with kernels of their own."""
    x, kernel, *bias = node.inputs
    channels = _without(kernel, (*node["inner"], *node["taps"]))
    if not fixed(kernel) or not all(map(fixed, bias)) or not _within(affine, channels):
        return None
    return make.again(node, [x, *_scaled(make, kernel, bias, affine, affine, channels)])


def _linear(make: Make, node: Node, affine: Affine, fixed: Fixed) -> Node | None:
    """The weight has the made axes under names of its own."""
    x, weight, *bias = node.inputs
    made = dict(zip(node["own"], node["made"], strict=True))
    channels = [Axis(made.get(name, name), size) for name, size in _without(weight, node["over"])]
    if not fixed(weight) or not all(map(fixed, bias)) or not _within(affine, channels):
        return None
    back = {new: old for old, new in made.items()}
    inner = Affine(None if affine.scale is None else make.rename(affine.scale, back))
    return make.again(node, [x, *_scaled(make, weight, bias, inner, affine, channels)])


def _scaled(make: Make, weight: Node, bias: Sequence[Node], inner: Affine, outer: Affine, channels: Sequence[Axis]) -> list[Node]:
    """The weight times the scale, and the bias: the old one times the scale, plus the shift. `inner` has the weight's names."""
    found = [product(make, weight, inner.scale) or weight]
    summand = total(make, product(make, bias[0], outer.scale) if bias else None, outer.shift)
    return found if summand is None else [*found, make.expand(summand, channels)]


def _dot(make: Make, node: Node, affine: Affine, fixed: Fixed) -> Node | None:
    """One factor of a product takes the scale; a shift is added behind it."""
    if affine.scale is None:
        return None
    names = {axis.name for axis in affine.scale.axes}
    places = [i for i, source in enumerate(node.inputs) if fixed(source) and source.dtype == "float" and names <= {*source.tensor.names}]
    if not places:
        return None
    inputs = list(node.inputs)
    inputs[places[0]] = make.arithmetic("mul", inputs[places[0]], affine.scale)
    return Affine(None, affine.shift).on(make, make.again(node, inputs))


def _norm(make: Make, node: Node, affine: Affine, fixed: Fixed) -> Node | None:
    """A norm with weights along its own axes; rmsnorm has no summand."""
    x, *weights = node.inputs
    axes = [axis for axis in x.axes if axis.name in node["axes"]]
    if not _within(affine, axes) or (node.op == "rmsnorm" and affine.shift is not None) or not all(map(fixed, weights)):
        return None
    own = Affine(weights.pop(0) if node["weight"] else None, weights.pop(0) if node["bias"] else None).then(make, affine)
    given = [None if part is None else make.expand(part, axes) for part in (own.scale, own.shift)]
    if any(part is not None and part.dtype != "float" for part in given):
        return None
    inputs = [x, *(part for part in given if part is not None)]
    return make.again(node, inputs, weight=given[0] is not None, bias=given[1] is not None)


def _without(node: Node, names: Sequence[str]) -> list[Axis]:
    return [axis for axis in node.axes if axis.name not in names]


def _within(affine: Affine, axes: Sequence[Axis]) -> bool:
    return affine.axes <= {axis.name for axis in axes}


_RULES: dict[str, Callable[[Make, Node, Affine, Fixed], Node | None]] = {
    "conv": _conv, "conv_transpose": _conv, "linear": _linear, "dot": _dot, "layernorm": _norm, "rmsnorm": _norm, "groupnorm": _norm,
}  # fmt: skip
