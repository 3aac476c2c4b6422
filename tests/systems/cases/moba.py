"""Mixture of block attention in plain PyTorch, as the released naive function: a gate for each block, and one softmax."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..plain import attention, causal
from ..support import Case, Weights


def moba(w: Weights, q: Tensor, k: Tensor, v: Tensor, size: int = 512, top: int = 3) -> Tensor:
    """q: [.., N, d]; with fewer heads of keys than of queries, those of k and v are repeated."""
    if k.dim() < q.dim():
        k, v = (z.unsqueeze(-3).expand(*q.shape[:-2], -1, -1) for z in (k, v))
    return attention(q, k, v, seen(q, k, size, top))


def seen(q: Tensor, k: Tensor, size: int, top: int) -> Tensor:
    n = q.shape[-2]
    means = torch.stack([part.mean(-2) for part in k.split(size, -2)], -2)
    blocks, own = torch.arange(math.ceil(n / size)), torch.arange(n)[:, None] // size
    gate = (q @ means.mT).masked_fill(blocks > own, -torch.inf).masked_fill(blocks == own, torch.inf)
    best, at = gate.topk(min(top, len(blocks)), -1)
    keep = torch.zeros_like(gate, dtype=torch.bool).scatter(-1, at, True) & (gate >= best.amin(-1, True))
    return keep.repeat_interleave(size, -1)[..., :n] & causal(n)


QKV = ((2, 3, 9, 6),) * 3
WAYS: list[dict[str, Any]] = [{"size": 4, "top": 2}, {"size": 2, "top": 3}, {"size": 4, "top": 1}, {"size": 3, "top": 5}, {}]
GROUPED = """attn 1
use std.sparse (moba)

block grouped(q: [*, g, h, N, d], k: [*, g, N, d], v: [*, g, N, e]) -> [*, g, h, N, e] {
    return moba(q, k, v, size=4, top=2)
}
"""
CASES = [
    *[Case("std.sparse", "moba", partial(moba, **way), QKV, way, {"N": 9, "d": 6, "e": 6}, half=False) for way in WAYS],
    Case("", "grouped", partial(moba, size=4, top=2), ((2, 2, 3, 9, 6), (2, 2, 9, 6), (2, 2, 9, 6)),
         free={"N": 9, "d": 6, "e": 6}, half=False, program=GROUPED),
]  # fmt: skip
