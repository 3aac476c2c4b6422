"""Heads that a mask has switched off for good."""

from __future__ import annotations

from functools import partial

import torch
from harness.row import Program, Row, Run, Weights, Work, drawn, filled
from torch import Tensor
from torch.nn import functional as fn

import attn

from .plain import MultiHead

TEXT = """block pruned(x: [*, N, D], heads: int) -> [*, N, D] {{
    axis h = heads, d = D / heads
    const live: [h] = [{0}]
    q = linear(x, D -> h d)
    k = linear(x, D -> h d)
    v = linear(x, D -> h d)
    return attend(q, k, v, over=N, dot=d) * live |> linear(h d -> D) as out
}}
"""


class HeadMask(MultiHead):
    """Multi-head attention whose weights are multiplied by a mask of the heads."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads)
        self.mask = (torch.arange(heads) % 2 == 0).view(1, heads, 1, 1)

    def core(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        weights = torch.softmax(q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5, dim=-1)
        return weights * self.mask @ v


class FusedHeadMask(HeadMask):
    """The same mask behind PyTorch's fused attention."""

    def core(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return fn.scaled_dot_product_attention(q, k, v) * self.mask


def pruned(batch: int, tokens: int, width: int, heads: int) -> Work:
    def fused(weights: Weights) -> Run:
        return filled(FusedHeadMask(width, heads), weights)

    live = ", ".join("01"[head % 2 == 0] for head in range(heads))
    return Work(
        program=Program(attn.text(TEXT.format(live)), bind={"D": width, "heads": heads}),
        author=partial(HeadMask, width, heads),
        inputs=(drawn(batch, tokens, width),),
        peers={"SDPA, then mask": fused},
        flops=batch * tokens * (8 * width**2 + 4 * tokens * width) / 2,
    )


ROWS = (
    Row(
        "prune-half",
        "pruning",
        "half the heads, 1,024",
        pruned,
        {"batch": 1, "tokens": 1024, "width": 512, "heads": 8},
        {"batch": 2, "tokens": 7, "width": 8, "heads": 4},
        {"author": 2.8, "compile": 2.35},
    ),
)
