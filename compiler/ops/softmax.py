"""Weights that add up to one along axes: softmax and its relatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf, isinf
from typing import TYPE_CHECKING, Any

from ..graph import Node
from ..sizes import Size
from ..types import Axis, TensorType
from . import along, scatter
from .base import OPERATORS, Call, Operator, Option, Signature, register
from .broadcast import floating_type

if TYPE_CHECKING:
    from ..lower.emitter import Emitter, Value

# ------------------------------------------------------------------ building


def _build(call: Call) -> Node:
    """A node of the operator's own name; `masked` where it has a mask, `safe` where rows may be all -inf."""
    dtype = floating_type(along.real(call))
    names = tuple(axis.name for axis in along.listed(call))
    mask: Node | None = call.options.get("where")
    if mask is None:
        return call.node(call.name, (call.x,), call.x.tensor.cast(dtype), axes=names, masked=False, safe=may_be_infinite(call.x))
    axes = along.meet(call, call.x.tensor, _checked(call, mask).tensor)
    return call.node(call.name, (call.x, mask), TensorType(axes, dtype), axes=names, masked=True, safe=True)


def _checked(call: Call, mask: Node) -> Node:
    if mask.dtype != "bool":
        raise call.fault(
            "E0310", "`where=` needs truth values", call.at("where"), f"this holds {mask.dtype}", "write a comparison, such as `m > 0`"
        )
    return mask


def _build_softmax(call: Call) -> Node:
    if call["at"] is None:
        return _build(call)
    dtype = floating_type(along.real(call))
    names = tuple(axis.name for axis in along.listed(call))
    at = scatter.places(call, names, call.axes)
    axes = along.meet(call, call.x.tensor, at.tensor)
    masks: tuple[Node, ...] = ()
    if call["where"] is not None:
        masks = (_checked(call, call["where"]),)
        axes = along.meet(call, TensorType(axes), masks[0].tensor)
    return call.node("group_softmax", (call.x, at, *masks), TensorType(axes, dtype), axes=names)


_MOVES = (
    "rename",
    "expand",
    "full",
    "pad",
    "concat",
    "stack",
    "cut",
    "pick",
    "item",
    "split",
    "merge",
    "unfold",
    "flip",
    "roll",
    "shift",
    "lay",
)
MOVES = frozenset(_MOVES)
"""What takes numbers to another place, as they are."""


def may_be_infinite(x: Node) -> bool:
    """Whether an infinite number comes in through operators that work number by number or move numbers, as in
    `softmax(where(c, s, -inf), N)`."""
    waiting, seen = [x], {x}
    while waiting:
        node = waiting.pop()
        number = node.options.get("value" if node.op == "scalar" else "fill")
        if isinstance(number, float) and isinf(number):
            return True
        operator = OPERATORS.get(node.op)
        if node.op in MOVES or (operator is not None and operator.pointwise):
            fresh = [source for source in node.inputs if source not in seen]
            seen.update(fresh)
            waiting.extend(fresh)
    return False


def overlaps(x: Node) -> bool:
    """Whether it may be windows (`unfold`) that share memory, moved or not."""
    while x.op in MOVES and x.op != "unfold" and len(x.inputs) == 1:
        x = x.inputs[0]
    return x.op == "unfold"


# ------------------------------------------------------------------ lowering


def _inputs(e: Emitter, node: Node) -> tuple[Value, Value | None]:
    """The tensor in floats, and the mask; both with all axes where several are normalised at once."""
    x = e.wide(node.inputs[0]) if node.dtype == "wide" else e.value(node.inputs[0])
    if not node["masked"]:
        return x, None
    mask = e.tensor(node.inputs[1])
    order = (*(name for name in mask.axes if name not in x.axes), *x.axes)
    if len(node["axes"]) == 1:
        left, right = e.align([x, mask], order)
        return replace(x, fx=left, axes=order), replace(mask, fx=right, axes=order)
    axes = [Axis(name, node.tensor.size(name)) for name in order]
    return replace(x, fx=e.full(x, axes), axes=order), replace(mask, fx=e.full(mask, axes), axes=order)


def _joint(e: Emitter, node: Node, value: Value, last: bool = False) -> tuple[Any, int, Callable[[Any], Value]]:
    """The tensor, the dimension to normalise, and the way back: several axes are one dimension for that time."""
    names = node["axes"]
    rest = tuple(name for name in value.axes if name not in names)
    if len(names) == 1:
        order = (*rest, *names) if last else value.axes
        return e.order(value, order), order.index(names[0]) - len(order), lambda fx: replace(value, fx=fx, axes=order)
    sizes = {axis.name: axis for axis in node.axes}
    groups = [*([sizes[name]] for name in rest), [sizes[name] for name in names]]
    return e.flat(value, groups), -1, lambda fx: e.unflat(fx, groups)


def _lower_softmax(e: Emitter, node: Node) -> Value:
    x, mask = _inputs(e, node)
    fx, dim, back = _joint(e, node, x)
    if mask is not None:
        return back(e.call("runtime.masked_softmax", fx, _joint(e, node, mask)[0], dim=dim))
    return back(e.call("runtime.softmax_or_zero" if node["safe"] else "torch.softmax", fx, dim=dim))


def _lower_log(e: Emitter, node: Node) -> Value:
    fx, dim, back = _joint(e, node, _inputs(e, node)[0])
    return back(e.call("torch.log_softmax", fx, dim=dim))


def _lower_last(e: Emitter, node: Node) -> Value:
    """Those written out in the runtime, over the last dimension. A mask is -inf to them."""
    x, mask = _inputs(e, node)
    if mask is not None:
        x = replace(x, fx=e.call("torch.where", mask.fx, x.fx, -inf))
    fx, _, back = _joint(e, node, x, last=True)
    return back(e.call(f"runtime.{node.op}", fx))


def _lower_group(e: Emitter, node: Node) -> Value:
    x = e.wide(node.inputs[0]) if node.dtype == "wide" else e.value(node.inputs[0])
    if len(node.inputs) == 3:
        mask = e.tensor(node.inputs[2])
        order = (*(name for name in mask.axes if name not in x.axes), *x.axes)
        left, right = e.align([x, mask], order)
        x = replace(x, fx=e.call("torch.where", right, left, -inf), axes=order)
    laid = scatter.rows(e, x, e.value(node.inputs[1]), node.axes, node["axes"])
    return e.unflat(e.call("runtime.group_softmax", laid.y, laid.at), laid.groups(laid.entries))


# ------------------------------------------------------------------ the table


def _cost(each: int) -> Callable[[Node], Size]:
    return lambda node: node.tensor.elements() * each


_WHERE = Option("where", "tensor", None, "bools: which entries take part; the others get 0, and a row without any is all 0")
_AT = Option("at", "tensor", None, "integers: entries with the same number make one group of their own")
_MASKED = "block t(x: [*, N, M], keep: bool [M]) -> [*, N, M] {{\n    return {}(x, M, where=keep)\n}}"
_PLAIN = "block t(x: [*, H, W]) -> [*, H, W] {{\n    return {}(x, H W)\n}}"
_GROUPED = "block t(x: [E, h], to: int [E]) -> [E, h] {\n    return softmax(x, over=E, at=to)\n}"


def _operator(
    name: str,
    doc: str,
    build: Callable[[Call], Node],
    lower: Callable[[Emitter, Node], Value],
    each: int,
    options: tuple[Option, ...],
    *examples: str,
) -> Operator:
    return Operator(name, "normalisation", doc, build, Signature(axes="list", options=options), lower, _cost(each), examples=examples)


register(
    _operator(
        "softmax",
        """exp(x) / sum(exp(x)) along one axis, or over several together.

`softmax(x, N')`, `softmax(x, over=H W, where=m)`. A row in which nothing takes part, by `where=` or because `where(c, x, -inf)`
left nothing, is all zeros with zero gradients. `softmax(e, over=E, at=to)` normalises every group of entries with the same number
in `to`. Half precision is float32 inside.""",
        _build_softmax,
        _lower_softmax,
        5,
        (_WHERE, _AT),
        _PLAIN.format("softmax"),
        _MASKED.format("softmax"),
        _GROUPED,
    ),
    _operator("log_softmax", "log(softmax(x)) along axes, without overflow.", _build, _lower_log, 5, (), _PLAIN.format("log_softmax")),
    _operator(
        "softmax1",
        """exp(x) / (1 + sum(exp(x))) along axes: a softmax with one more logit of 0, so that a row may pass on little.

Miller, Attention is off by one, 2023.""",
        _build,
        _lower_last,
        5,
        (_WHERE,),
        _PLAIN.format("softmax1"),
        _MASKED.format("softmax1"),
    ),
    _operator(
        "sparsemax",
        """The nearest point of the probability simplex along axes, with exact zeros.

Martins and Astudillo, From softmax to sparsemax, 2016.""",
        _build,
        _lower_last,
        20,
        (_WHERE,),
        _PLAIN.format("sparsemax"),
        _MASKED.format("sparsemax"),
    ),
    _operator(
        "entmax15",
        """1.5-entmax along axes: between softmax and sparsemax, smooth and with exact zeros.

Peters, Niculae and Martins, Sparse sequence-to-sequence models, 2019.""",
        _build,
        _lower_last,
        20,
        (_WHERE,),
        _PLAIN.format("entmax15"),
        _MASKED.format("entmax15"),
    ),
    Operator(
        "group_softmax",
        "normalisation",
        "A softmax within groups (what `softmax(e, over=E, at=to)` becomes).",
        None,
        lower=_lower_group,
        cost=_cost(10),
    ),
)
