"""Reductions that leave an axis at a smaller size: windows of given number (adaptive) and windows of given size (sliding)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..graph import Node
from ..sizes import Size, ceil, minimum
from ..types import Axis, DType
from . import along
from .base import AxisRef, Call, Operator, per_input, register
from .broadcast import floating_type

if TYPE_CHECKING:
    from ..lower.emitter import Emitter, Value

_ONE = Size.of(1)


def _result(call: Call) -> DType:
    dtype = along.real(call)
    if call.name == "mean":
        return floating_type(dtype)
    return "int" if call.name == "sum" and dtype == "bool" else dtype


# ------------------------------------------------------------------ building


def adaptive(call: Call) -> Node:
    """`max(x, H W -> Y=7 X=7)`: each axis becomes the one at its place on the right, at that size."""
    pairs = along.paired(call)
    old = along.listed(call, [left for left, _ in pairs])
    if call.name != "sum":
        along.not_empty(call, old)
    dtype = _result(call)
    new = [(right, call.new_axis(right)) for _, right in pairs]
    type = along.replaced(call, call.x.tensor, [axis.name for axis in old], new).cast(dtype)
    return call.node("adaptive", (call.x,), type, how=call.name, pairs=_names(old, new))


def _names(old: Sequence[Axis], new: Sequence[tuple[AxisRef, Axis]]) -> tuple[tuple[str, str], ...]:
    return tuple((before.name, after.name) for before, (_, after) in zip(old, new, strict=True))


def sliding(call: Call) -> Node:
    """`max(x, over=H W, kernel=3, stride=2, padding=1)`: the axes keep their names (or take those after an arrow)."""
    pairs = along.paired(call) if call.arrows else tuple((ref, ref) for ref in call.axes)
    old = along.listed(call, [left for left, _ in pairs])
    count = len(old)
    kernel = _steps(call, "kernel", count)
    stride = kernel if call["stride"] is None else _steps(call, "stride", count)
    dilation = (_ONE,) * count if call["dilation"] is None else _steps(call, "dilation", count)
    reach = [step * (size - 1) + 1 for step, size in zip(dilation, kernel, strict=True)]
    padding = _padding(call, reach)
    sizes = [_windows(call, *numbers) for numbers in zip(old, reach, stride, padding, strict=True)]
    dtype = _result(call)
    new = [(right, _made(call, right, size)) for (_, right), size in zip(pairs, sizes, strict=True)]
    type = along.replaced(call, call.x.tensor, [axis.name for axis in old], new).cast(dtype)
    return call.node("sliding", (call.x,), type, how=call.name, pairs=_names(old, new), kernel=kernel, stride=stride, padding=padding,
                     dilation=dilation, ceil=bool(call["ceil"]), count_padding=bool(call["count_padding"]))  # fmt: skip


def _steps(call: Call, option: str, count: int) -> tuple[Size, ...]:
    """An option with one number of 1 or more for each axis."""
    values = call.per_axis(option, count)
    for value in values:
        number = value.constant()
        if number is not None and number < 1:
            raise call.fault("E0303", f"`{option}` must be 1 or more", call.at(option), f"this is {number}")
    return values


def _padding(call: Call, reach: Sequence[Size]) -> tuple[Size, ...]:
    """How much stands on each side of each axis; at most half a window, so that every window sees something."""
    if call["padding"] is None:
        return (Size.of(0),) * len(reach)
    if call["padding"] == "same":
        padding = tuple((size - 1) / 2 for size in reach)
        for size in padding:
            call.make.require_whole(size, call.at("padding"), "the padding `same` of an even kernel")
        return padding
    padding = call.per_axis("padding", len(reach))
    for size, most in zip(padding, reach, strict=True):
        if size.integer() is not None and size.integer() != 0:
            call.make.require_at_least(most // 2, size, "the padding of a window may be half of it", call.at("padding"), "E0303")
    return padding


def _windows(call: Call, axis: Axis, reach: Size, stride: Size, padding: Size) -> Size:
    """How many windows fit. With `ceil` a last one may hang over, if it begins on the axis or its padding before."""
    padded = axis.size + 2 * padding
    name = call.make.local(axis.name)
    fits = f"`{name}` with its padding is shorter than the kernel of `{call.name}`"
    call.make.require_at_least(padded, reach, fits, call.at("kernel"), "E0208")
    if padding != 0:
        along.not_empty(call, [axis])  # padding alone would do for the line above
    if call["ceil"]:
        return minimum(ceil((padded - reach) / stride) + 1, ceil((axis.size + padding) / stride))
    return (padded - reach) // stride + 1


def _made(call: Call, ref: AxisRef, size: Size) -> Axis:
    """The axis of windows; where the text gives it a size, that must be right."""
    if call.arrows and ref.given and ref.size is not None:
        call.make.require_equal(ref.size, size, f"axis `{ref.name}` of windows", ref.span)
    return call.make.declare(ref, size)


# ------------------------------------------------------------------ lowering


class _Shape:
    """How a tensor is laid out for PyTorch's pooling: `[batch, channel, windows..]`, and back."""

    def __init__(self, e: Emitter, node: Node) -> None:
        x = node.inputs[0]
        wide = node["how"] == "mean" and x.dtype in ("bool", "int")
        self.e = e
        self.value = e.wide(x) if wide else e.value(x)
        self.floats = wide or x.dtype in ("float", "wide")
        old, new = [before for before, _ in node["pairs"]], [after for _, after in node["pairs"]]
        before, after = {axis.name: axis for axis in x.axes}, {axis.name: axis for axis in node.axes}
        self.rest = [before[name] for name in self.value.axes if name not in old]
        self.old, self.new = [before[name] for name in old], [after[name] for name in new]

    @property
    def as_images(self) -> bool:
        """Whether the other axes are a batch and channels as they stand. PyTorch's kernels refuse no channels, so their number is known."""
        return len(self.rest) == 2 and bool(self.rest[1].size.constant())

    def batched(self) -> Any:
        """Exactly one batch and one channel dimension before the windows."""
        if self.as_images:
            return self.plain()
        return self.e.flat(self.value, [self.rest, [], *([axis] for axis in self.old)])

    def unbatched(self, fx: Any) -> Value:
        if self.as_images:
            return self.named(fx)
        return self.e.unflat(fx, [self.rest, [], *([axis] for axis in self.new)])

    def plain(self) -> Any:
        return self.e.order(self.value, [axis.name for axis in (*self.rest, *self.old)])

    def named(self, fx: Any) -> Value:
        return replace(self.value, fx=fx, axes=tuple(axis.name for axis in (*self.rest, *self.new)))


def _lower_adaptive(e: Emitter, node: Node) -> Value:
    """PyTorch's own kernels for means and maxima of floats over up to three axes; windows picked axis by axis otherwise."""
    shape, how = _Shape(e, node), node["how"]
    sizes = e.sizes(shape.new)
    if how == "sum" or not shape.floats or len(sizes) > 3:
        return shape.named(e.call("runtime.adaptive", shape.plain(), how, sizes))
    kind = "avg" if how == "mean" else "max"
    fx = shape.batched() if how != "min" else e.call("torch.neg", shape.batched())
    fx = e.call(f"torch.nn.functional.adaptive_{kind}_pool{len(sizes)}d", fx, sizes)
    return shape.unbatched(fx if how != "min" else e.call("torch.neg", fx))


def _lower_sliding(e: Emitter, node: Node) -> Value:
    shape, how = _Shape(e, node), node["how"]
    kernel, stride, padding = ([e.size(size) for size in node[option]] for option in ("kernel", "stride", "padding"))
    dilation = [e.size(size) for size in node["dilation"]]
    if not _has_kernel(node, shape):
        fx = e.call("runtime.sliding", shape.plain(), how, kernel, stride, padding, dilation, e.sizes(shape.new), node["count_padding"])
        return shape.named(fx)
    # What PyTorch takes for granted is left out of the text.
    common: dict[str, Any] = {} if stride == kernel else {"stride": stride}
    common |= {} if not any(padding) else {"padding": padding}
    common |= {"ceil_mode": True} if node["ceil"] else {}
    fx, count = shape.batched(), len(kernel)
    if how in ("max", "min"):
        pool = f"torch.nn.functional.max_pool{count}d"
        common |= {} if all(step == 1 for step in dilation) else {"dilation": dilation}
        if how == "max":
            return shape.unbatched(e.call(pool, fx, kernel, **common))
        return shape.unbatched(e.call("torch.neg", e.call(pool, e.call("torch.neg", fx), kernel, **common)))
    extra: dict[str, Any] = {"divisor_override": 1} if how == "sum" else {} if node["count_padding"] else {"count_include_pad": False}
    pool = "runtime.avg_pool3d" if count == 3 else f"torch.nn.functional.avg_pool{count}d"
    return shape.unbatched(e.call(pool, fx, kernel, **common, **extra))


def _has_kernel(node: Node, shape: _Shape) -> bool:
    """Whether PyTorch's pooling does this one."""
    count, how = len(node["pairs"]), node["how"]
    if not shape.floats or count > 3:
        return False
    return how in ("max", "min") or (all(step == 1 for step in node["dilation"]) and not (how == "sum" and count == 1))


def _window_cost(node: Node) -> Size:
    total = node.tensor.elements()
    for size in node["kernel"]:
        total = total * size
    return total


register(
    Operator(
        "adaptive",
        "reduction",
        "A reduction over a given number of windows (what `mean(x, H -> Y)` becomes).",
        None,
        lower=_lower_adaptive,
        cost=per_input,
    ),
    Operator(
        "sliding",
        "reduction",
        "A reduction over windows of a given size (what `mean(x, over=H, kernel=3)` becomes).",
        None,
        lower=_lower_sliding,
        cost=_window_cost,
    ),
)
