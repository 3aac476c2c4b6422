"""Attention whose cost is linear in the positions."""

from __future__ import annotations

from functools import partial

import torch
from harness.row import Program, Row, Run, Weights, Work, drawn, filled
from torch import Tensor, nn
from torch.nn import functional as fn

import attn

TEXT = """use std.linear (linear_attend)

block causal(q: [*, h, N, d], k: [*, h, N, d], v: [*, h, N, e]) -> [*, h, N, e] {
    return linear_attend(q, k, v, causal=true)
}
"""


class CausalLinear(nn.Module):
    """Linear attention (Katharopoulos et al., 2020) with running sums of the outer products of keys and values."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k = fn.elu(q) + 1, fn.elu(k) + 1
        states = torch.einsum("bhnd,bhne->bhnde", k, v).cumsum(dim=2)
        total = torch.einsum("bhnd,bhnd->bhn", q, k.cumsum(dim=2)) + 1e-6
        return torch.einsum("bhnd,bhnde->bhne", q, states) / total[..., None]


def chunked(chunk: int) -> Run:
    """The same with one product for all pairs of a chunk, and sums of chunks before it."""

    def run(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k = fn.elu(q) + 1, fn.elu(k) + 1
        v = torch.cat((v, torch.ones_like(v[..., :1])), -1)
        q, k, v = (one.unflatten(2, (-1, chunk)) for one in (q, k, v))
        sums = k.mT @ v
        before = sums.cumsum(2) - sums
        y = q @ before + (q @ k.mT).tril() @ v
        y = y.flatten(2, 3)
        return y[..., :-1] / (y[..., -1:] + 1e-6)

    return run


def causal(heads: int, tokens: int, width: int, chunk: int) -> Work:
    return Work(
        program=Program(attn.text(TEXT)),
        author=CausalLinear,
        inputs=tuple(drawn(1, heads, tokens, width, at=i) for i in range(3)),
        peers={"chunks by hand": lambda _: chunked(chunk)},
        flops=4 * heads * tokens * width**2,
    )


class Linformer(nn.Module):
    """Linformer (Wang et al., 2020): keys and values are mixed down to `length` positions, after their projections."""

    def __init__(self, tokens: int, width: int, heads: int, length: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))
        self.e, self.f = (nn.Linear(tokens, length, bias=False) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.q(x), self.e(self.k(x).transpose(1, 2)).transpose(1, 2), self.f(self.v(x).transpose(1, 2)).transpose(1, 2)
        q, k, v = (one.unflatten(-1, (self.heads, -1)).transpose(1, 2) for one in (q, k, v))
        weights = torch.softmax(torch.einsum("bhnd,bhmd->bhnm", q, k) * q.shape[-1] ** -0.5, dim=-1)
        return self.out(torch.einsum("bhnm,bhmd->bhnd", weights, v).transpose(1, 2).flatten(2))


class LowRankFirst(Linformer):
    """Linformer whose tokens are mixed before they are projected, with fused attention."""

    def forward(self, x: Tensor) -> Tensor:
        keys, values = self.e.weight @ x, self.f.weight @ x
        k = keys @ self.k.weight.T + self.e.weight.sum(1)[:, None] * self.k.bias
        v = values @ self.v.weight.T + self.f.weight.sum(1)[:, None] * self.v.bias
        q, k, v = (one.unflatten(-1, (self.heads, -1)).transpose(1, 2) for one in (self.q(x), k, v))
        return self.out(fn.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


def linformer(batch: int, tokens: int, width: int, heads: int, length: int) -> Work:
    def by_hand(weights: Weights) -> Run:
        return filled(LowRankFirst(tokens, width, heads, length), weights)

    return Work(
        program=Program("std.linear", "linformer", {"N": tokens, "D": width, "heads": heads, "length": length}),
        author=partial(Linformer, tokens, width, heads, length),
        inputs=(drawn(batch, tokens, width),),
        peers={"low rank first by hand": by_hand},
        flops=batch * (4 * tokens * width**2 + 4 * tokens * width * length + 4 * length * width**2 + 4 * tokens * length * width),
    )


ROWS = (
    Row(
        "linear-causal-4k",
        "linear",
        "causal linear, 4,096",
        causal,
        {"heads": 8, "tokens": 4096, "width": 64, "chunk": 64},
        {"heads": 2, "tokens": 16, "width": 4, "chunk": 4},
        {"author": 91, "compile": 100},
    ),
    Row(
        "linformer-4k",
        "linear",
        "Linformer 256, 4,096",
        linformer,
        {"batch": 1, "tokens": 4096, "width": 512, "heads": 8, "length": 256},
        {"batch": 2, "tokens": 12, "width": 8, "heads": 2, "length": 4},
        {"author": 2.65, "compile": 2.3},
        {"author": 1.77, "compile": 1.7},
    ),
)
