"""The inverse of indexing: entries go to the place that an integer tensor names, and meet there in a sum, a mean or an extreme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..graph import Node
from ..types import Axis, DType, TensorType
from . import along
from .base import AxisRef, Call, Operator, per_input, register
from .broadcast import floating_type

if TYPE_CHECKING:
    from ..lower.emitter import Emitter, Value


def build(call: Call) -> Node:
    """`sum(y, K J -> T, at=to)`: `K J` go, `T` comes; axes that only `to` has are new."""
    if not call.arrows:
        raise call.fault("E0305", "`at=` needs an arrow that says where to", call.at("at"), "places along which axis?",
                         f"write `{call.name}(y, K -> T, at=to)`")  # fmt: skip
    left, right = along.sides(call)
    if len(right) != 1 or right[0].is_number:
        raise call.fault(
            "E0209", "entries go to places along one axis", call.arrows[0].span, "one name is needed on the right", "name one axis there"
        )
    dtype = along.real(call)
    old = tuple(axis.name for axis in along.listed(call, left))
    at = places(call, old, left)
    rest = TensorType(along.meet(call, call.x.tensor, at.tensor)).without(old)
    new = call.new_axis(right[0])
    type = along.replaced(call, rest, (), [(right[0], new)]).cast(_result(call.name, dtype))
    return call.node("scatter", (call.x, at), type, how=call.name, left=old, right=new.name)


def places(call: Call, old: Sequence[str], refs: Sequence[AxisRef]) -> Node:
    """The tensor given as `at=`: whole numbers, which differ along at least one of the axes `old`."""
    at: Node = call["at"]
    if at.dtype != "int":
        raise call.fault("E0310", "`at=` needs whole numbers", call.at("at"), f"this holds {at.dtype}", "convert it: int(..)")
    if not any(at.tensor.has(name) for name in old):
        names = " ".join(ref.name for ref in refs)
        raise call.fault("E0201", f"`at=` has no axis `{names}`", call.at("at"), "every entry would go to the same place",
                         "say for every entry where it goes", notes=(f"its axes: {call.describe(at.tensor)}",))  # fmt: skip
    return at


def _result(name: str, dtype: DType) -> DType:
    if name == "mean":
        return floating_type(dtype)
    return "int" if name == "sum" and dtype == "bool" else dtype


# ------------------------------------------------------------------ lowering


@dataclass(frozen=True)
class Rows:
    """Two tensors laid out as `[batch, entries, features]` and `[batch, entries]`, without the batch where `at` is the same for all."""

    y: Any
    at: Any
    batch: list[Axis]
    entries: list[Axis]
    features: list[Axis]

    def groups(self, entries: Sequence[Axis]) -> list[Sequence[Axis]]:
        return [*([self.batch] if self.batch else []), entries, self.features]


def rows(e: Emitter, y: Value, at: Value, axes: Sequence[Axis], left: Sequence[str]) -> Rows:
    """Lay out `y` and `at`, whose axes together are `axes`."""
    entries = [axis for axis in axes if axis.name in left]
    batch = [axis for axis in axes if axis.name in at.axes and axis.name not in left]
    features = [axis for axis in axes if axis.name in y.axes and axis.name not in at.axes and axis.name not in left]
    first = [batch] if batch else []
    return Rows(_laid(e, y, [*first, entries, features]), _laid(e, at, [*first, entries]), batch, entries, features)


def _laid(e: Emitter, value: Value, groups: Sequence[Sequence[Axis]]) -> Any:
    axes = [axis for group in groups for axis in group]
    if any(axis.name not in value.axes for axis in axes):
        value = replace(value, fx=e.full(value, axes), axes=tuple(axis.name for axis in axes))
    return e.flat(value, groups)


def _lower(e: Emitter, node: Node) -> Value:
    x, at = node.inputs
    y = e.wide(x) if node["how"] == "mean" and x.dtype in ("bool", "int") else e.value(x)
    sizes = {axis.name: axis for axis in (*at.axes, *x.axes)}
    laid = rows(e, y, e.value(at), list(sizes.values()), node["left"])
    new = Axis(node["right"], node.tensor.size(node["right"]))
    out = e.call(f"runtime.scatter_{node['how']}", laid.y, laid.at, e.size(new.size))
    return e.unflat(out, laid.groups([new]))


register(
    Operator(
        "scatter",
        "reduction",
        "Entries that go to the places an index names (what `sum(y, K -> T, at=to)` becomes).",
        None,
        lower=_lower,
        cost=per_input,
    ),
)
