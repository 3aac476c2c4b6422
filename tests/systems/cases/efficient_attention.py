"""Efficient attention in plain PyTorch, through the map of all pairs."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from ..plain import dense as linear
from ..plain import heads, joined
from ..support import Case, Weights, part


def efficient(w: Weights, x: Tensor, count: int, scaling: bool = False) -> Tensor:
    q, k, v = (heads(linear(w, name, x), count) for name in "qkv")
    if scaling:
        q, k = q / x.shape[-2] ** 0.5, k / x.shape[-2] ** 0.5
    else:
        q, k = q.softmax(-1), k.softmax(-2)
    return linear(w, "out", joined(q @ k.mT @ v))


def module(w: Weights, x: Tensor, count: int, scaling: bool = False) -> Tensor:
    """As the released class: an image, whose places are the positions, and what is added to it."""
    y = efficient(part(w, "attention"), x.flatten(2).mT, count, scaling)
    return x + y.mT.reshape(x.shape)


SIZES = {"C": 8, "heads": 2, "keys": 6, "values": 10}
CASES = [
    *[
        Case("std.systems.efficient_attention", "efficient_module", partial(module, count=2, scaling=norm == "scaling"),
             ((2, 8, 5, 7),), {**SIZES, "norm": norm}, {"H": 5, "W": 7})
        for norm in ("softmax", "scaling")
    ],
    Case("std.linear", "efficient_attention", partial(efficient, count=3), ((2, 7, 12),), {"D": 12, "heads": 3}, {"N": 7}),
]  # fmt: skip
