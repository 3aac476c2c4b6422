"""Places of a kernel that never meet a number: on a short axis a wide or dilated kernel hangs over both ends, into the zeros around it."""

from __future__ import annotations

from typing import Any

from ...graph import Node
from ...sizes import Size
from .bits import full, length, positions


def met(node: Node) -> dict[str, int]:
    """For each sliding axis of a convolution's kernel the places that count, where these are fewer than there are: neighbours that leave
    a padding of zero or more at both ends, so that what is left is a convolution too."""
    found: dict[str, int] = {}
    x, weight = node.inputs[:2]
    for axis, tap, stride, dilation, pad in zip(*(node[name] for name in ("over", "taps", "stride", "dilation", "pads")), strict=True):
        known = [length(x, axis), length(node, axis), length(weight, tap), *(size.integer() for size in (stride, dilation, *pad))]
        numbers = [number for number in known if number is not None]
        if len(numbers) == len(known):
            kept = _kept(*numbers)
            if kept != full(numbers[2]):
                found[tap] = kept
    return found


def _kept(count: int, results: int, taps: int, stride: int, dilation: int, before: int, after: int) -> int:
    """The places of one axis: of `count` numbers with padding `before` and `after`, `taps` places `dilation` apart, `results` steps."""
    reach = range(-before, results * stride - before, stride)
    live = [tap for tap in range(taps) if any(0 <= start + tap * dilation < count for start in reach)]
    if not live or before < 0 or after < 0:
        return full(taps)
    first = min(live[0], before // dilation)
    last = max(live[-1], taps - 1 - after // dilation)
    return full(last - first + 1) << first


def narrower(node: Node, need: dict[str, int]) -> dict[str, Any]:
    """The options of a convolution whose kernel is cut to these places: what is missing at an end is no longer padded for."""
    pads: list[tuple[Size, Size]] = []
    for tap, dilation, (before, after) in zip(node["taps"], node["dilation"], node["pads"], strict=True):
        count = length(node.inputs[1], tap)
        if tap in need and count is not None:
            left = positions(need[tap])
            before, after = before - dilation * left[0], after - dilation * (count - 1 - left[-1])
        pads.append((before, after))
    return {**node.options, "pads": tuple(pads)}
