"""Parts that several families share, as they are usually written in PyTorch."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from harness.row import Weights
from torch import Tensor, nn
from torch.nn import functional as fn

See = Callable[..., Tensor]
"""From the positions of queries and keys to which pairs may attend; both may be numbers or tensors."""


class MultiHead(nn.Module):
    """Multi-head attention (Vaswani et al., 2017) of [B, N, D]; how the core is spelled is up to the classes below."""

    def __init__(self, width: int, heads: int, bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.out = (nn.Linear(width, width, bias=bias) for _ in range(4))

    def core(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Of [B, heads, N, d]."""
        return torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]), dim=-1) @ v

    def forward(self, x: Tensor) -> Tensor:
        b, n, width = x.shape
        q, k, v = (layer(x).view(b, n, self.heads, -1).transpose(1, 2) for layer in (self.q, self.k, self.v))
        return self.out(self.core(q, k, v).transpose(1, 2).reshape(b, n, width))


class EinsumMultiHead(MultiHead):
    """The core as two einsums, with the scale on the scores."""

    def core(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        scores = torch.einsum("bhnd,bhmd->bhnm", q, k) * q.shape[-1] ** -0.5
        return torch.einsum("bhnm,bhmd->bhnd", scores.softmax(dim=-1), v)


class FusedMultiHead(MultiHead):
    """The core as one call of PyTorch's fused attention."""

    def core(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return fn.scaled_dot_product_attention(q, k, v)


def exact_attention(q: Tensor, k: Tensor, v: Tensor, see: See | None = None, bias: See | None = None, rows: int = 256) -> Tensor:
    """Attention of [B, h, N, d], some queries at a time, so that never all scores are held.

    `see(i, j)` says which pairs may attend, [n, M], and `bias(i, j)` is added to their scores, [h, n, M].
    """
    found = torch.empty_like(q)
    keys = torch.arange(k.shape[-2])
    for start in range(0, q.shape[-2], rows):
        queries = torch.arange(start, min(start + rows, q.shape[-2]))
        scores = q[..., queries, :] @ k.mT * q.shape[-1] ** -0.5
        if bias is not None:
            scores = scores + bias(queries[:, None], keys)
        if see is not None:
            scores = scores.masked_fill(~see(queries[:, None], keys), -torch.inf)
        found[..., queries, :] = scores.softmax(-1) @ v
    return found


def exact_multi_head(heads: int) -> Callable[..., Tensor]:
    """`exact_attention` between the projections of `MultiHead`."""

    def run(w: Weights, x: Tensor) -> Tensor:
        q, k, v = (fn.linear(x, w[f"{name}.weight"], w[f"{name}.bias"]).unflatten(-1, (heads, -1)).transpose(1, 2) for name in "qkv")
        return fn.linear(exact_attention(q, k, v).transpose(1, 2).flatten(2), w["out.weight"], w["out.bias"])

    return run
