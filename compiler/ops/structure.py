"""The nodes a program has without writing them: its inputs, weights and numbers, the loop of `scan`, and a choice between two ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..graph import Body, Node, topological
from ..sizes import Size, minimum
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


def _choose(e: Emitter, node: Node) -> Value:
    return e.choice(node)


def _choose_cost(node: Node) -> Size:
    """That of the cheaper way."""
    ways: tuple[Body, Body] = (node["first"], node["second"])
    totals: list[Size] = []
    for way in ways:
        total = Size.of(0)
        for inner in topological(way.yields):
            total = total + (OPERATORS[inner.op].cost(inner) if inner.op in OPERATORS else Size.of(0))
        totals.append(total)
    return minimum(*totals)


_INPUT = "A tensor that the block takes. Options: name, order (its axes as declared), optional, absent (left out when compiled)."
_SCAN = """A loop along an axis, with state that passes from step to step.

Inputs: the carries before the first step, then the tensors that lose the axis, then those that stay whole. Options: axis, reverse,
carries and sliced (how many of each), body, length (of the axis), number. Results: each yield with the axis added, then each final carry.
"""
_CHOOSE = """One of two ways to work out the same value, picked by sizes when the module runs: `first` where left <= right, else `second`.

Options: left and right (whole numbers), first and second (bodies whose parameters are the inputs in order, with one result each). The
optimiser makes it where the cheaper way depends on a size that is not bound; an exported program has the first way alone.
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
    Operator("choose", "structure", _CHOOSE, lower=_choose, cost=_choose_cost),
)
