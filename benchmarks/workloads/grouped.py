"""Fewer heads of keys than of queries."""

from __future__ import annotations

import math

import torch
from harness.row import Program, Row, Run, Weights, Work, drawn
from torch import Tensor, nn
from torch.nn import functional as fn

import attn

TEXT = """block grouped(q: [*, g, h, N, d], k: [*, g, N, d], v: [*, g, N, d]) -> [*, g, h, N, d] {
    return attend(q, k, v, over=N, dot=d)
}
"""


class Repeated(nn.Module):
    """Grouped-query attention (Ainslie et al., 2023) with keys and values repeated for the queries of their group."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        group = q.shape[2]
        k, v = (one.repeat_interleave(group, dim=1) for one in (k, v))
        weights = torch.softmax(q.flatten(1, 2) @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]), dim=-1)
        return (weights @ v).unflatten(1, (-1, group))


def enabled(_: Weights) -> Run:
    """PyTorch's fused attention, told that there are groups."""

    def run(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return fn.scaled_dot_product_attention(q.flatten(1, 2), k, v, enable_gqa=True).unflatten(1, q.shape[1:3])

    return run


def folded(_: Weights) -> Run:
    """The queries of a group as further rows."""
    return lambda q, k, v: fn.scaled_dot_product_attention(q.flatten(2, 3), k, v).unflatten(2, q.shape[2:4])


def prefill(groups: int, heads: int, tokens: int, width: int) -> Work:
    return Work(
        program=Program(attn.text(TEXT)),
        author=Repeated,
        inputs=(drawn(1, groups, heads, tokens, width), *(drawn(1, groups, tokens, width, at=i) for i in (2, 3))),
        peers={"SDPA with groups": enabled, "folded by hand": folded},
        flops=4 * groups * heads * tokens**2 * width,
    )


ROWS = (
    Row(
        "gqa-2k",
        "grouped",
        "grouped 32 / 8, 2,048",
        prefill,
        {"groups": 8, "heads": 4, "tokens": 2048, "width": 64},
        {"groups": 2, "heads": 3, "tokens": 9, "width": 4},
        {"author": 4.4, "compile": 1.07},
        {"author": 2.0},
    ),
)
