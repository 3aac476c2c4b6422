"""What all normalisations share: their options, their weights, and how a tensor and its weights are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..graph import Init, Node
from ..sizes import Size
from ..types import Axis
from .base import AxisRef, Call, Operator, Option, Signature
from .broadcast import as_float, floating_type, kinds, no_complex

if TYPE_CHECKING:
    from ..lower.emitter import Emitter, Value

# ------------------------------------------------ weights of a norm


def affine_options(weight: bool, bias: bool) -> tuple[Option, ...]:
    return (
        Option("weight", "bool|tensor", weight, "Whether there is a factor for each number; or a tensor to use instead of an own weight."),
        Option("bias", "bool|tensor", bias, "Whether something is added to each number; or a tensor to add."),
        Option("init", "init", None, "How the own weight starts; 1 if not given."),
        Option("each", "axes", (), "Axes that have weights of their own for every element."),
    )


def eps_option(value: float) -> Option:
    return Option("eps", "float", value, "Added to the variance, against division by zero.")


def _own_axes(call: Call, axes: Sequence[Axis]) -> tuple[tuple[Axis, ...], tuple[tuple[str, ...], ...]]:
    """The axes of an own weight, and how they are stored: `each` is flattened into the first."""
    each = tuple(call.axis(ref) for ref in call["each"])
    first, rest = (*each, *axes[:1]), axes[1:]
    return (*each, *axes), (tuple(axis.name for axis in first), *((axis.name,) for axis in rest))


def own_weights(call: Call, axes: Sequence[Axis], flat: bool = False) -> tuple[Node | None, Node | None]:
    """The factor and the summand: own ones, given ones or none. `flat`: all axes are stored as one dimension."""
    own, groups = _own_axes(call, axes)
    if flat:
        groups = (tuple(axis.name for axis in own),)
    found: list[Node | None] = []
    for name, init in (("weight", call["init"] or Init("ones")), ("bias", Init("zeros"))):
        wanted = call[name]
        if isinstance(wanted, Node) and wanted.op == "scalar" and wanted.dtype == "bool":
            wanted = wanted["value"]
        if wanted is True:
            wanted = call.make.weight(name, own, groups, init, call.at(name))
        found.append(wanted if isinstance(wanted, Node) else None)
    return found[0], found[1]


def normalised(call: Call, op: str, x: Node, fused: Sequence[Node | None], state: Sequence[Node] = (), **attrs: Any) -> Node:
    """The node of a norm: `x`, then the weights that PyTorch applies by itself, then state."""
    inputs = (x, *(weight for weight in fused if weight is not None))
    dtype = floating_type(*kinds(inputs))
    given = {"weight": fused[0] is not None, "bias": len(fused) > 1 and fused[1] is not None}
    return call.node(op, (*inputs, *state), x.tensor.cast(dtype), **given, **attrs)


def applied(call: Call, y: Node, weight: Node | None, bias: Node | None) -> Node:
    """Weights that PyTorch's function does not take: other axes than the norm's own, or from elsewhere."""
    if weight is not None:
        y = call.do("mul", y, weight)
    return y if bias is None else call.do("add", y, bias)


def _fits(weight: Node | None, axes: Sequence[Axis]) -> bool:
    return weight is None or (weight.dtype == "float" and {*weight.tensor.names} == {axis.name for axis in axes})


def norm(
    call: Call, op: str, axes: Sequence[Axis], weight: Node | None, bias: Node | None, state: Sequence[Node] = (), **attrs: Any
) -> Node:
    """One node where the weights lie along `axes`, else the bare norm with the weights applied after it."""
    names = tuple(axis.name for axis in axes)
    if _fits(weight, axes) and _fits(bias, axes):
        return normalised(call, op, call.x, (weight, bias), state, axes=names, **attrs)
    return applied(call, normalised(call, op, call.x, (None, None), state, axes=names, **attrs), weight, bias)


def axes_named(call: Call, refs: Sequence[AxisRef]) -> tuple[Axis, ...]:
    no_complex(call, (call.x,))
    return tuple(call.axis(ref) for ref in refs)


# ------------------------------------------------ writing


def lowered_parts(e: Emitter, node: Node) -> tuple[Value, Value | None, Value | None]:
    """The tensor (as wide as its weights, where these are the working type) and its weights."""
    from ..lower.emitter import Value

    source, *rest = node.inputs
    x = as_float(e, source)
    weights = iter(rest)
    weight = e.value(next(weights)) if node["weight"] else None
    bias = e.value(next(weights)) if node["bias"] else None
    like = weight or bias
    if node.dtype == "float" and source.dtype != "float" and like is not None:
        x = Value(e.method("to", x.fx, like.fx), x.axes)
    return x, weight, bias


# ------------------------------------------------ rows


def _cost(node: Node) -> Size:
    """Mean, variance, difference, quotient, and the weights."""
    return node.tensor.elements() * (5 + bool(node.options.get("weight")) + bool(node.options.get("bias")))


def row(name: str, doc: str, build: Any, signature: Signature, lower: Any, *examples: str) -> Operator:
    return Operator(name, "norm", doc, build, signature, lower, _cost, examples=examples)


def program(head: str, body: str) -> str:
    """A block whose result has the axes of its input."""
    return f"block t({head}) -> {head.removeprefix('x: ')} {{\n    return {body}\n}}"
