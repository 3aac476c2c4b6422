"""Choosing between values number by number: `where`, `maximum`, `minimum`, `clamp`."""

from __future__ import annotations

from functools import partial, reduce
from typing import TYPE_CHECKING, Any

from ..graph import Node
from ..sizes import Size
from ..types import TensorType, promote
from .base import Call, Operator, Option, Signature, register
from .broadcast import arithmetic_type, broadcast, fold, kinds, layout, no_complex, operands, wrong_kind
from .facts import NUMBER_TARGETS, is_number
from .safety import guarded

if TYPE_CHECKING:
    from ..lower.emitter import Emitter, Value

# ------------------------------------------------ where


def build_where(call: Call) -> Node:
    """`a` where the condition holds, `b` elsewhere; each side is made safe for gradients first."""
    condition, *sides = call.tensors
    if condition.dtype != "bool":
        raise wrong_kind(call, condition, 0, "true or false as its condition", "compare it with something, as in `x != 0`")
    dtype = promote(*kinds(sides))
    axes = broadcast(call, call.tensors)
    a, b = (guarded(call, side, condition, taken) for side, taken in zip(sides, (True, False), strict=True))
    return call.node("where", (condition, a, b), TensorType(axes, dtype))


def lower_where(e: Emitter, node: Node) -> Value:
    from ..lower.emitter import Value

    condition, *sides = node.inputs
    values = operands(e, sides, node.dtype)
    if node.dtype == "wide" and all(is_number(side) for side in sides):
        values[0] = e.wide(sides[0])
    choice = e.tensor(condition)
    axes = layout([choice, *values])
    return Value(e.call("torch.where", *e.align([choice, *values], axes)), axes)


# ------------------------------------------------ maximum, minimum

_EXTREMES: dict[str, tuple[str, str, str]] = {
    "maximum": ("torch.maximum", "min", "torch.sym_max"),
    "minimum": ("torch.minimum", "max", "torch.sym_min"),
}


def build_extreme(call: Call) -> Node:
    """Two or more operands, numbers or tensors."""
    if len(call.tensors) < 2:
        raise call.fault("E0303", f"`{call.name}` needs two tensors or more", call.span, "only one here",
                         f"to reduce along an axis write {call.name[:3]}(x, N)")  # fmt: skip
    no_complex(call, call.tensors)
    dtype = arithmetic_type(*kinds(call.tensors))
    folded = fold(call, call.tensors, max if call.name == "maximum" else min, dtype)
    if folded is not None:
        return folded
    return call.node(call.name, call.tensors, TensorType(broadcast(call, call.tensors), dtype))


def lower_extreme(e: Emitter, node: Node) -> Value:
    from ..lower.emitter import Value

    target, keyword, number = _EXTREMES[node.op]
    if is_number(node):
        return Value(reduce(partial(e.call, number), [e.value(source).fx for source in node.inputs]), ())
    values = operands(e, node.inputs, node.dtype)
    axes = layout(values)
    aligned = e.align(values, axes)
    tensors = [fx for fx, source in zip(aligned, node.inputs, strict=True) if not is_number(source)]
    numbers = [fx for fx, source in zip(aligned, node.inputs, strict=True) if is_number(source)]
    result = reduce(partial(e.call, target), tensors)
    return Value(reduce(lambda x, limit: e.call("torch.clamp", x, **{keyword: limit}), numbers, result), axes)


# ------------------------------------------------ clamp


def build_clamp(call: Call) -> Node:
    """One `clamp` for numbers; `maximum` and `minimum` where a limit is a tensor."""
    limits: dict[str, Node] = {name: call[name] for name in ("lo", "hi") if call[name] is not None}
    if not limits:
        raise call.fault("E0305", "`clamp` needs a limit", call.span, "neither `lo` nor `hi` is given", "clamp(x, lo=0), clamp(x, hi=1)")
    nodes = (call.x, *limits.values())
    no_complex(call, nodes)
    if not all(is_number(limit) for limit in limits.values()):
        return _clamp_by_tensors(call, limits)
    dtype = arithmetic_type(*kinds(nodes))
    if call.x.op == "scalar":
        return _clamp_by_tensors(call, limits)
    return call.node("clamp", nodes, call.x.tensor.cast(dtype), lo="lo" in limits, hi="hi" in limits)


def _clamp_by_tensors(call: Call, limits: dict[str, Node]) -> Node:
    x = call.do("maximum", call.x, limits["lo"]) if "lo" in limits else call.x
    return call.do("minimum", x, limits["hi"]) if "hi" in limits else x


def lower_clamp(e: Emitter, node: Node) -> Value:
    from ..lower.emitter import Value

    source, *limits = node.inputs
    names = [keyword for keyword, given in (("min", node["lo"]), ("max", node["hi"])) if given]
    keywords: dict[str, Any] = {name: e.value(limit).fx for name, limit in zip(names, limits, strict=True)}
    value = e.tensor(source) if is_number(source) else operands(e, (source,), node.dtype)[0]
    return Value(e.call("torch.clamp", value.fx, **keywords), value.axes)


# ------------------------------------------------ the rows

_WHERE_DOC = """`a` where the condition `c` holds, else `b`; the three line up by name.

Safe for gradients: no NaN comes from the side not taken, as in `where(x > 0, log(x), 0)`. Logarithms, roots, powers, exponentials and
quotients among the pointwise operators that make up a side get a harmless argument wherever their side is not taken."""

_WHERE_EXAMPLES = (
    "block t(x: [*, N, D], y: [*, D]) -> [*, N, D] {\n    return where(x > y, x, 2 * y)\n}",
    "block t(x: [*, N]) -> [*, N] {\n    return where(x > 0, log(x), 0)\n}",
    "block t(x: [*, N, D]) -> [*, N, D] {\n    return where(pos(N) > 0, x / pos(N), x)\n}",
)


def _extreme(name: str, word: str) -> Operator:
    examples = (
        f"block t(x: [*, N, D], y: [*, D]) -> [*, N, D] {{\n    return {name}(x, y)\n}}",
        f"block t(x: [*, N, D], y: [*, D]) -> [*, N, D] {{\n    return {name}(x, y, 0.1)\n}}",
    )
    doc = f"The {word} of two or more tensors or numbers, number by number; they line up by name. `{name[:3]}(x, N)` reduces along an axis."
    return Operator(name, "pointwise", doc, build_extreme, Signature(("a",), variadic=True, layer=False), lower_extreme, _steps,
                    pointwise=True, examples=examples)  # fmt: skip


def _steps(node: Node) -> Size:
    return node.tensor.elements() * (len(node.inputs) - 1)


_LIMITS = (
    Option("lo", "tensor", None, "The smallest value: a number or a tensor that lines up by name."),
    Option("hi", "tensor", None, "The largest value."),
)
_CLAMP_EXAMPLES = (
    "block t(x: [*, N]) -> [*, N] {\n    return clamp(x, lo=-0.5, hi=0.5)\n}",
    "block t(x: [*, N, D], y: [*, D]) -> [*, N, D] {\n    return clamp(x, hi=y)\n}",
)

_WHERE = Signature(("c", "a", "b"), layer=False)
_CLAMP_DOC = "`x` kept between `lo` and `hi`, of which one may be left out."

NUMBER_TARGETS.update({name: number for name, (_, _, number) in _EXTREMES.items()})
register(
    Operator("where", "pointwise", _WHERE_DOC, build_where, _WHERE, lower_where, pointwise=True, examples=_WHERE_EXAMPLES),
    _extreme("maximum", "larger"),
    _extreme("minimum", "smaller"),
    Operator(
        "clamp", "pointwise", _CLAMP_DOC, build_clamp, Signature(options=_LIMITS), lower_clamp, pointwise=True, examples=_CLAMP_EXAMPLES
    ),
)
