"""The nodes a program has without writing them: its inputs, weights and numbers, and the loop of `scan`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..graph import Body, Node, topological
from ..sizes import Size
from .base import OPERATORS, Lower, Operator, no_cost, register

if TYPE_CHECKING:
    from ..lower.emitter import Emitter, Value


def _given(e: Emitter, node: Node) -> Value:
    """The way into a module, or into the body of a loop, has said what it is worth."""
    return e.value(node)


def _weight(e: Emitter, node: Node) -> Value:
    return e.weight(node["slot"])


def _scalar(e: Emitter, node: Node) -> Value:
    from ..lower.emitter import Value

    return Value(node["value"], ())


def _literal(e: Emitter, node: Node) -> Value:
    import torch

    from ..lower.emitter import Value

    dtype = {"int": torch.int64, "bool": torch.bool}.get(node.dtype) or e.wide_dtype()
    x = e.call("torch.tensor", node["value"], dtype=dtype, device=e.device())
    return Value(x, node.tensor.names)


def _item(e: Emitter, node: Node) -> Value:
    index: int = node["index"]
    return e.parts(node.inputs[0])[index]


def _scan(e: Emitter, node: Node) -> tuple[Value, ...]:
    return e.loop(node)


def _scan_cost(node: Node) -> Size:
    """The body's cost, once for each step."""
    body: Body = node["body"]
    total = Size.of(0)
    for inner in topological([*body.yields, *body.carries]):
        if inner.op in OPERATORS:
            total = total + OPERATORS[inner.op].cost(inner)
    length: Size = node["length"]
    return total * length


_INPUT = "A tensor that the block takes. Options: name, order (its axes as declared), optional, absent (left out when compiled)."
_SCAN = """A loop along an axis, with state that passes from step to step.

Inputs: the carries before the first step, then the tensors that lose the axis, then those that stay whole. Options: axis, reverse,
carries and sliced (how many of each), body, length (of the axis), number. Results: each yield with the axis added, then each final carry.
"""


def _row(name: str, doc: str, lower: Lower) -> Operator:
    return Operator(name, "structure", doc, lower=lower, cost=no_cost)


register(
    _row("input", _INPUT, _given),
    _row("param", "A value that the body of a loop gets at each step.", _given),
    _row("weight", "A tensor that the module owns. Option: slot (its place in the graph's weights).", _weight),
    _row("scalar", "A number. Option: value.", _scalar),
    _row("literal", "A list of numbers as a tensor. Option: value (nested tuples in the order of its axes).", _literal),
    _row("item", "One result of an operator that has several. Option: index.", _item),
    Operator("scan", "structure", _SCAN, lower=_scan, cost=_scan_cost),
)
