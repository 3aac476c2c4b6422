"""An affine before a product of weights goes into these weights, where no border of zeros lies between: `linear`, `conv`, `dot`."""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import Node
from .inference_affine import Affine, Fixed, product, total
from .making import Make

CONSUMERS = frozenset({"linear", "conv", "conv_transpose", "dot"})


def operand_of(node: Node, fixed: Fixed) -> int | None:
    """Which operand meets weights alone; None where none does."""
    if node.op in ("linear", "conv", "conv_transpose"):
        return 0 if not fixed(node.inputs[0]) and all(map(fixed, node.inputs[1:])) else None
    if node.op != "dot":
        return None
    loose = [i for i, source in enumerate(node.inputs) if not fixed(source)]
    return loose[0] if len(loose) == 1 and len(node.inputs) == 2 else None


def taken(make: Make, node: Node, place: int, x: Node, affine: Affine) -> Node | None:
    """The node of the new graph on `x` at this place, with weights that hold what `affine` made of it; None where they cannot."""
    if node.op == "dot":
        return _dot(make, node, place, x, affine)
    return _linear(make, node, x, affine) if node.op == "linear" else _conv(make, node, x, affine)


def _linear(make: Make, node: Node, x: Node, affine: Affine) -> Node | None:
    """The shift is mapped as well, and added to the bias."""
    _, weight, *bias = node.inputs
    if not affine.axes <= {*weight.tensor.names} - {*node["own"]}:
        return None
    made = dict(zip(node["own"], node["made"], strict=True))
    moved = None if affine.shift is None else make.rename(_contracted(make, weight, affine.shift, node["over"]), made)
    summand = total(make, bias[0] if bias else None, moved)
    return make.again(node, [x, product(make, weight, affine.scale) or weight, *([] if summand is None else [summand])])


def _contracted(make: Make, weight: Node, shift: Node, over: Sequence[str]) -> Node:
    """What a tensor without further axes gives, times the weight and added up."""
    whole = make.expand(shift, [axis for axis in weight.axes if axis.name in over])
    return make.dot([weight, whole], over) if over else make.arithmetic("mul", weight, whole)


def _conv(make: Make, node: Node, x: Node, affine: Affine) -> Node | None:
    """A shift would miss the zeros around the tensor, so there must be none."""
    old, kernel, *bias = node.inputs
    if not affine.axes <= {*kernel.tensor.names} & {*old.tensor.names}:
        return None
    scaled = product(make, kernel, affine.scale) or kernel
    if affine.shift is None:
        return make.again(node, [x, scaled, *bias])
    if node.op == "conv_transpose" or any(size != 0 for pair in node["pads"] for size in pair):
        return None
    moved = _contracted(make, make.total(kernel, node["taps"]), affine.shift, node["inner"])
    channels = [axis for axis in kernel.axes if axis.name not in (*node["inner"], *node["taps"])]
    return make.again(node, [x, scaled, make.expand(make.arithmetic("add", bias[0], moved) if bias else moved, channels)])


def _dot(make: Make, node: Node, place: int, x: Node, affine: Affine) -> Node | None:
    """The shift times the other factor is added behind."""
    other = node.inputs[1 - place]
    if not affine.axes <= {*other.tensor.names} or other.dtype != "float":
        return None
    inputs = [product(make, other, affine.scale) or other] * 2
    inputs[place] = x
    shift = None if affine.shift is None else _contracted(make, other, affine.shift, node["over"])
    return Affine(None, shift).on(make, make.again(node, inputs))
