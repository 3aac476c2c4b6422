"""What sliding operators share: paddings, the number of places a kernel has, and where the padding goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...dsl.source import Span
from ..sizes import Size, at_least, floor
from .base import AxisRef, Call

Pair = tuple[Size, Size]
WORDS = ("same", "causal")
ZERO = Size.of(0)


def places(size: Size, pad: Pair, kernel: Size, stride: Size, dilation: Size) -> Size:
    """How many places a kernel has along an axis: `floor((n + before + after - dilation*(kernel - 1) - 1)/stride) + 1`."""
    return floor((size + pad[0] + pad[1] - dilation * (kernel - 1) - 1) / stride) + 1


def require_fit(call: Call, ref: AxisRef, size: Size, pad: Pair, kernel: Size, dilation: Size) -> None:
    """A Fault E0208 (or a guard) where the kernel is longer than the padded axis."""
    reach, room = dilation * (kernel - 1) + 1, size + pad[0] + pad[1]
    why = f"the kernel covers {reach} places of `{ref.name}`, which has {size}" + (f" ({room} with its padding)" if room != size else "")
    call.make.require_at_least(room, reach, why, call.at("kernel") if "kernel" in call.options else ref.span, "E0208")


def require_positive(call: Call, option: str, values: Sequence[Size]) -> None:
    """Strides, dilations and kernels are 1 or more."""
    for value in values:
        if at_least(value, 1) is False:
            raise call.fault("E0303", f"`{option}` must be 1 or more, this is {value}", call.at(option))


def paddings(call: Call, count: int, kernels: Sequence[Size], dilations: Sequence[Size], keep: bool) -> tuple[Pair, ...]:
    """The option `padding` as (before, after) for each axis. With `keep` an odd kernel without `padding` keeps the size at stride 1."""
    value: Any = call["padding"]
    if value is None:
        return tuple(_keeping(call, k, d) if keep else (ZERO, ZERO) for k, d in zip(kernels, dilations, strict=True))
    if value == "same":
        return tuple(_same(k, d) for k, d in zip(kernels, dilations, strict=True))
    if value == "causal":
        return tuple((d * (k - 1), ZERO) for k, d in zip(kernels, dilations, strict=True))
    items: Sequence[Any] = (value,) * count if isinstance(value, Size) else value
    if len(items) != count:
        raise call.fault(
            "E0303",
            f"`padding` has {len(items)} values, and the axes that slide are {count}",
            call.at("padding"),
            "one for each axis",
            "before and after are a list inside the list: padding=[[2, 0]]",
        )
    return tuple(_pair(call, item) for item in items)


def _keeping(call: Call, kernel: Size, dilation: Size) -> Pair:
    number = kernel.integer()
    if number is None:
        call.make.require_whole((kernel - 1) / 2, call.span, "half of a kernel of dynamic size, which needs `padding=` where it is even,")
    elif number % 2 == 0:
        return ZERO, ZERO
    half = dilation * (kernel - 1) / 2
    return half, half


def _same(kernel: Size, dilation: Size) -> Pair:
    before = floor(dilation * (kernel - 1) / 2)
    return before, dilation * (kernel - 1) - before


def _pair(call: Call, item: Size | tuple[Size, ...]) -> Pair:
    pair = (item, item) if isinstance(item, Size) else item
    if len(pair) != 2:
        raise call.fault("E0303", f"a padding has {len(pair)} values", call.at("padding"), "before and after", "write [before, after]")
    for size in pair:
        if at_least(size, 0) is False:
            raise call.fault("E0207", f"a padding of {size} is negative", call.at("padding"), "", "cut the axis instead: x[H=1..-1]")
    return pair


def kept_names(call: Call, left: Sequence[AxisRef], right: Sequence[AxisRef], span: Span) -> None:
    """`over=H W -> U V` has one name on the right for each on the left."""
    if len(left) != len(right):
        raise call.fault(
            "E0209", f"{len(left)} axes before the arrow, {len(right)} after it", span, "one for each", "write over=H W -> U V"
        )
    for ref in (*left, *right):
        if ref.is_number:
            raise call.fault("E0209", f"`{ref.name}` is a number, an axis is needed", ref.span)
