"""What operators that work along named axes check in common: which axes, of what size, over what kind of number."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from ...dsl.diagnostics import Label
from ..graph import Node
from ..sizes import Size
from ..types import Axis, DType, TensorType
from .base import AxisRef, Call
from .broadcast import no_complex, wrong_kind


def listed(call: Call, refs: Sequence[AxisRef] = ()) -> tuple[Axis, ...]:
    """The axes of the first tensor that a call names, each once. Faults: none named, not there, named twice."""
    refs = refs or call.axes
    if not refs:
        raise call.fault("E0209", f"`{call.name}` has no axis to work along", None, "`*` hides none here", "name an axis of the tensor",
                         notes=(f"its axes: {call.describe(call.x.tensor)}",))  # fmt: skip
    distinct(call, refs)
    return tuple(call.axis(ref) for ref in refs)


def distinct(call: Call, refs: Sequence[AxisRef]) -> None:
    """A Fault where one axis is written twice in a list."""
    seen: dict[str, AxisRef] = {}
    for ref in refs:
        first = seen.setdefault(ref.symbol, ref)
        if first is not ref and not ref.is_number:
            raise call.fault("E0204", f"axis `{ref.name}` is named twice", ref.span, "again here", "name each axis once",
                             labels=(Label(first.span, "first here"),))  # fmt: skip


def single(call: Call) -> Axis:
    """The one axis that a call names."""
    axes = listed(call)
    if len(axes) != 1:
        span = call.axes[0].span.to(call.axes[-1].span)
        raise call.fault(
            "E0209", f"`{call.name}` works along one axis, and {len(axes)} are named", span, "", "name one, or `merge` them first"
        )
    return axes[0]


def sides(call: Call) -> tuple[tuple[AxisRef, ...], tuple[AxisRef, ...]]:
    """Left and right of the call's one arrow, neither of them a sum."""
    arrow = call.arrows[0]
    if len(arrow.left) != 1 or len(arrow.right) != 1:
        raise call.fault("E0209", f"`{call.name}` takes no `+` in its arrow", arrow.span, "a sum of axes", "write axes beside each other")
    distinct(call, arrow.left[0])
    distinct(call, arrow.right[0])
    return arrow.left[0], arrow.right[0]


def paired(call: Call) -> tuple[tuple[AxisRef, AxisRef], ...]:
    """The pairs of an arrow whose sides name equally many axes, none of them a number."""
    left, right = sides(call)
    if len(left) != len(right):
        counts = f"{len(left)} on the left, {len(right)} on the right"
        help = "each axis on the left becomes the one at its place on the right"
        raise call.fault("E0209", f"`{call.name}` needs as many axes right of the arrow as left", call.arrows[0].span, counts, help)
    for ref in (*left, *right):
        if ref.is_number:
            raise call.fault(
                "E0209", f"`{call.name}` needs names in this arrow", ref.span, "a number is not an axis", f"write `Y={ref.name}`"
            )
    return tuple(zip(left, right, strict=True))


def replaced(call: Call, type: TensorType, old: Collection[str], new: Iterable[tuple[AxisRef, Axis]]) -> TensorType:
    """`type` without the axes `old` and with the new ones; a Fault where a new one is there already."""
    left = type.without(old)
    for ref, axis in new:
        if left.has(axis.name):
            raise call.fault("E0204", f"the result would have axis `{ref.name}` twice", ref.span, "this one is there already",
                             "choose another name", notes=(f"axes that stay: {call.describe(left)}",))  # fmt: skip
        left = left.plus([axis])
    return left


def not_empty(call: Call, axes: Sequence[Axis], least: int = 1) -> None:
    """Every axis must have an entry (or `least`): a Fault, or a guard at the entry where the size is not known."""
    for axis in axes:
        size = axis.size.integer()
        if size is None or size < least:
            name = call.make.local(axis.name)
            entries = "an entry" if least == 1 else f"at least {least} entries"
            reason = f"`{call.name}` along `{name}` needs {entries}"
            call.make.require_at_least(axis.size, Size.of(least), reason, call.span, "E0218")


def kind(call: Call, node: Node, allowed: Sequence[DType], needs: str, help: str = "") -> DType:
    """The kind of number of one of the call's tensors; a Fault where the operator cannot take it."""
    if node.dtype not in allowed:
        index = call.tensors.index(node) if node in call.tensors else len(call.spans)
        raise wrong_kind(call, node, index, needs, help)
    return node.dtype


def real(call: Call) -> DType:
    """The kind of number of the first tensor, which must not be complex."""
    no_complex(call, call.tensors[:1])
    return call.x.dtype


def meet(call: Call, first: TensorType, second: TensorType) -> tuple[Axis, ...]:
    """All axes of two tensors; the sizes of shared ones must agree."""
    axes = list(first.axes)
    for name, size in second.axes:
        if first.has(name):
            call.make.require_equal(first.size(name), size, f"`{call.name}` lines up `{call.make.local(name)}`", call.span)
        else:
            axes.append(Axis(name, size))
    return tuple(axes)
