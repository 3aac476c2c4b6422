"""A value put in one order in memory, for all that reads it. Made by the optimiser; the values are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..graph import Node
from .base import Operator, no_cost, register

if TYPE_CHECKING:
    from ..lower.emitter import Emitter, Value


def lower_lay(e: Emitter, node: Node) -> Value:
    """A copy, unless its numbers are in this order already."""
    from ..lower.emitter import Value

    value, order = e.value(node.inputs[0]), node["order"]
    return Value(e.method("contiguous", e.order(value, order)), order)


register(Operator("lay", "shape", "A value in one order in memory. Option: order. Made by the optimiser.", lower=lower_lay, cost=no_cost))
