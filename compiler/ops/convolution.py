"""Convolutions: a kernel slides along axes, mixes others (`C -> E`), and is another one for every position of `each`.

Every form is one node: `inner` axes are contracted, `taps` slide, axes that tensor and kernel share group, and what only the kernel
has is made. Building says which axes are which, lowering puts them in PyTorch's order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..graph import Node
from ..lower.emitter import Emitter, Value
from ..sizes import Size, maximum, product
from ..types import Axis, DType, TensorType
from .axes import rename_axes
from .base import Call, Operator, Option, Signature, register
from .borders import pad_axes
from .kernels import Kernel, Roles, bias_of, kernel_of, roles_of
from .sliding import WORDS, Pair, paddings, places, require_fit, require_positive

MOST = 3
"""How many sliding axes PyTorch's convolutions take."""


# ---------------------------------------------------------------- building


def _build_conv(call: Call) -> Node:
    roles = roles_of(call)
    kernel = kernel_of(call, roles, transposed=False)
    count = len(roles.over)
    strides, dilations = call.per_axis("stride", count), call.per_axis("dilation", count)
    require_positive(call, "stride", strides)
    require_positive(call, "dilation", dilations)
    pads = paddings(call, count, kernel.sizes, dilations, keep=True)
    sizes: list[Size] = []
    for ref, pad, width, stride, dilation in zip(roles.over, pads, kernel.sizes, strides, dilations, strict=True):
        size = call.axis(ref).size
        require_fit(call, ref, size, pad, width, dilation)
        sizes.append(places(size, pad, width, stride, dilation))
    x = rename_axes(call.make, call.x, [(ref.symbol, name) for ref, name in zip(roles.inner, kernel.inner, strict=True)], call.span)
    inner = kernel.inner
    if count > MOST:
        x = _unfold_rest(call, x, roles, kernel, list(zip(pads, sizes, strides, dilations, strict=True)))
        inner = (*inner, *kernel.taps[MOST:])
    names = tuple(ref.symbol for ref in roles.over[:MOST])
    attrs = {
        "over": names,
        "taps": kernel.taps[:MOST],
        "inner": inner,
        "stride": strides[:MOST],
        "dilation": dilations[:MOST],
        "pads": pads[:MOST],
    }
    return _finish(call, "conv", roles, kernel, x, sizes, attrs)


def _unfold_rest(call: Call, x: Node, roles: Roles, kernel: Kernel, steps: Sequence[tuple[Pair, Size, Size, Size]]) -> Node:
    """Beyond three axes the windows are made as views, and their places contracted like channels."""
    from .windows import unfold_axis

    for ref, tap, width, (pad, size, stride, dilation) in list(zip(roles.over, kernel.taps, kernel.sizes, steps, strict=True))[MOST:]:
        x = pad_axes(call.make, x, [(ref.symbol, *pad)], call.span)
        x = unfold_axis(call.make, x, ref.symbol, Axis(ref.symbol, size), Axis(tap, width), stride, dilation, call.span)
    return x


def _finish(call: Call, op: str, roles: Roles, kernel: Kernel, x: Node, sizes: Sequence[Size], attrs: dict[str, Any]) -> Node:
    """The node, its bias, and the new names of the sliding axes."""
    lengths = {ref.symbol: size for ref, size in zip(roles.over, sizes, strict=True)}
    axes = [Axis(axis.name, lengths.get(axis.name, axis.size)) for axis in x.axes if axis.name not in attrs["inner"]]
    known = {*x.tensor.names, *kernel.taps}
    outs = [axis for axis in kernel.node.axes if axis.name not in known]
    dtype: DType = "float" if "float" in (x.dtype, kernel.node.dtype) else "wide"
    bias = bias_of(call, kernel)
    channels = {axis.name for axis in kernel.node.axes} - {*attrs["inner"], *kernel.taps}
    inside = bias is not None and {axis.name for axis in bias.axes} == channels
    inputs = (x, kernel.node, bias) if bias is not None and inside else (x, kernel.node)
    result = call.node(op, inputs, TensorType((*axes, *outs), dtype), **attrs)
    if bias is not None and not inside:
        result = call.do("add", result, bias)
    for ref, size in zip(roles.to, sizes, strict=True):
        if ref.given:
            call.make.require_equal(call.make.size_of(ref), size, f"the size given for `{ref.name}`", ref.span)
        call.make.declare(ref, size)
    return rename_axes(call.make, result, [(old.symbol, new.symbol) for old, new in zip(roles.over, roles.to, strict=True)], call.span)


def _build_transposed(call: Call) -> Node:
    roles = roles_of(call)
    count = len(roles.over)
    if count > MOST:
        raise call.fault(
            "E0209", f"`conv_transpose` slides along {MOST} axes at most", call.at("over"), f"these are {count}", "do it in two steps"
        )
    kernel = kernel_of(call, roles, transposed=True)
    strides, dilations, pads, extra = (call.per_axis(name, count) for name in ("stride", "dilation", "padding", "output_padding"))
    require_positive(call, "stride", strides)
    require_positive(call, "dilation", dilations)
    for pad, more, stride, dilation in zip(pads, extra, strides, dilations, strict=True):
        call.make.require_at_least(pad, Size.of(0), "`padding` is negative", call.at("padding"), "E0303")
        call.make.require_at_least(more, Size.of(0), "`output_padding` is negative", call.at("output_padding"), "E0303")
        most = maximum(stride, dilation)
        call.make.require_at_least(
            most, more + 1, "`output_padding` is below the stride or the dilation", call.at("output_padding"), "E0303"
        )
    sizes: list[Size] = []
    for ref, width, stride, dilation, pad, more in zip(roles.over, kernel.sizes, strides, dilations, pads, extra, strict=True):
        size = (call.axis(ref).size - 1) * stride - 2 * pad + dilation * (width - 1) + more + 1
        call.make.require_at_least(size, Size.of(1), f"nothing of `{ref.name}` is left after its padding", call.at("padding"), "E0207")
        sizes.append(size)
    x = rename_axes(call.make, call.x, [(ref.symbol, name) for ref, name in zip(roles.inner, kernel.inner, strict=True)], call.span)
    attrs = {
        "over": tuple(ref.symbol for ref in roles.over),
        "taps": kernel.taps,
        "inner": kernel.inner,
        "stride": strides,
        "dilation": dilations,
        "pads": pads,
        "extra": extra,
    }
    return _finish(call, "conv_transpose", roles, kernel, x, sizes, attrs)


# ---------------------------------------------------------------- lowering


@dataclass(frozen=True)
class Layout:
    """The axes of a convolution in PyTorch's order: batch, groups, channels before and after, sliding ones before and after."""

    rest: list[Axis]
    shared: list[Axis]
    inner: list[Axis]
    made: list[Axis]
    over: list[Axis]
    after: list[Axis]
    taps: list[Axis]

    @staticmethod
    def of(node: Node, order: Sequence[str]) -> Layout:
        """`order` is that of the tensor's axes as they come."""
        x, weight = node.inputs[:2]
        known = {axis.name: axis for axis in (*weight.axes, *x.axes)}
        inner, over, taps = node["inner"], node["over"], node["taps"]
        shared = [axis for axis in weight.axes if x.tensor.has(axis.name) and axis.name not in inner]
        names = {axis.name for axis in shared}
        rest = [known[name] for name in order if name not in names and name not in inner and name not in over]
        made = [axis for axis in weight.axes if not x.tensor.has(axis.name) and axis.name not in taps]
        after = [Axis(name, node.tensor.size(name)) for name in over]
        return Layout(rest, shared, [known[n] for n in inner], made, [known[n] for n in over], after, [known[n] for n in taps])

    def batched(self, channels: list[Axis], over: list[Axis]) -> list[list[Axis]]:
        """Groups of dimensions of the tensor; without a batch where there is none."""
        return [*([self.rest] if self.rest else []), channels, *([axis] for axis in over)]


def _values(e: Emitter, node: Node) -> list[Value]:
    """Tensor, kernel and bias in one kind of number."""
    if not any(source.dtype == "float" for source in node.inputs):
        return [e.wide(source) for source in node.inputs]
    like = next(e.value(source).fx for source in node.inputs if source.dtype == "float")
    values = [e.tensor(source) for source in node.inputs]
    return [
        value if source.dtype == "float" else Value(e.method("type_as", value.fx, like), value.axes)
        for source, value in zip(node.inputs, values, strict=True)
    ]


def _options(e: Emitter, node: Node, lists: dict[str, Sequence[Size]], groups: list[Axis]) -> dict[str, Any]:
    """Keyword arguments, those with PyTorch's defaults left out; one number where all are alike."""
    found: dict[str, Any] = {}
    for name, sizes in lists.items():
        default = 0 if "padding" in name else 1
        if all(size == sizes[0] for size in sizes):
            if sizes[0] != default:
                found[name] = e.size(sizes[0])
        else:
            found[name] = [e.size(size) for size in sizes]
    if groups:
        found["groups"] = e.size(product([axis.size for axis in groups]))
    return found


def _lower_conv(e: Emitter, node: Node) -> Value:
    values = _values(e, node)
    lay = Layout.of(node, values[0].axes)
    x = e.flat(values[0], lay.batched([*lay.shared, *lay.inner], lay.over))
    weight = e.flat(values[1], [[*lay.shared, *lay.made], lay.inner, *([axis] for axis in lay.taps)])
    bias = (e.flat(values[2], [[*lay.shared, *lay.made]]),) if len(values) > 2 else ()
    pads: tuple[Pair, ...] = node["pads"]
    padding = [before for before, _ in pads]
    if any(before != after for before, after in pads):
        x = e.call("torch.nn.functional.pad", x, [e.size(size) for pair in reversed(pads) for size in pair])
        padding = [Size.of(0)] * len(pads)
    options = _options(e, node, {"stride": node["stride"], "padding": padding, "dilation": node["dilation"]}, lay.shared)
    fx = e.call(f"torch.nn.functional.conv{len(pads)}d", x, weight, *bias, **options)
    return e.unflat(fx, lay.batched([*lay.shared, *lay.made], lay.after))


def _lower_transposed(e: Emitter, node: Node) -> Value:
    values = _values(e, node)
    lay = Layout.of(node, values[0].axes)
    x = e.flat(values[0], lay.batched([*lay.shared, *lay.inner], lay.over))
    weight = e.flat(values[1], [[*lay.shared, *lay.inner], lay.made, *([axis] for axis in lay.taps)])
    bias = (e.flat(values[2], [[*lay.shared, *lay.made]]),) if len(values) > 2 else ()
    lists = {"stride": node["stride"], "padding": node["pads"], "output_padding": node["extra"], "dilation": node["dilation"]}
    fx = e.call(f"torch.nn.functional.conv_transpose{len(lay.over)}d", x, weight, *bias, **_options(e, node, lists, lay.shared))
    return e.unflat(fx, lay.batched([*lay.shared, *lay.made], lay.after))


def _conv_cost(node: Node) -> Size:
    """Two operations for each result, tap and contracted channel."""
    x, weight = node.inputs[:2]
    depth = [x.tensor.size(name) for name in node["inner"]] + [weight.tensor.size(name) for name in node["taps"]]
    return node.tensor.elements() * product(depth) * 2


def _transposed_cost(node: Node) -> Size:
    """Two operations for each input, tap and made channel."""
    x, weight = node.inputs[:2]
    made = [axis.size for axis in weight.axes if not x.tensor.has(axis.name)]
    return x.tensor.elements() * product(made) * 2


SHARED = (
    Option("bias", "bool", True, "whether a learned number is added to every made channel"),
    Option("init", "init", None, "how the kernel starts; PyTorch's own by default"),
    Option("bias_init", "init", None, "how the bias starts, where there is one"),
    Option("each", "axes", None, "axes whose every position has a kernel of its own"),
    Option("weight", "tensor", None, "a given kernel instead of a learned one, with axes each, out, in and taps"),
    Option("taps", "axes", None, "the axes of a given `weight` that slide, in the order of `over`"),
)

register(
    Operator(
        "conv",
        "convolution",
        """Slide a kernel along axes and mix others.

`conv(C -> E, over=H W, kernel=3)` contracts `C`, makes `E` and slides along `H` and `W`; either side of the arrow may have several axes,
and `C -> 1` leaves none. Without an arrow nothing is mixed: `conv(over=C, kernel=5)`. `each=C` gives every channel a kernel of its own
(depthwise); `each=g` with an arrow is grouped. An odd kernel keeps the size at stride 1 unless `padding=` says otherwise (a number,
`[before, after]` in a list, `same`, `causal`). Values for single axes are lists in the order of `over`; `over=H W -> U V` gives the
results other names.
The weight is stored `[each*out, in, kernel..]`, the bias `[each*out]`. A given `weight=` that has axes of the tensor is another kernel at
each of their positions.""",
        _build_conv,
        Signature(
            axes="arrow?",
            over="list|arrow",
            options=(
                Option("kernel", "ints", None, "how many places the kernel has"),
                Option("stride", "ints", Size.of(1), "how far it moves"),
                Option("dilation", "ints", Size.of(1), "how far its places are apart"),
                Option("padding", "padding", None, "zeros before and after", WORDS),
                *SHARED,
            ),
        ),
        _lower_conv,
        _conv_cost,
        examples=(
            """\
# bind: C=3
block t(x: [*, C, H, W]) -> [*, E, U, V] {
    return conv(x, C -> E=4, over=H W -> U V, kernel=[3, 2], stride=2, padding=1)
}
""",
            """\
block t(x: [*, C]) -> [*, C] {
    return x * sigmoid(conv(x, over=C, kernel=3, bias=false))
}
""",
            """\
# bind: g=2, C=3
block t(x: [*, g, C, T]) -> [*, g, C, T] {
    y = conv(x, over=T, each=g C, kernel=3, padding=causal)
    return y + conv(x, C -> C, over=T, each=g, kernel=5)
}
""",
            """\
block t(x: [B, C, T], w: [B, E, C, k]) -> [B, E, T] {
    return conv(x, C -> E, over=T, weight=w, taps=k, padding=same, bias=false)
}
""",
        ),
    ),
    Operator(
        "conv_transpose",
        "convolution",
        """The transpose of `conv`: every position writes a kernel's worth of results, at `stride` places from the next.

Sizes become `(n - 1)*stride - 2*padding + dilation*(kernel - 1) + output_padding + 1`. The weight is stored as PyTorch does,
`[each*in, out, kernel..]`.""",
        _build_transposed,
        Signature(
            axes="arrow?",
            over="list|arrow",
            options=(
                Option("kernel", "ints", None, "how many places the kernel has"),
                Option("stride", "ints", Size.of(1), "how far apart the inputs write"),
                Option("dilation", "ints", Size.of(1), "how far its places are apart"),
                Option("padding", "ints", Size.of(0), "how many results are cut at both ends"),
                Option("output_padding", "ints", Size.of(0), "how many more results at the end"),
                *SHARED,
            ),
        ),
        _lower_transposed,
        _transposed_cost,
        examples=(
            """\
# bind: C=3
block t(x: [*, C, H, W]) -> [*, E, U, V] {
    return conv_transpose(x, C -> E=2, over=H W -> U V, kernel=[3, 2], stride=2, output_padding=[1, 0])
}
""",
            """\
# bind: g=2, C=3
block t(x: [*, g, C, T]) -> [*, g, E, U] {
    return conv_transpose(x, C -> E=2, over=T -> U, each=g, kernel=3, padding=1)
}
""",
        ),
    ),
)
