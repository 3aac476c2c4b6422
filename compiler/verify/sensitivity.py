"""How much rounding matters to a program: the reference again, with every number it computes moved by what rounding may move it.

Asked only where an error is larger than the formula allows: a program that divides by small numbers, or picks the largest of nearly equal
ones, blows up rounding in every order of evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod, sqrt

import torch
from torch import Tensor

from ..graph import Graph, Node
from ..reference.named import Named
from ..types import TupleType
from .bench import Bench
from .differences import Answer, distance

RUNS = 3
SAFETY = 8
"""An error may be this many times the largest that the experiment saw: it sees few of all possible roundings."""
GIVEN = frozenset({"input", "weight", "scalar", "param", "pos", "size"})
"""These are as they are given."""


def spread(bench: Bench, graph: Graph, dtype: torch.dtype) -> Mapping[str, float]:
    """By name, how far rounding in `dtype` may move each result, state and gradient."""
    plain = bench.reference(graph).answer
    if plain is None:
        return {}
    found = dict.fromkeys((*plain.values, *plain.slopes), 0.0)
    for seed in range(RUNS):
        moved = bench.interpreted(graph, _Noise(seed, torch.finfo(dtype).eps)).answer
        if moved is not None:
            for name, far in _apart(plain, moved).items():
                found[name] = max(found[name], far)
    return {name: SAFETY * far for name, far in found.items()}


def _apart(left: Answer, right: Answer) -> dict[str, float]:
    pairs = ((left.values, right.values), (left.slopes, right.slopes))
    return {name: distance(x, others[name]) for mine, others in pairs for name, x in mine.items()}


class _Noise:
    """Moves a value by up to one rounding of itself; a sum by one of its largest number for each root of its length."""

    def __init__(self, seed: int, eps: float) -> None:
        self.source = torch.Generator().manual_seed(seed)
        self.eps = eps

    def __call__(self, node: Node, value: Named) -> Named:
        x = value.data
        if node.op in GIVEN or not (x.is_floating_point() or x.is_complex()) or not x.numel():
            return value
        return Named(x + self._noise(x.detach(), _length(node, value)), value.axes)

    def _noise(self, x: Tensor, length: int) -> Tensor:
        size = x.abs()
        scale = size if length == 1 else sqrt(length) * torch.where(size.isfinite(), size, 0).max()
        draw = 2 * torch.rand(x.shape, generator=self.source, dtype=torch.float64) - 1
        noise = self.eps * draw * scale
        return torch.where(noise.isfinite(), noise, 0)


def _length(node: Node, value: Named) -> int:
    """How many numbers of the inputs go into one of the result, where the axes that are gone say so."""
    gone: dict[str, int] = {}
    for source in node.inputs:
        for axis in () if isinstance(source.type, TupleType) else source.axes:
            if axis.name not in value.axes:
                gone[axis.name] = axis.size.integer() or 8
    return max(prod(gone.values()), 1)
