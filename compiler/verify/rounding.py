"""How far rounding may take two computations of one value apart. docs/verify.md explains the formula."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod, sqrt

import torch

from ..graph import Node
from ..reference.named import Named
from ..types import TupleType

STEPS = 8
"""Units in the last place that one number may be off by: functions of PyTorch are exact to a few, and errors pass through a handful of
operations that each keep or double them."""
SLOPES = 8
"""A gradient goes through the formulas twice, and adds up along what the results do not."""
UNKNOWN = 8
"""The length of an axis whose size is not said, where only the order of magnitude counts."""


@dataclass
class Rounding:
    """Gathers how long the sums of a program are, and how large its numbers: a watcher of the reference."""

    length: float = 0.0
    largest: float = 1.0
    empty: bool = False
    """Whether some value has no numbers."""

    def watch(self, node: Node, value: Named) -> None:
        sizes: dict[str, int] = dict(value.sizes)
        kept = prod(sizes.values())
        self.empty = self.empty or kept == 0
        self.length += sqrt(max(prod(_all_sizes(node, sizes).values()) // max(kept, 1), 1))
        if value.data.is_floating_point() or value.data.is_complex():
            finite = value.data.detach().abs()
            finite = finite[finite.isfinite()]
            self.largest = max(self.largest, float(finite.max()) if finite.numel() else 0.0)

    def bound(self, dtype: torch.dtype = torch.float64) -> float:
        """Every addition and function may be off by some units in the last place of the largest number."""
        return STEPS * torch.finfo(dtype).eps * self.length * self.largest

    def slope_bound(self, largest: float, dtype: torch.dtype = torch.float64) -> float:
        """The same for gradients, of which `largest` is the largest number."""
        return SLOPES * self.bound(dtype) * max(1.0, largest)


def _all_sizes(node: Node, sizes: dict[str, int]) -> dict[str, int]:
    """The axes of a value and those that its operation adds up along."""
    known = dict(sizes)
    for source in node.inputs:
        for axis in () if isinstance(source.type, TupleType) else source.axes:
            whole = axis.size.integer()
            known.setdefault(axis.name, whole if whole is not None else UNKNOWN)
    return known
