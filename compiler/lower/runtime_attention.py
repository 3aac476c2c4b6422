"""Attention that needs more than one call: a sink among the logits, rows without any key, and keys up to a number.

A standalone file carries the source of those it needs, so each function uses torch, builtins and its neighbours alone.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .runtime import may_be_read

SCORES = 1 << 17
"""With fewer scores the calls of products cost more than they gain."""


def sink_softmax(x: Tensor, sink: Tensor) -> Tensor:
    """Softmax over the last dimension of `x` [.., keys] with `sink` [.., 1] (may broadcast) as one more logit, whose weight is left out."""
    logits = torch.cat([x, sink.expand(*x.shape[:-1], 1)], -1)
    return torch.softmax(logits, -1).narrow(-1, 0, x.shape[-1])


def features_last(q: Tensor) -> Tensor:
    """The queries of an attention, with features side by side in memory, and alone there, where PyTorch 2.13 needs it.

    It lays out the result as the queries are. Where their windows overlap, so that the next position is the next feature, it takes the
    wrong one of the two. Under torch.compile and torch.export inductor does where no features lie side by side.
    """
    if q.stride(-1) != 1:
        return q.contiguous() if torch.compiler.is_compiling() else q
    return q.contiguous() if 1 in q.stride()[:-1] else q


def masked_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    where: Tensor,
    bias: Tensor | None,
    scale: float,
    dropout_p: float = 0.0,
    products: bool = False,
) -> Tensor:
    """PyTorch's attention on [batch, heads, rows, features] where `where` holds; rows without any key give zeros and no gradients.

    Not every kernel keeps such rows from being NaN, so they look at everything and are zeroed afterwards. `products`: keys are few.
    """
    some = where.any(-1, keepdim=True)
    mask = where | ~some
    if bias is not None:
        mask = torch.where(mask, bias, float("-inf"))
    attention = few_keys_attention if products else torch.nn.functional.scaled_dot_product_attention
    return torch.where(some, attention(q, k, v, attn_mask=mask, dropout_p=dropout_p, scale=scale), 0)


def few_keys_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    scale: float = 1.0,
) -> Tensor:
    """PyTorch's attention on [batch, heads, rows, features] as products, which are faster than its kernel for few keys and many rows.

    Each row has a key, and a number for it in `attn_mask`.
    """
    lead, rows, keys, compiling = q.shape[:2], q.shape[-2], k.shape[-2], torch.compiler.is_compiling()
    few = not compiling and q.shape[:-1].numel() * keys < SCORES
    if few or q.device.type != "cpu" or q.dtype.itemsize < 4:
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=attn_mask, dropout_p=dropout_p, scale=scale)
    q, k, v = (x.expand(*lead, *x.shape[-2:]).flatten(0, 1) for x in (q, k, v))
    scores = torch.bmm(q * scale, k.mT) if compiling else torch.baddbmm(q.new_empty(1, 1, 1), q, k.mT, beta=0, alpha=scale)
    if attn_mask is not None:
        scores = scores.view(*lead, rows, keys)
        told = attn_mask.dtype == torch.bool
        scores = (torch.where(attn_mask, scores, float("-inf")) if told else scores + attn_mask).flatten(0, 1)
    weights = torch.softmax(scores, -1)
    weights = torch.nn.functional.dropout(weights, dropout_p) if dropout_p else weights
    return torch.bmm(weights, v).view(*lead, rows, -1)


def prefix_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    last: Tensor,
    strict: bool,
    bias: Tensor | None,
    scale: float,
) -> Tensor:
    """PyTorch's attention on [batch, heads, rows, features] to the keys at positions up to `last`, one whole number; below it if `strict`.

    Where the number may be read, and some key is there, the others are cut off; else they are refused by a mask.
    """
    keys = k.shape[-2]
    count = min(int(last) + (not strict), keys) if may_be_read(last) else 0
    if count <= 0:
        place = torch.arange(keys, device=k.device)
        return masked_attention(q, k, v, (place < last if strict else place <= last).view(1, 1, 1, keys), bias, scale)
    if bias is not None and bias.shape[-1] == keys:
        bias = bias.narrow(-1, 0, count)
    if count < keys:
        k, v = k.narrow(-2, 0, count), v.narrow(-2, 0, count)
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=scale)


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
