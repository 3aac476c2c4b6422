"""Attention in several calls of PyTorch's own: rows in parts where later keys are refused, and groups of rows that numbers tell apart.

A standalone file carries the source of those it needs, so each function uses torch, builtins and its neighbours alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .runtime import may_be_read
from .runtime_attention import masked_attention

PART = 128
"""A part has so many rows at least."""
FEWEST = 128
"""Groups are not looked for among fewer rows."""
CALL = 4096
"""What a call costs beside its work, in pairs of a row and a key."""

MASK = 1.2
"""What a pair costs under a mask, where one without costs 1."""


def triangular_attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor, scale: float, dropout_p: float = 0.0) -> Tensor:
    """PyTorch's attention on [batch, heads, rows, features], where keys lie in reverse and `bias` refuses those after a query.

    So row i has a use for the last i + 1 keys alone. The rows are taken in a few parts, each with the keys that its last one needs.
    """
    count, attention = q.shape[-2], torch.nn.functional.scaled_dot_product_attention
    parts = 1 if torch.compiler.is_compiling() else min(8, count // PART)
    if parts < 2:
        return attention(q, k, v, attn_mask=bias, dropout_p=dropout_p, scale=scale)
    ends = [count * part // parts for part in range(parts + 1)]
    sizes = [ends[part + 1] - ends[part] for part in range(parts)]
    found: list[Tensor] = []
    for rows, size, end in zip(torch.split(q, sizes, -2), sizes, ends[1:], strict=True):
        keys, values, mask = k[..., count - end :, :], v[..., count - end :, :], bias[..., end - size : end, count - end :]
        found.append(attention(rows, keys, values, attn_mask=mask, dropout_p=dropout_p, scale=scale))
    return torch.cat(found, -2)


def grouped_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    ids: Tensor,
    keep: Tensor | None,
    causal: bool,
    scale: float,
) -> Tensor:
    """PyTorch's attention on [batch, heads, rows, features] where a row sees the keys with its own number in `ids` [batch, heads, rows].

    `keep` [batch, heads, keys] says which keys there are, `causal` refuses those after a row; batch and heads may be 1 in both. Each number
    is an attention of its own where that is worth it, which is looked up in `ids`.
    """
    planned = is_planned(ids)
    for at in (0, 1):
        if planned and ids.shape[at] > 1:
            rows, keys, values, told = (torch.split(x, 1, at) for x in (q, k, v, ids))
            there = torch.split(keep, 1, at) if keep is not None and keep.shape[at] > 1 else (keep,) * ids.shape[at]
            found = [grouped_attention(*one, causal, scale) for one in zip(rows, keys, values, told, there, strict=True)]
            return torch.cat(found, at)
    order = ids.flatten().sort(stable=True) if planned else None
    sizes = group_sizes(order.values) if order is not None else None
    if order is None or sizes is None:
        where = ids.unsqueeze(-1) == ids.unsqueeze(-2)
        where = where & where.new_ones(where.shape[-2:]).tril() if causal else where
        return masked_attention(q, k, v, where if keep is None else where & keep.unsqueeze(-2), None, scale)
    mixed = not torch.equal(order.values, ids.flatten())
    if mixed:
        q, k, v = (x.index_select(-2, order.indices) for x in (q, k, v))
        keep = keep.index_select(-1, order.indices) if keep is not None else None
    there = torch.split(keep, sizes, -1) if keep is not None else (None,) * len(sizes)
    rows, keys, values = (torch.split(x, sizes, -2) for x in (q, k, v))
    groups = zip(rows, keys, values, there, strict=True)
    y = torch.cat([one_group(*group, causal, scale) for group in groups], -2)
    return y.index_select(-2, order.indices.argsort()) if mixed else y


def is_planned(ids: Tensor) -> bool:
    """Whether numbers may be looked at now, and there are more than a few rows."""
    return may_be_read(ids) and ids.shape[-1] >= FEWEST and ids.numel() > 0


def group_sizes(ids: Tensor) -> list[int] | None:
    """How many rows each number has, where they are sorted; None where all pairs together, with a mask, are about as fast."""
    inside: Any = torch
    sizes: list[int] = inside.unique_consecutive(ids, return_counts=True)[1].tolist()
    pairs = sum([size * size for size in sizes]) + CALL * len(sizes)
    return sizes if pairs <= MASK * len(ids) ** 2 else None


def one_group(q: Tensor, k: Tensor, v: Tensor, keep: Tensor | None, causal: bool, scale: float) -> Tensor:
    """PyTorch's attention within one group, whose keys are all there without `keep`."""
    if keep is None:
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=scale)
    where = keep.unsqueeze(-2)
    if causal:
        where = where & where.new_ones((q.shape[-2], k.shape[-2])).tril()
    return masked_attention(q, k, v, where, None, scale)
