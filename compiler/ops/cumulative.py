"""Running results: entry i sees the entries up to i along one axis."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..graph import Node
from . import along
from .base import Call, Operator, Option, Signature, per_input, register
from .broadcast import arithmetic_type

if TYPE_CHECKING:
    from ..lower.emitter import Emitter, Value


def _build(call: Call) -> Node:
    dtype = along.real(call) if call.name == "cummax" else call.x.dtype
    axis = along.single(call)
    type = call.x.tensor.cast(dtype if call.name == "cummax" else arithmetic_type(dtype))
    options = {name: bool(call[name]) for name in ("reverse", "exclusive") if name in call.options}
    return call.node(call.name, (call.x,), type, axis=axis.name, **options)


def _lower(e: Emitter, node: Node) -> Value:
    value = e.value(node.inputs[0])
    dim = value.axes.index(node["axis"]) - len(value.axes)
    if node.options.get("wide_steps"):
        return replace(value, fx=e.call("runtime.sum_before", value.fx, dim))
    fx = e.call("torch.flip", value.fx, [dim]) if node["reverse"] else value.fx
    fx = e.call(f"torch.{node.op}", fx, dim=dim)
    if node.op == "cummax":
        fx = e.call("operator.getitem", fx, 0)
    if node.options.get("exclusive"):
        # One place further, with nothing before the first: subtracting the entry itself would cancel digits.
        fx = e.call("torch.nn.functional.pad", fx, [0, 0] * (-dim - 1) + [1, 0])
        fx = e.method("narrow", fx, dim, 0, e.size(node.tensor.size(node["axis"])))
    return replace(value, fx=e.call("torch.flip", fx, [dim]) if node["reverse"] else fx)


_REVERSE = Option("reverse", "bool", False, "run from the end")
_EXCLUSIVE = Option("exclusive", "bool", False, "entry i sees those before i only; the first is 0")


def _operator(name: str, doc: str, options: tuple[Option, ...], *examples: str) -> Operator:
    return Operator(name, "cumulative", doc, _build, Signature(axes="list", options=options), _lower, per_input, examples=examples)


register(
    _operator(
        "cumsum",
        "The running sum along an axis.",
        (_REVERSE, _EXCLUSIVE),
        "block t(x: [*, N, D]) -> [*, N, D] {\n    return cumsum(x, N)\n}",
        "block t(x: [*, N, D]) -> [*, N, D] {\n    return cumsum(x, N, reverse=true, exclusive=true)\n}",
    ),
    _operator(
        "cumprod",
        "The running product along an axis.",
        (_REVERSE,),
        "block t(x: [*, N, D]) -> [*, N, D] {\n    return cumprod(x, N) + cumprod(x, D, reverse=true)\n}",
    ),
    _operator(
        "cummax",
        "The running maximum along an axis.",
        (_REVERSE,),
        "block t(x: [*, N, D]) -> [*, N, D] {\n    return cummax(x, N) + cummax(x, N, reverse=true)\n}",
    ),
)
