"""Positions, sizes, and tensors of one value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..graph import Node
from ..sizes import Size
from ..types import Axis, TensorType
from .base import Call, Operator, Signature, no_cost, register
from .facts import is_number

if TYPE_CHECKING:
    from ..lower.emitter import Emitter, Value


def axes_of(call: Call) -> tuple[Axis, ...]:
    """The axes of a tensor that is made from nothing: by name where the size is known, `M=4` otherwise."""
    axes = [call.new_axis(ref) if ref.given else Axis(ref.symbol, call.make.size_of(ref)) for ref in call.axes]
    for ref, size in call.settings:
        axes.append(call.make.declare(ref, size))
    names = [axis.name for axis in axes]
    for axis in axes:
        if names.count(axis.name) > 1:
            raise call.fault("E0204", f"axis `{call.make.local(axis.name)}` is named twice", call.span, "once is enough")
        call.make.require_at_least(axis.size, Size.of(0), f"axis `{call.make.local(axis.name)}` has a negative size", call.span, "E0207")
    return tuple(axes)


# ------------------------------------------------ pos


def build_pos(call: Call) -> Node:
    axes = axes_of(call)
    if len(axes) != 1:
        help = "write one pos(..) for each axis: pos(H) * W + pos(W)"
        raise call.fault("E0209", f"`pos` takes one axis, not {len(axes)}", call.span, help=help)
    return call.node("pos", (), TensorType(axes, "int"), axis=axes[0].name)


def lower_pos(e: Emitter, node: Node) -> Value:
    from ..lower.emitter import Value

    (size,) = e.sizes(node.axes)
    return Value(e.call("torch.arange", size, device=e.device()), node.tensor.names)


# ------------------------------------------------ size


def build_size(call: Call) -> Node:
    """A number: known now where the size is, else read from the inputs when the module runs."""
    if call.settings:
        raise call.fault("E0209", "`size` asks for a size, it does not give one", call.span)
    total = Size.of(1)
    for ref in call.axes:
        total = total * (call.axis(ref).size if call.tensors else call.make.size_of(ref))
    return call.number(total)


def lower_size(e: Emitter, node: Node) -> Value:
    from ..lower.emitter import Value

    return Value(e.size(node["value"]), ())


# ------------------------------------------------ zeros, ones, full


def build_full(call: Call) -> Node:
    """Every element the same: `zeros`, `ones`, or the value given, which may be a tensor."""
    value = call.x if call.name == "full" else call.number(0.0 if call.name == "zeros" else 1.0)
    axes = axes_of(call)
    for axis in axes:
        if value.tensor.has(axis.name):
            raise call.fault("E0204", f"the value already has axis `{call.make.local(axis.name)}`", call.span, "named here again",
                             "name only the axes it lacks")  # fmt: skip
    return call.node("full", (value,), TensorType((*value.axes, *axes), value.dtype))


def lower_full(e: Emitter, node: Node) -> Value:
    """A number fills a new tensor; a tensor is spread out without a copy."""
    from ..lower.emitter import Value

    value = node.inputs[0]
    if not is_number(value):
        return Value(e.full(e.value(value), node.axes), node.tensor.names)
    number, sizes = e.value(value).fx, e.sizes(node.axes)
    where: dict[str, Any] = {"dtype": e.wide_dtype(), "device": e.device()} if value.dtype == "wide" else {"device": e.device()}
    if value.op == "scalar" and value.dtype == "wide" and number in (0, 1):
        return Value(e.call("torch.ones" if number else "torch.zeros", sizes, **where), node.tensor.names)
    return Value(e.call("torch.full", sizes, number, **where), node.tensor.names)


# ------------------------------------------------ the rows

_POS_DOC = """The position along an axis, counted from 0: `pos(N): int [N]`.

`pos(H=7)` gives the axis its size as well. Inside `scan N`, `pos(N)` is the number of the step."""
_SIZE_DOC = """The size of an axis as a number: `size(H)`, or `size(x, H)` where the tensor has the axis at a size of its own.

Several axes give their product."""


_FULL_DOC = "A value for every element of the axes named: `full(0.5, N D)`; a tensor is spread along them."
_FILL = Signature((), axes="list?", settings="int", layer=False)
_POS_EXAMPLES = (
    "block t(x: [*, N]) -> [*, N] {\n    return x * pos(N)\n}",
    "block t(x: [N]) -> bool [N, N'] {\n    return (pos(N') <= pos(N)) and (x > 0)\n}",
)
_FULL_EXAMPLES = (
    "block t(x: [*, N, D]) -> [*, N, D] {\n    return x * full(0.5, N D)\n}",
    "block t(x: [*, N, D]) -> [*, N, D, M=3] {\n    return full(x, M=3)\n}",
)


def _filled(name: str, doc: str) -> Operator:
    program = f"block t(x: [*, N, D]) -> [*, N, D] {{\n    return x + {name}(N D)\n}}"
    return Operator(name, "position", doc, build_full, _FILL, None, no_cost, examples=(program,))


register(
    Operator(
        "pos", "position", _POS_DOC, build_pos, Signature((), axes="list", settings="int", layer=False), lower_pos, no_cost,
        differentiable=False, examples=_POS_EXAMPLES,
    ),
    Operator(
        "size", "position", _SIZE_DOC, build_size, Signature((), axes="list", layer=False), lower_size, no_cost, differentiable=False,
        examples=("block t(x: [*, N]) -> [*, N] {\n    return x / size(x, N)\n}",),
    ),
    _filled("zeros", "A tensor of zeros: `zeros(N D)`, `zeros(M=4)`."),
    _filled("ones", "A tensor of ones."),
    Operator(
        "full", "position", _FULL_DOC, build_full, Signature(("value",), axes="list?", settings="int", layer=False), lower_full, no_cost,
        examples=_FULL_EXAMPLES,
    ),
)  # fmt: skip
