"""The spread and the mean of a tensor, read once: what `var` (or `std`) and `mean` along the same axes become together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..graph import Node
from ..sizes import Size
from .base import Operator, per_input, register

if TYPE_CHECKING:
    from ..lower.emitter import Emitter, Value


def lower_moments(e: Emitter, node: Node) -> tuple[Value, ...]:
    """One kernel where the axes are innermost; across them PyTorch's is no quicker than the two it has, and sometimes slower."""
    from ..lower.emitter import Value

    value, names = e.value(node.inputs[0]), node["axes"]
    dims = sorted(value.axes.index(name) - len(value.axes) for name in names)
    axes = tuple(axis for axis in value.axes if axis not in names)
    spread, options = f"torch.{node['spread']}", {"dim": dims, "correction": int(node["unbiased"])}
    if dims[0] == -len(dims):
        both = e.call(f"{spread}_mean", value.fx, **options)
        return tuple(Value(e.call("operator.getitem", both, i), axes) for i in range(2))
    return Value(e.call(spread, value.fx, **options), axes), Value(e.call("torch.mean", value.fx, dim=dims), axes)


def _cost(node: Node) -> Size:
    return per_input(node) * 4


_DOC = "The spread (`var` or `std`) and the mean along the same axes, from one look at the tensor. Made by the optimiser."

register(Operator("moments", "reduction", _DOC, lower=lower_moments, cost=_cost))
