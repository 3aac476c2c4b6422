"""The largest entries along an axis, and entries in order, with the places they had."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..graph import Node
from ..sizes import Size, ceil_log2
from ..types import Axis, TensorType, TupleType
from . import along
from .base import Call, Operator, Option, Signature, register

if TYPE_CHECKING:
    from ..lower.emitter import Emitter, Value

# ------------------------------------------------------------------ building


def _topk(call: Call) -> tuple[Node, ...]:
    """`v, i = topk(x, E -> K=2)`: the values, and where along `E` they stood."""
    along.real(call)
    pairs = along.paired(call)
    if len(pairs) != 1:
        raise call.fault("E0209", "`topk` works along one axis", call.arrows[0].span, f"{len(pairs)} are named", "`merge` them first")
    left, right = pairs[0]
    (old,) = along.listed(call, [left])
    k: Size | None = call["k"]
    if k is not None and right.given and right.size is not None:
        call.make.require_equal(right.size, k, f"`{right.name}` and `k=` say how many", call.at("k"), "E0303")
    new = call.make.declare(right, k) if k is not None else call.new_axis(right)
    many = f"`topk` takes {new.size} entries of `{call.make.local(old.name)}`"
    call.make.require_at_least(old.size, new.size, many, call.span, "E0218")
    type = along.replaced(call, call.x.tensor, [old.name], [(right, new)])
    return _several(call, "topk", type, axis=old.name, to=new.name, largest=bool(call["largest"]))


def _several(call: Call, op: str, type: TensorType, **attrs: object) -> tuple[Node, ...]:
    """One node with two results, and the two."""
    types = (type, type.cast("int"))
    node = call.node(op, (call.x,), TupleType(types), **attrs)
    return tuple(call.node("item", (node,), one, index=index) for index, one in enumerate(types))


def _sort(call: Call) -> tuple[Node, ...]:
    along.real(call)
    axis = along.single(call)
    return _several(call, "sort", call.x.tensor, axis=axis.name, descending=bool(call["descending"]))


def _argsort(call: Call) -> Node:
    along.real(call)
    axis = along.single(call)
    return call.node("argsort", (call.x,), call.x.tensor.cast("int"), axis=axis.name, descending=bool(call["descending"]))


# ------------------------------------------------------------------ lowering


def _dim(value: Value, node: Node) -> int:
    return value.axes.index(node["axis"]) - len(value.axes)


def _lower_topk(e: Emitter, node: Node) -> tuple[Value, ...]:
    x = node.inputs[0]
    value = e.value(x)
    count = _items(node)[0].size(node["to"])
    source = e.method("byte", value.fx) if x.dtype == "bool" else value.fx  # PyTorch has no topk of bools
    found = e.call("torch.topk", source, e.size(count), dim=_dim(value, node), **({} if node["largest"] else {"largest": False}))
    axes = tuple(node["to"] if name == node["axis"] else name for name in value.axes)
    values, places = (e.call("operator.getitem", found, index) for index in (0, 1))
    return replace(value, fx=e.method("bool", values) if x.dtype == "bool" else values, axes=axes), replace(value, fx=places, axes=axes)


def _items(node: Node) -> tuple[TensorType, ...]:
    assert isinstance(node.type, TupleType)
    return node.type.items


def _order(node: Node) -> dict[str, bool]:
    return {"stable": True, **({"descending": True} if node["descending"] else {})}


def _lower_sort(e: Emitter, node: Node) -> tuple[Value, ...]:
    value = e.value(node.inputs[0])
    found = e.call("torch.sort", value.fx, dim=_dim(value, node), **_order(node))
    return tuple(replace(value, fx=e.call("operator.getitem", found, index)) for index in (0, 1))


def _lower_argsort(e: Emitter, node: Node) -> Value:
    value = e.value(node.inputs[0])
    return replace(value, fx=e.call("torch.argsort", value.fx, dim=_dim(value, node), **_order(node)))


# ------------------------------------------------------------------ the table


def _cost(node: Node) -> Size:
    """n log n comparisons."""
    type = node.inputs[0].tensor
    size: Axis = next(axis for axis in type.axes if axis.name == node["axis"])
    constant = size.size.integer()
    return type.elements() * (ceil_log2(size.size) if constant is None or constant > 1 else Size.of(1))


_DESCENDING = Option("descending", "bool", False, "the largest first")

register(
    Operator(
        "topk",
        "sorting",
        """The largest entries along an axis, largest first, and their places: `v, i = topk(x, E -> K=2)`.

`x` [.., E] gives `v` [.., K] and `i` [.., K], integers below the size of `E`. `k=` gives the size of `K` too; `largest=false` takes the
smallest. Which of equal entries is taken is not said. Gradients flow through the values.""",
        _topk,
        Signature(
            axes="arrow",
            options=(
                Option("k", "int", None, "how many, where `K` has no size yet"),
                Option("largest", "bool", True, "the largest, or the smallest"),
            ),
        ),
        _lower_topk,
        _cost,
        examples=("# bind: E=5\nblock t(x: [*, E]) -> [*, K=2] {\n    v, i = topk(x, E -> K=2)\n    return v * i\n}",),
    ),
    Operator(
        "sort",
        "sorting",
        """The entries along an axis in rising order, and their places: `v, i = sort(x, N)`.

Equal entries keep their order. Gradients flow through the values.""",
        _sort,
        Signature(axes="list", options=(_DESCENDING,)),
        _lower_sort,
        _cost,
        examples=("block t(x: [*, N, D]) -> [*, N, D] {\n    v, i = sort(x, N, descending=true)\n    return v * i\n}",),
    ),
    Operator(
        "argsort",
        "sorting",
        "The places of the entries along an axis in rising order; equal entries keep their order.",
        _argsort,
        Signature(axes="list", options=(_DESCENDING,)),
        _lower_argsort,
        _cost,
        differentiable=False,
        examples=("block t(x: [*, N]) -> int [*, N] {\n    return argsort(x, N)\n}",),
    ),
)
