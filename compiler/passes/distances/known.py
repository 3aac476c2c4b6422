"""A mask that is known before any run, and the bias with it: both are one tensor, which is made once."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ...graph import Node
from ...ops.attend_way import attend_way, roles
from ...ops.mask_rows import always_sees
from ...ops.pairs import by_positions
from ...prepared import LARGEST
from ...types import TensorType
from ..making import Make, union

IN_BLOCKS = 1 << 21
"""From so many pairs on a mask of positions is left to blocks."""


def known_bias(make: Make, node: Node, extras: Mapping[str, Node], known: Collection[Node]) -> Node | None:
    """The bias of a fused attention with its mask inside, -inf where that refuses; None where a run may change one of them, where a row
    may be without any key, and where the mask costs less as it is. `extras`: what the options have become, `known`: what no run changes."""
    old, layout = roles(node), attend_way(node).layout
    told = [old.extras[name] for name in ("bias", "where") if name in old.extras]
    if "where" not in extras or layout is None or layout.causal or layout.planned is not None or not all(one in known for one in told):
        return None
    mask, bias = extras["where"], extras.get("bias") or make.scalar(0.0)
    if not any(mask.tensor.has(key) for key in old.keys):
        return None
    count = TensorType(union((mask, bias))).elements().integer()
    if (
        count is None
        or count > LARGEST
        or (count >= IN_BLOCKS and by_positions(old, layout) is not None)
        or not always_sees(mask, old.keys)
    ):
        return None
    return make.where(mask, bias, make.scalar(float("-inf")))
