"""Attention that needs more than one call: a sink among the logits, and rows without any key.

A standalone file carries the source of those it needs, so each function uses torch, builtins and its neighbours alone.
"""

from __future__ import annotations

import torch
from torch import Tensor


def sink_softmax(x: Tensor, sink: Tensor) -> Tensor:
    """Softmax over the last dimension of `x` [.., keys] with `sink` [.., 1] (may broadcast) as one more logit, whose weight is left out."""
    logits = torch.cat([x, sink.expand(*x.shape[:-1], 1)], -1)
    return torch.softmax(logits, -1).narrow(-1, 0, x.shape[-1])


def masked_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    where: Tensor,
    bias: Tensor | None,
    scale: float,
    dropout_p: float = 0.0,
) -> Tensor:
    """PyTorch's attention on [batch, heads, rows, features] where `where` holds; rows without any key give zeros and no gradients.

    Not every kernel keeps such rows from being NaN, so they look at everything and are zeroed afterwards.
    """
    some = where.any(-1, keepdim=True)
    mask = where | ~some
    if bias is not None:
        mask = torch.where(mask, bias, float("-inf"))
    y = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout_p, scale=scale)
    return torch.where(some, y, 0)


def sink_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    sink: Tensor,
    where: Tensor | None,
    bias: Tensor | None,
    scale: float,
    dropout_p: float = 0.0,
) -> Tensor:
    """PyTorch's attention on [batch, heads, rows, features] with `sink` (may broadcast to [batch, heads, rows, 1]) as one more logit.

    The sink is a feature of the queries that one more key alone has; its value is zero. All have as many features, which kernels want.
    """
    pad = torch.nn.functional.pad
    asked, read = q.shape[-1], v.shape[-1]
    width = max(asked + 1, read)
    one = pad(k.new_ones(1), (asked, width - asked - 1))
    q = pad(torch.cat([q * scale, sink.expand(*q.shape[:-1], 1)], -1), (0, width - asked - 1))
    if where is not None:
        where = pad(where.expand(*where.shape[:-1], k.shape[-2]), (0, 1), value=True)
    if bias is not None:
        bias = pad(bias.expand(*bias.shape[:-1], k.shape[-2]), (0, 1))
    k = torch.cat([pad(k, (0, width - asked)), one.expand(*k.shape[:-2], 1, width)], -2)
    v = pad(v, (0, width - read, 0, 1))
    mask = bias if where is None else where if bias is None else torch.where(where, bias, float("-inf"))
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout_p, scale=1.0)[..., :read]
