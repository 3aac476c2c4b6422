"""Other sizes of an axis with the same content."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import isfinite

from ..graph import Node
from ..lower.emitter import Emitter, Value
from ..sizes import Size, floor
from ..types import Axis, TensorType
from .axes import arrow_sides, free_sources, rename_axes
from .base import AxisRef, Call, Operator, Option, Signature, register
from .broadcast import wrong_kind

RESIZES = ("nearest", "linear", "bilinear", "trilinear", "bicubic", "area")
"""The filters; `bilinear` and `trilinear` are other names for `linear` along two and three axes."""


def _build_resize(call: Call) -> Node:
    mode, refs, to = "linear" if call["mode"].endswith("linear") else call["mode"], *_resized(call)
    if call.x.dtype not in ("float", "wide"):
        raise wrong_kind(call, call.x, 0, "floating point numbers", "to pick positions, index: x[H=pos(U) * size(x, H) // size(U)]")
    if call["antialias"] and mode not in ("linear", "bicubic"):
        raise call.fault("E0304", f"`antialias` does not go with mode={mode}", call.at("antialias"), "", "it goes with linear and bicubic")
    if call["align_corners"] and mode not in ("linear", "bicubic"):
        raise call.fault(
            "E0304", f"`align_corners` does not go with mode={mode}", call.at("align_corners"), "", "it goes with linear and bicubic"
        )
    sizes = [_resized_size(call, old, new) for old, new in zip(refs, to, strict=True)]
    for ref, size in zip(to, sizes, strict=True):
        call.make.require_at_least(size, Size.of(1), f"nothing of `{ref.name}` would be left", ref.span, "E0207")
    x = call.x
    # How many axes go at once. Filters work axis by axis, so steps change nothing; the one against aliasing gives wrong numbers in
    # PyTorch 2.13 where the last of two axes has one position, so it gets one axis at a time, and that last.
    most = 1 if call["antialias"] else 2 if mode == "bicubic" else 3
    for start in range(0, len(refs), most):
        lengths = {ref.symbol: size for ref, size in zip(refs[start : start + most], sizes[start : start + most], strict=True)}
        axes = tuple(Axis(axis.name, lengths.get(axis.name, axis.size)) for axis in x.axes)
        x = call.node(
            "resize",
            (x,),
            TensorType(axes, x.dtype),
            axes=tuple(lengths),
            mode=mode,
            align_corners=call["align_corners"],
            antialias=call["antialias"],
        )
    for ref, size in zip(to, sizes, strict=True):
        call.make.declare(ref, size)
    return rename_axes(call.make, x, [(old.symbol, new.symbol) for old, new in zip(refs, to, strict=True)], call.span)


def _resized(call: Call) -> tuple[Sequence[AxisRef], Sequence[AxisRef]]:
    """The axes and their names after."""
    if call.axes:
        if call["scale"] is None and not any(ref.given for ref in call.axes):
            raise call.fault(
                "E0206", f"`{call.name}` needs the new sizes", call.axes[0].span, "", "write H W -> U=14 V=14, H -> H=2*H, or scale=2"
            )
        for ref in call.axes:
            call.axis(ref)
        return call.axes, call.axes
    refs: list[AxisRef] = []
    to: list[AxisRef] = []
    for arrow, (left, right) in zip(call.arrows, arrow_sides(call), strict=True):
        if len(left) != len(right):
            raise call.fault(
                "E0209", f"{len(left)} axes before the arrow, {len(right)} after it", arrow.span, "one for each", "write H W -> U V"
            )
        refs.extend(left)
        to.extend(right)
    free_sources(call, [(tuple(refs), tuple(to))])
    return refs, to


def _resized_size(call: Call, old: AxisRef, new: AxisRef) -> Size:
    scale = call["scale"]
    if scale is None:
        if new.symbol == old.symbol and not new.given:
            raise call.fault(
                "E0206",
                f"the new size of `{new.name}` is not said",
                new.span,
                "",
                f"write {old.name} -> {new.name}=2*{new.name}, or scale=2",
            )
        return call.make.size_of(new)
    if new.given:
        raise call.fault("E0304", "`scale` and a size exclude each other", new.span, "this is a size", "leave one out")
    if not isfinite(scale):
        raise call.fault("E0303", f"`scale` must be a finite number, this is {scale}", call.at("scale"))
    factor = Fraction(scale).limit_denominator(1 << 16)
    if factor <= 0:
        raise call.fault("E0303", f"`scale` must be above 0, this is {scale}", call.at("scale"))
    return floor(call.axis(old).size * factor)


def _lower_resize(e: Emitter, node: Node) -> Value:
    x, names, mode = node.inputs[0], node["axes"], node["mode"]
    value = e.value(x)
    inner = sorted(names, key=value.axes.index)
    rest = [Axis(name, x.tensor.size(name)) for name in value.axes if name not in names]
    # PyTorch refuses no channels: what may be nothing is a batch.
    batch = [rest[:1], rest[1:]] if all(axis.size.constant() for axis in rest[1:]) else [rest, []]
    # The cubic filter and the one against aliasing want two axes; a first one of size 1 changes nothing.
    images = mode == "bicubic" or node["antialias"]
    extra: list[list[Axis]] = [[]] if images and len(inner) == 1 else []
    fx = e.flat(value, [*batch, *extra, *([Axis(name, x.tensor.size(name))] for name in inner)])
    size = [*(1 for _ in extra), *(e.size(node.tensor.size(name)) for name in inner)]
    word = {1: "linear", 2: "bilinear", 3: "trilinear"}[len(inner) + len(extra)] if mode == "linear" else mode
    options = {name: True for name in ("align_corners", "antialias") if node[name]}
    fx = e.call("torch.nn.functional.interpolate", fx, size=size, mode=word, **options)
    return e.unflat(fx, [*batch, *extra, *([Axis(name, node.tensor.size(name))] for name in inner)])


def _resize_cost(node: Node) -> Size:
    """Two operations for each result, axis and neighbour."""
    neighbours = {"nearest": 0, "linear": 2, "bicubic": 4, "area": 2}[node["mode"]]
    return node.tensor.elements() * (2 * neighbours * len(node["axes"]))


register(
    Operator(
        "resize",
        "windows",
        """The same content at other sizes: `resize(x, H W -> U=14 V=14)`, `resize(x, H -> H=2*H)`, `resize(x, H W, scale=2)`.

`mode` is nearest, linear (along all the axes), bicubic or area (means). `align_corners` puts the outermost positions on each other,
`antialias` widens the filter when sizes shrink. Positions are what `torch.nn.functional.interpolate` takes.""",
        _build_resize,
        Signature(
            axes="list|arrows",
            options=(
                Option("scale", "float", None, "a factor for all the axes; sizes are rounded down"),
                Option("mode", "word", "linear", "the filter", RESIZES),
                Option("align_corners", "bool", False, "whether first and last positions stay in place"),
                Option("antialias", "bool", False, "whether the filter is widened when shrinking"),
            ),
        ),
        _lower_resize,
        _resize_cost,
        examples=(
            """\
block t(x: [*, H, W]) -> [*, U, V] {
    return resize(x, H W -> U=4 V=7)
}
""",
            """\
block t(x: [*, N]) -> [*, M] {
    return resize(x, N, scale=2, mode=bicubic) + resize(x, N, scale=2, mode=nearest) |> rename(N -> M)
}
""",
        ),
    ),
)
