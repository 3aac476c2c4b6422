"""Generalized neighborhood attention in plain PyTorch, under a mask that loops write down from the definition."""

from __future__ import annotations

import math
from functools import partial, reduce
from typing import Any

import torch
from torch import Tensor

from ..plain import attention, dense
from ..support import Case, Weights


def mask(n: int, kernel: int, stride: int = 1, dilation: int = 1, causal: bool = False) -> Tensor:
    """Which keys a query sees along one axis."""
    seen = torch.zeros(n, n, dtype=torch.bool)
    for query in range(n):
        g, i = query % dilation, query // dilation
        length = math.ceil((n - g) / dilation)
        if causal:
            leader = min(i // stride * stride + stride - 1, length - 1)
            start, stop = max(leader - kernel + 1, 0), i + 1
        else:
            leader = min(i // stride * stride + stride // 2, length - 1)
            right = kernel // 2 + kernel % 2 - 1
            start = length - kernel if leader + right >= length else max(leader - kernel // 2, 0)
            stop = start + kernel
        for j in range(start, stop):
            seen[query, g + j * dilation] = True
    return seen


def together(*masks: Tensor) -> Tensor:
    """Masks of single axes as one over all of them, flattened."""
    return reduce(lambda whole, one: torch.kron(whole.int(), one.int()).bool(), masks)


def gna(w: Weights, x: Tensor, *extra: Tensor, seen: Tensor, count: int = 2) -> Tensor:
    """x: [B, .., D] with any number of axes of positions; extra keys and values [B, h, M, d] are seen by all."""
    tokens = x.flatten(1, -2)
    q, k, v = dense(w, "qkv", tokens).unflatten(-1, (3, count, -1)).permute(2, 0, 3, 1, 4)
    if extra:
        k, v = torch.cat((k, extra[0]), -2), torch.cat((v, extra[1]), -2)
        seen = torch.cat((seen, torch.ones(len(seen), extra[0].shape[-2], dtype=torch.bool)), -1)
    return dense(w, "out", attention(q, k, v, seen).transpose(1, 2).flatten(-2)).reshape(x.shape)


def only_mask(w: Weights, **way: Any) -> Tensor:
    return mask(17, **way)


def speedup(w: Weights, see: Tensor, queries: int, keys: int) -> Tensor:
    """All tiles over those in which some pair attends."""
    rows, columns = (range(0, len(see), side) for side in (queries, keys))
    visited = sum(bool(see[i : i + queries, j : j + keys].any()) for i in rows for j in columns)
    return torch.tensor(len(rows) * len(columns) / visited, dtype=torch.float64)


LINES: list[dict[str, Any]] = [
    {"kernel": 3}, {"kernel": 4, "stride": 2}, {"kernel": 5, "stride": 5}, {"kernel": 3, "stride": 2, "dilation": 3},
    {"kernel": 4, "stride": 3, "dilation": 2, "causal": True}, {"kernel": 17},
]  # fmt: skip
PLANES: list[dict[str, Any]] = [
    {"kernel": [3, 3]}, {"kernel": [4, 5], "stride": [2, 3]}, {"kernel": [2, 3], "dilation": [2, 2]},
    {"kernel": [3, 4], "stride": [1, 2], "causal": [True, True]},
]  # fmt: skip
VIDEO: dict[str, Any] = {"kernel": [3, 2, 3], "stride": [1, 1, 2], "causal": [True, False, False]}


def over(shape: tuple[int, ...], way: dict[str, Any]) -> Tensor:
    """The mask of several axes, each with its own entry of every option."""
    return together(*[mask(n, **{name: values[i] for name, values in way.items()}) for i, n in enumerate(shape)])


def plane(way: dict[str, Any], *extra: tuple[int, ...], **options: Any) -> Case:
    reference = partial(gna, seen=over((5, 7), way))
    return Case("std.neighborhood", "gna_2d", reference, ((2, 5, 7, 8), *extra), {"D": 8, "heads": 2, **way}, {"H": 5, "W": 7}, **options)


CASES = [
    *[plane(way) for way in PLANES],
    plane(PLANES[1], (2, 2, 3, 4), (2, 2, 3, 4), given=("extra_k", "extra_v")),
    *[Case("std.neighborhood", "gna_1d", partial(gna, seen=mask(17, **way)), ((2, 17, 8),), {"D": 8, "heads": 2, **way}, {"N": 17})
      for way in LINES[1:5:3]],
    Case("std.neighborhood", "gna_3d", partial(gna, seen=over((4, 3, 5), VIDEO)), ((2, 4, 3, 5, 8),), {"D": 8, "heads": 2, **VIDEO},
         {"T": 4, "H": 3, "W": 5}),
    *[Case("std.neighborhood", "neighborhood", partial(only_mask, **way), (), {"N": 17, **way}, lead=False, half=False) for way in LINES],
    Case("std.neighborhood", "tile_speedup", partial(speedup, queries=4, keys=3), (mask(17, 5, 2),), {"queries": 4, "keys": 3}, {"N": 17},
         lead=False, half=False),
]  # fmt: skip
