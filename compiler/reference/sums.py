"""Rules for sums of products: contractions, linear maps, and Fourier transforms."""

from __future__ import annotations

from math import pi, sqrt

import torch

from ..graph import Node
from .named import Named, contract, pointwise, reduced
from .rules import Run, rule


@rule("dot")
def _dot(run: Run, node: Node, inputs: list[Named]) -> Named:
    return contract([value.cast(node.dtype) for value in inputs], node["over"])


@rule("linear")
def _linear(run: Run, node: Node, inputs: list[Named]) -> Named:
    x, weight, *bias = (value.cast(node.dtype) for value in inputs)
    y = contract((x, weight), node["over"]).renamed(dict(zip(node["own"], node["made"], strict=True)))
    return pointwise(torch.add, y, bias[0]) if bias else y


# ---------------------------------------------------------------- Fourier


def _factor(norm: str, count: int, forward: bool) -> float:
    if norm == "ortho":
        return 1 / sqrt(count)
    return 1 / count if (norm == "forward") == forward else 1.0


def _waves(rows: int, columns: int, count: int, sign: int) -> torch.Tensor:
    """exp(sign * 2 pi i k n / count)."""
    turns = torch.arange(rows).unsqueeze(-1) * torch.arange(columns) % count
    angle = turns.double() * (2 * pi / count)
    return torch.complex(torch.cos(angle), sign * torch.sin(angle))


def _transformed(z: Named, axis: str, norm: str, forward: bool, kept: int) -> Named:
    """The first `kept` entries of the transform along one axis, which keeps its name."""
    count = z.size(axis)
    matrix = _waves(kept, count, count, -1 if forward else 1) * _factor(norm, count, forward)
    made = f"{axis} made"
    return contract((z, Named(matrix, (made, axis))), (axis,)).renamed({made: axis})


def _real(z: Named, axis: str, norm: str, count: int) -> Named:
    """The real numbers whose transform begins with `z`: entries that stand for two count twice."""
    bins = z.size(axis)
    twice = [1.0 if k == 0 or 2 * k == count else 2.0 for k in range(bins)]
    made = f"{axis} made"
    waves = Named(_waves(count, bins, count, 1) * _factor(norm, count, False), (made, axis))
    parts = pointwise(lambda a, b, c: torch.real(a * b) * c, z, waves, Named(torch.tensor(twice, dtype=torch.float64), (axis,)))
    return reduced(lambda data: data.sum(-1), parts, (axis,)).renamed({made: axis})


@rule("fft", "ifft", "rfft", "irfft")
def _fourier(run: Run, node: Node, inputs: list[Named]) -> Named:
    z, pairs, norm = inputs[0].cast("complex"), node["pairs"], node["norm"]
    last = pairs[-1][0]
    forward = node.op in ("fft", "rfft")
    for old, _ in pairs[:-1]:
        z = _transformed(z, old, norm, forward, z.size(old))
    if node.op == "irfft":
        z = _real(z, last, norm, run.size(node.tensor.size(pairs[-1][1])))
    else:
        z = _transformed(z, last, norm, forward, z.size(last) // 2 + 1 if node.op == "rfft" else z.size(last))
    return z.renamed(dict(pairs))
