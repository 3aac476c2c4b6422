"""Reductions: operators that remove axes. A mean, a sum and the extremes can also shrink axes (pooling) or sort into groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any

from ..graph import Node
from ..types import DType
from . import along, pooling, scatter
from .base import Call, Operator, Option, Signature, per_input, register
from .broadcast import floating_type

if TYPE_CHECKING:
    from ..lower.emitter import Emitter, Value

_EXTREMES = ("max", "min")
_COMPLEX = ("sum", "mean", "prod", "any", "all", "norm")
"""These work on complex numbers; the others need an order."""


def result_type(name: str, dtype: DType) -> DType:
    """The kind of number that a reduction of these gives."""
    if name in ("any", "all"):
        return "bool"
    if name in ("sum", "prod"):
        return "int" if dtype == "bool" else dtype
    if name == "norm" and dtype == "complex":
        return "float"
    return dtype if name in _EXTREMES else floating_type(dtype)


# ------------------------------------------------------------------ building


def _plain(call: Call, **attrs: Any) -> Node:
    """The reduction that removes the axes it names."""
    dtype = call.x.dtype if call.name in _COMPLEX else along.real(call)
    axes = along.listed(call)
    if call.name in ("mean", *_EXTREMES):
        along.not_empty(call, axes)
    names = tuple(axis.name for axis in axes)
    return call.node(call.name, (call.x,), call.x.tensor.without(names).cast(result_type(call.name, dtype)), axes=names, **attrs)


def _pooled(call: Call) -> Node:
    """One of the three forms: removes axes, shrinks them, or (with `at`) sorts entries into groups."""
    if call["at"] is not None:
        _excludes(call, "at", "kernel")
        return scatter.build(call)
    if call.axes and call.arrows:
        raise call.fault(
            "E0209", f"`{call.name}` takes a list of axes or an arrow", call.arrows[0].span, "not both", "leave one of them out"
        )
    if call["kernel"] is not None:
        return pooling.sliding(call)
    for option in ("stride", "padding", "dilation", "ceil", "count_padding"):
        if option in call.option_spans:
            raise call.fault("E0305", f"`{option}=` needs `kernel=`", call.at(option), "of a window without a size", "add `kernel=`")
    if call.arrows:
        _, right = along.sides(call)
        return _to_one(call) if right[0].name == "1" and len(right) == 1 else pooling.adaptive(call)
    return _plain(call)


def _excludes(call: Call, first: str, second: str) -> None:
    if call[second] is not None:
        raise call.fault(
            "E0304", f"`{first}=` and `{second}=` exclude each other", call.at(second), "", f"leave `{first}=` or `{second}=` out"
        )


def _to_one(call: Call) -> Node:
    """`H W -> 1` leaves none: the plain reduction of what is on the left."""
    left, _ = along.sides(call)
    axes = along.listed(call, left)
    return call.do(call.name, call.x, axes=[ref for ref, _ in zip(left, axes, strict=True)])


def _norm(call: Call) -> Node:
    order = float(call["p"])
    if abs(order) == inf:
        along.not_empty(call, along.listed(call))
    return _plain(call, p=order)


def _spread(call: Call) -> Node:
    """Variance and standard deviation: of nothing (or, unbiased, of one entry) there is none."""
    axes = along.listed(call)
    # The bound on several axes is on their product; asking it of one is enough where the others are not empty.
    along.not_empty(call, axes, 2 if call["unbiased"] and len(axes) == 1 else 1)
    return _plain(call, unbiased=bool(call["unbiased"]))


def _index(call: Call) -> Node:
    along.real(call)
    axes = along.listed(call)
    along.not_empty(call, axes)
    names = tuple(axis.name for axis in axes)
    return call.node(call.name, (call.x,), call.x.tensor.without(names).cast("int"), axes=names)


# ------------------------------------------------------------------ lowering

_TORCH = {"sum": "torch.sum", "mean": "torch.mean", "max": "torch.amax", "min": "torch.amin", "any": "torch.any", "all": "torch.all",
          "logsumexp": "torch.logsumexp"}  # fmt: skip


def source(e: Emitter, node: Node) -> Value:
    """The reduced tensor; integers become floats where the result is one."""
    x = node.inputs[0]
    return e.wide(x) if node.dtype == "wide" and x.dtype in ("int", "bool") else e.value(x)


def _dims(value: Value, names: tuple[str, ...]) -> list[int]:
    return sorted(value.axes.index(name) - len(value.axes) for name in names)


def _left(value: Value, fx: Any, names: tuple[str, ...]) -> Value:
    return replace(value, fx=fx, axes=tuple(axis for axis in value.axes if axis not in names))


def _lower(e: Emitter, node: Node) -> Value:
    value = source(e, node)
    target = _TORCH[node.op]
    if node.inputs[0].dtype == "bool" and node.op in _EXTREMES:
        target = "torch.any" if node.op == "max" else "torch.all"
    return _left(value, e.call(target, value.fx, dim=_dims(value, node["axes"])), node["axes"])


def _lower_prod(e: Emitter, node: Node) -> Value:
    value = source(e, node)
    fx = value.fx
    for dim in sorted((value.axes.index(name) for name in node["axes"]), reverse=True):
        fx = e.call("torch.prod", fx, dim=dim)
    return _left(value, fx, node["axes"])


def _lower_norm(e: Emitter, node: Node) -> Value:
    value = source(e, node)
    order = {} if node["p"] == 2 else {"ord": node["p"]}
    fx = e.call("torch.linalg.vector_norm", value.fx, dim=_dims(value, node["axes"]), **order)
    # Complex numbers are never of half precision; their lengths are where the module works in it.
    return _left(value, e.call("runtime.halved", fx, e.float_dtype()) if node.inputs[0].dtype == "complex" else fx, node["axes"])


def _lower_spread(e: Emitter, node: Node) -> Value:
    value = source(e, node)
    return _left(
        value, e.call(f"torch.{node.op}", value.fx, dim=_dims(value, node["axes"]), correction=int(node["unbiased"])), node["axes"]
    )


def _lower_index(e: Emitter, node: Node) -> Value:
    """The place along one axis, or in several merged in the order they are written."""
    x, names = node.inputs[0], node["axes"]
    value = e.value(x)
    if x.dtype == "bool":
        value = replace(value, fx=e.method("byte", value.fx))  # PyTorch has no argmax of bools
    if len(names) == 1:
        return _left(value, e.call(f"torch.{node.op}", value.fx, dim=value.axes.index(names[0]) - len(value.axes)), names)
    sizes = {axis.name: axis for axis in x.axes}
    rest = [sizes[name] for name in value.axes if name not in names]
    flat = e.flat(value, [*([axis] for axis in rest), [sizes[name] for name in names]])
    return _left(value, e.call(f"torch.{node.op}", flat, dim=-1), names)


# ------------------------------------------------------------------ the table

_FORMS = """
Three forms: `{0}(x, H W)` removes axes; `{0}(x, H W -> Y X)` (adaptive) makes them smaller, entry i of m seeing floor(i*n/m)
up to ceil((i+1)*n/m) of n; `{0}(x, over=H W, kernel=3)` slides a window, keeps the names and gives new sizes. `stride` is the kernel
unless given, `padding` is 0 unless given (`same` keeps the size at stride 1), per-axis values are lists in the order of the axes.
`{0}(y, K -> T, at=to)` is the inverse of indexing: every entry of `K` goes to the place of `T` that the integer tensor `to` names
(negative numbers count from the end); a place that nobody writes is {1}."""

_POOLING = (
    Option("kernel", "ints", None, "size of the sliding window"),
    Option("stride", "ints", None, "step of the window; the kernel where not given"),
    Option("padding", "padding", None, "entries added on both sides (they never win a max, and are 0 in a sum), or `same`", ("same",)),
    Option("dilation", "ints", None, "step inside the window, 1 where not given"),
    Option("ceil", "bool", False, "a last window may hang over the end"),
    Option("count_padding", "bool", True, "whether a mean counts padding as zeros"),
    Option("at", "tensor", None, "integers: where each entry goes"),
)


_PLAIN = "block t(x: [*, H, W]) -> [*, H] {{\n    return {}(x, W)\n}}"
_ADAPTIVE = "block t(x: [*, H, W]) -> [*, U=3, V=2] {{\n    return {}(x, H W -> U=3 V=2)\n}}"
_SLIDING = "block t(x: [*, H, W]) -> [*, H, W] {{\n    return {}(x, over=H W, kernel=3, stride=1, padding=same)\n}}"
_MOVED = "# bind: K=5\nblock t(y: [K, D]) -> [T=2, D] {{\n    return {}(y, K -> T=2, at=(pos(K) + 1) % 2)\n}}"


def _pooling(name: str, sentence: str, empty: str) -> Operator:
    examples = tuple(text.format(name) for text in (_PLAIN, _ADAPTIVE, _SLIDING, _MOVED))
    doc = sentence + _FORMS.format(name, empty)
    return Operator(name, "reduction", doc, _pooled, Signature(axes="list|arrow", options=_POOLING), _lower, per_input, examples=examples)


def _reduction(
    name: str,
    doc: str,
    build: Callable[[Call], Node],
    lower: Callable[[Emitter, Node], Value],
    example: str,
    options: tuple[Option, ...] = (),
    differentiable: bool = True,
) -> Operator:
    return Operator(
        name, "reduction", doc, build, Signature(axes="list", options=options), lower, per_input, differentiable, examples=(example,)
    )


_UNBIASED = (Option("unbiased", "bool", False, "divide by one less than the number of entries"),)

register(
    _pooling("sum", "Add up along axes.", "0"),
    _pooling("mean", "The mean along axes; of nothing there is none.", "0"),
    _pooling("max", "The largest along axes; of bools whether any holds.", "the lowest value of its kind, -inf"),
    _pooling("min", "The smallest along axes; of bools whether all hold.", "the highest value of its kind, inf"),
    _reduction(
        "prod", "The product along axes; of nothing 1.", _plain, _lower_prod, "block t(x: [*, H, W]) -> [*] {\n    return prod(x, H W)\n}"
    ),
    _reduction(
        "any",
        "Whether anything along the axes holds (or is not 0); of nothing false.",
        _plain,
        _lower,
        "block t(x: bool [*, N]) -> bool [*] {\n    return any(x, N)\n}",
        differentiable=False,
    ),
    _reduction(
        "all",
        "Whether everything along the axes holds (or is not 0); of nothing true.",
        _plain,
        _lower,
        "block t(x: bool [*, N]) -> bool [*] {\n    return all(x, N)\n}",
        differentiable=False,
    ),
    _reduction(
        "logsumexp",
        "log(sum(exp(x))) along axes, without overflow; of nothing -inf.",
        _plain,
        _lower,
        "block t(x: [*, H, W]) -> [*] {\n    return logsumexp(x, H W)\n}",
    ),
    _reduction(
        "norm",
        "The p-norm along axes, sum(abs(x)**p)**(1/p); `p=inf` is the largest magnitude, `p=0` counts what is not 0.",
        _norm,
        _lower_norm,
        "block t(x: [*, H, W]) -> [*] {\n    return norm(x, H W) + norm(x, H W, p=3)\n}",
        (Option("p", "float", 2.0, "which norm"),),
    ),
    _reduction(
        "var",
        "The mean squared distance from the mean along axes.",
        _spread,
        _lower_spread,
        "block t(x: [*, H, W]) -> [*] {\n    return var(x, H W)\n}",
        _UNBIASED,
    ),
    _reduction(
        "std",
        "The root of the mean squared distance from the mean along axes.",
        _spread,
        _lower_spread,
        "block t(x: [*, N]) -> [*] {\n    return std(x, N)\n}",
        _UNBIASED,
    ),
    _reduction(
        "argmax",
        "The place of a largest entry along an axis, or in several merged in the order written.",
        _index,
        _lower_index,
        "block t(x: [*, H, W]) -> int [*] {\n    return argmax(x, H W)\n}",
        differentiable=False,
    ),
    _reduction(
        "argmin",
        "The place of a smallest entry along an axis, or in several merged in the order written.",
        _index,
        _lower_index,
        "block t(x: [*, N]) -> int [*] {\n    return argmin(x, N)\n}",
        differentiable=False,
    ),
)
