"""Overlapping windows (unfold, and fold, which adds them up again) and other sizes of an axis (resize); `sample` is in `sampling.py`."""

from __future__ import annotations

from typing import Any

from ...dsl.source import Span
from ..graph import Node
from ..lower.emitter import Emitter, Value
from ..sizes import Size, equal
from ..types import Axis, TensorType
from .axes import arrow_sides, free_sources
from .base import AxisRef, Call, Maker, Operator, Option, Signature, no_cost, per_input, register
from .borders import pad_axes
from .broadcast import wrong_kind
from .sliding import WORDS, paddings, places, require_fit, require_positive

# ---------------------------------------------------------------- unfold


def unfold_axis(make: Maker, x: Node, name: str, windows: Axis, inside: Axis, stride: Size, dilation: Size, span: Span) -> Node:
    """Axis `name` as overlapping windows: `windows` counts them, `inside` the positions of one. A view."""
    axes = (*x.tensor.without((name,)).axes, windows, inside)
    return make.node(
        "unfold", (x,), TensorType(axes, x.dtype), span, axis=name, to=(windows.name, inside.name), stride=stride, dilation=dilation
    )


def _window_arrows(call: Call, back: bool) -> list[tuple[AxisRef, AxisRef, AxisRef]]:
    """For each arrow the whole axis, the one that counts windows, and the one inside a window."""
    found: list[tuple[AxisRef, AxisRef, AxisRef]] = []
    for left, right in arrow_sides(call):
        one, two = (right, left) if back else (left, right)
        if len(one) != 1 or len(two) != 2:
            shape = "Y u -> H" if back else "H -> Y u=7"
            raise call.fault(
                "E0209",
                f"`{call.name}` needs two axes for windows: how many, and inside one",
                call.arrows[len(found)].span,
                "",
                f"write {shape}",
            )
        found.append((one[0], *two))
    return found


def _build_unfold(call: Call) -> Node:
    arrows = _window_arrows(call, back=False)
    x, now = free_sources(call, arrow_sides(call))
    count = len(arrows)
    kernels = [call.make.size_of(inside) for _, _, inside in arrows]
    strides, dilations = call.per_axis("stride", count), call.per_axis("dilation", count)
    require_positive(call, "stride", strides)
    require_positive(call, "dilation", dilations)
    for (_, _, inside), kernel in zip(arrows, kernels, strict=True):
        call.make.require_at_least(kernel, Size.of(1), f"a window along `{inside.name}` holds nothing", inside.span, "E0303")
    pads = paddings(call, count, kernels, dilations, keep=False)
    x = pad_axes(
        call.make, x, [(now[whole.symbol], *pad) for (whole, _, _), pad in zip(arrows, pads, strict=True)], call.span, call["fill"]
    )
    for (whole, windows, inside), kernel, stride, dilation, pad in zip(arrows, kernels, strides, dilations, pads, strict=True):
        size = call.axis(whole).size
        require_fit(call, whole, size, pad, kernel, dilation)
        many = places(size, pad, kernel, stride, dilation)
        if windows.given:
            call.make.require_equal(call.make.size_of(windows), many, f"the size given for `{windows.name}`", windows.span)
        made = call.make.declare(windows, many), call.make.declare(inside, kernel)
        x = unfold_axis(call.make, x, now[whole.symbol], *made, stride, dilation, call.span)
    return x


def _lower_unfold(e: Emitter, node: Node) -> Value:
    value = e.value(node.inputs[0])
    at = value.axes.index(node["axis"])
    windows, inside = node["to"]
    kernel, stride, dilation = node.tensor.size(inside), node["stride"], node["dilation"]
    fx = e.method("unfold", value.fx, at, e.size(dilation * (kernel - 1) + 1), e.size(stride))
    if dilation != 1:  # of every window only each `dilation`-th position, as a view
        fx = e.method("squeeze", e.method("unfold", fx, -1, 1, e.size(dilation)), -1)
    return Value(fx, (*value.axes[:at], windows, *value.axes[at + 1 :], inside))


# ---------------------------------------------------------------- fold


def _build_fold(call: Call) -> Node:
    if call.x.dtype in ("int", "bool"):
        raise wrong_kind(call, call.x, 0, "floating point numbers", "convert it: float(x)")
    arrows = _window_arrows(call, back=True)
    x, now = free_sources(call, arrow_sides(call))
    count = len(arrows)
    strides, dilations = call.per_axis("stride", count), call.per_axis("dilation", count)
    require_positive(call, "stride", strides)
    require_positive(call, "dilation", dilations)
    pads = paddings(call, count, [call.axis(inside).size for _, _, inside in arrows], dilations, keep=False)
    for (whole, windows, inside), stride, dilation, pad in zip(arrows, strides, dilations, pads, strict=True):
        many, kernel = call.axis(windows), call.axis(inside)
        size = _folded_size(call, whole, many.size, kernel.size, stride, dilation, pad)
        into = call.make.declare(whole, size)
        names = now[windows.symbol], now[inside.symbol]
        type = x.tensor.without(names).plus([into])
        x = call.node("fold", (x,), type, parts=names, axis=into.name, stride=stride, dilation=dilation, pad=pad)
    return x


def _folded_size(call: Call, whole: AxisRef, many: Size, kernel: Size, stride: Size, dilation: Size, pad: tuple[Size, Size]) -> Size:
    """The size given or known, where windows of it are as many; else what the windows cover."""
    if whole.given:
        size = call.make.size_of(whole)
        reason = f"windows over `{whole.name}` of size {size}"
        call.make.require_equal(places(size, pad, kernel, stride, dilation), many, reason, whole.span)
        return size
    if whole.size is not None and equal(places(whole.size, pad, kernel, stride, dilation), many) is True:
        return whole.size
    return (many - 1) * stride + dilation * (kernel - 1) + 1 - pad[0] - pad[1]


def _lower_fold(e: Emitter, node: Node) -> Value:
    """PyTorch knows images: here they have one column."""
    x = node.inputs[0]
    value, (windows, inside) = e.value(x), node["parts"]
    rest = [Axis(name, x.tensor.size(name)) for name in value.axes if name not in (windows, inside)]
    pad: tuple[Size, Size] = node["pad"]
    before, after = pad
    length = node.tensor.size(node["axis"])
    columns = e.flat(value, [rest, [Axis(inside, x.tensor.size(inside))], [Axis(windows, x.tensor.size(windows))]])
    full = length if before == after else length + before + after
    options: dict[str, Any] = {"stride": [e.size(node["stride"]), 1]}
    if node["dilation"] != 1:
        options["dilation"] = [e.size(node["dilation"]), 1]
    if before == after and before.constant() != 0:
        options["padding"] = [e.size(before), 0]
    fx = e.call("runtime.fold", columns, [e.size(full), 1], [e.size(x.tensor.size(inside)), 1], **options)
    if before != after:
        fx = e.call("torch.narrow", fx, 2, e.size(before), e.size(length))
    return e.unflat(fx, [rest, [], [Axis(node["axis"], length)], []])


register(
    Operator(
        "unfold",
        "windows",
        """Overlapping windows: `unfold(x, H -> Y u=24, stride=16, padding=4)` has `Y` windows of 24 positions each.

`Y` is `floor((H + before + after - dilation*(u - 1) - 1)/stride) + 1`. `padding` is a number, a list with one value (or
`[before, after]`) for each arrow, `same` or `causal`; `fill` stands in it. A view in memory.""",
        _build_unfold,
        Signature(
            axes="arrows",
            options=(
                Option("stride", "ints", Size.of(1), "how far one window is from the next"),
                Option("dilation", "ints", Size.of(1), "how far positions of a window are apart"),
                Option("padding", "padding", Size.of(0), "places before and after", WORDS),
                Option("fill", "float", 0, "what stands in the padding"),
            ),
        ),
        _lower_unfold,
        no_cost,
        examples=(
            """\
block t(x: [*, N, D]) -> [*, Y, D, u] {
    return unfold(x, N -> Y u=3, stride=2, padding=[[2, 1]], fill=0.5)
}
""",
            """\
block t(x: [*, H, W]) -> [*, Y, X] {
    w = unfold(x, H -> Y u=2, W -> X v=2, dilation=[1, 2], padding=2)
    return sum(w * w, u v)
}
""",
        ),
    ),
    Operator(
        "fold",
        "windows",
        """The adjoint of `unfold`: what overlaps is added up. `fold(y, Y u -> H, stride=16, padding=4)`.

`H` has the size given (`H=64`), else the size known here where windows of it are as many, else what the windows cover.""",
        _build_fold,
        Signature(
            axes="arrows",
            options=(
                Option("stride", "ints", Size.of(1), "how far one window is from the next"),
                Option("dilation", "ints", Size.of(1), "how far positions of a window are apart"),
                Option("padding", "padding", Size.of(0), "places before and after, which are dropped", WORDS),
            ),
        ),
        _lower_fold,
        per_input,
        examples=(
            """\
block t(x: [*, Y, u, D]) -> [*, H, D] {
    return fold(x, Y u -> H, stride=2)
}
""",
            """\
block t(x: [*, H, D]) -> [*, H, D] {
    return unfold(x, H -> Y u=3, padding=1) * 2 |> fold(Y u -> H, padding=1)
}
""",
        ),
    ),
)
