"""The rule for `resize`: along each axis a matrix of how much every new position takes of every old one."""

from __future__ import annotations

from collections.abc import Callable
from math import floor

import torch

from ..graph import Node
from .named import Named, contract
from .rules import Run, rule

Row = dict[int, float]


def _triangle(x: float) -> float:
    return max(0.0, 1 - abs(x))


def _cubic(a: float) -> Callable[[float], float]:
    """Keys' piecewise cubic."""

    def value(x: float) -> float:
        x = abs(x)
        if x < 1:
            return ((a + 2) * x - (a + 3)) * x * x + 1
        return ((x - 5) * x + 8) * x * a - 4 * a if x < 2 else 0.0

    return value


def _source(i: int, n: int, m: int, corners: bool) -> float:
    """The old coordinate of a new position."""
    if corners:
        return i * (n - 1) / (m - 1) if m > 1 else 0.0
    return (i + 0.5) * n / m - 0.5


def _nearest(i: int, n: int, m: int) -> Row:
    return {min(i * n // m, n - 1): 1.0}


def _area(i: int, n: int, m: int) -> Row:
    seen = range(i * n // m, -(-(i + 1) * n // m))
    return {j: 1 / len(seen) for j in seen}


def _linear(i: int, n: int, m: int, corners: bool) -> Row:
    at = max(_source(i, n, m, corners), 0.0)
    first = min(floor(at), n - 1)
    row: Row = {first: 1 - (at - first)}
    second = min(first + 1, n - 1)
    row[second] = row.get(second, 0.0) + (at - first)
    return row


def _bicubic(i: int, n: int, m: int, corners: bool) -> Row:
    at, weight = _source(i, n, m, corners), _cubic(-0.75)
    row: Row = {}
    for j in range(floor(at) - 1, floor(at) + 3):
        place = min(max(j, 0), n - 1)
        row[place] = row.get(place, 0.0) + weight(at - j)
    return row


def _filtered(i: int, n: int, m: int, corners: bool, weight: Callable[[float], float], reach: float) -> Row:
    """A filter as wide as a new position, over what it sees, adding up to one."""
    scale = ((n - 1) / (m - 1) if m > 1 else 0.0) if corners else n / m
    wide = max(scale, 1.0)
    center = scale * (i + 0.5)
    low, high = max(int(center - reach * wide + 0.5), 0), min(int(center + reach * wide + 0.5), n)
    row = {j: weight((j - center + 0.5) / wide) for j in range(low, high)}
    total = sum(row.values())
    return {j: value / total for j, value in row.items()} if total else row


def _row(node: Node, i: int, n: int, m: int) -> Row:
    mode, corners = node["mode"], bool(node["align_corners"])
    if mode in ("nearest", "area"):
        return _nearest(i, n, m) if mode == "nearest" else _area(i, n, m)
    if node["antialias"]:
        return _filtered(i, n, m, corners, *((_triangle, 1.0) if mode == "linear" else (_cubic(-0.5), 2.0)))
    return _linear(i, n, m, corners) if mode == "linear" else _bicubic(i, n, m, corners)


@rule("resize")
def _resize(run: Run, node: Node, inputs: list[Named]) -> Named:
    value = inputs[0].cast("wide")
    for name in node["axes"]:
        n, m = value.size(name), run.size(node.tensor.size(name))
        matrix = torch.zeros(m, n, dtype=torch.float64)
        for i in range(m):
            for j, weight in _row(node, i, n, m).items():
                matrix[i, j] += weight
        made = f"{name} made"
        value = contract((value, Named(matrix, (made, name))), (name,)).renamed({made: name})
    return value
