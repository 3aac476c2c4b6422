"""Attention to blocks of keys that every row chooses for itself: each block is read by the rows that chose it, and softmaxes are merged.

A standalone file carries the source of those it needs, so each function uses torch, builtins and its neighbours alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .runtime_attention import masked_attention
from .runtime_parts import is_planned

SHORTEST = 32
"""Blocks of fewer keys are not read one by one."""
SPARSE = 0.3
"""The largest part of the pairs for which that is worth it."""


def routed_attention(q: Tensor, k: Tensor, v: Tensor, chosen: Tensor, size: int, causal: bool, scale: float) -> Tensor:
    """Softmax attention on [batch, heads, rows, features] to the blocks of `size` keys that are `chosen` [batch, heads, rows, blocks].

    Batch and heads may be 1 in `chosen`. `causal` refuses keys after a row: its own block is read up to the row itself, later ones are not.
    """
    places = torch.arange(k.shape[-2], device=k.device) // size
    needed = (k.shape[-2] + size - 1) // size
    chosen = chosen[..., :needed]
    if causal:
        chosen = chosen & (torch.arange(chosen.shape[-1], device=k.device) <= places.unsqueeze(-1))
    if chosen.shape[-1] < needed or not is_worth_it(chosen, size):
        where = chosen.index_select(-1, places)
        where = where & where.new_ones(where.shape[-2:]).tril() if causal else where
        return masked_attention(q, k, v, where, None, scale)
    batch, heads, count, _ = q.shape
    chosen = chosen.expand(batch, heads, -1, -1)
    base, others = None, chosen
    if causal:
        own = torch.arange(chosen.shape[-1], device=k.device) == places.unsqueeze(-1)
        base, others = own_blocks(q, k, v, (chosen & own).any(-1), size, scale), chosen & ~own
    at, pieces = chosen_blocks(q, k, v, others, size, scale)
    merged = merge_rows(batch * heads * count, base, at, pieces)
    return merged.view(batch, heads, count, -1).to(v.dtype)


def is_worth_it(chosen: Tensor, size: int) -> bool:
    """Whether blocks may be read one by one, and few pairs are chosen."""
    if size < SHORTEST or not is_planned(chosen.select(-1, 0) if chosen.shape[-1] else chosen.flatten(-2)):
        return False
    return bool(chosen.count_nonzero() <= SPARSE * chosen.numel())


def weighed(scores: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """The softmax of scores [.., rows, keys] applied to v, and the logarithm of the sum that it divides by; -inf for rows without a key."""
    scores = scores.float() if scores.dtype in (torch.float16, torch.bfloat16) else scores
    sums = scores.logsumexp(-1, keepdim=True)
    weights = torch.exp(scores - torch.where(sums == float("-inf"), 0, sums))
    return (weights.to(v.dtype) @ v).to(scores.dtype), sums


def own_blocks(q: Tensor, k: Tensor, v: Tensor, chosen: Tensor, size: int, scale: float) -> tuple[Tensor, Tensor]:
    """What rows read of their own block up to themselves, and their sums, over all rows of all heads, where that is `chosen`."""
    count = q.shape[-2]
    more = -count % size
    rows, keys, values = (torch.nn.functional.pad(x, (0, 0, 0, more)) for x in (q, k, v))
    rows, keys, values = (x.reshape(*x.shape[:2], -1, size, x.shape[-1]) for x in (rows, keys, values))
    told = torch.nn.functional.pad(chosen, (0, more)).reshape(*chosen.shape[:2], -1, size, 1)
    where = told & told.new_ones((size, size)).tril()
    scores = torch.where(where, rows @ keys.transpose(-1, -2) * scale, float("-inf"))
    y, sums = (x.flatten(-3, -2)[..., :count, :].flatten(0, -2) for x in weighed(scores, values))
    return y, sums


def chosen_blocks(q: Tensor, k: Tensor, v: Tensor, chosen: Tensor, size: int, scale: float) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """What the rows that chose a block read of it, block by block: which row of all heads each is, what it read, and its sum."""
    count = q.shape[-2]
    told = chosen.flatten(0, 1).transpose(-1, -2)
    head, _, row = told.nonzero(as_tuple=True)
    at = head * count + row
    counts: Any = told.sum(-1).flatten()
    sizes: list[int] = counts.tolist()
    rows = torch.split(q.flatten(0, 2).index_select(0, at), sizes)
    keys, values = ([part for head in x.flatten(0, 1) for part in torch.split(head, size)] for x in (k, v))
    found = [weighed(some @ keys[i].transpose(0, 1) * scale, values[i]) for i, some in enumerate(rows) if sizes[i] or i == 0]
    return at, (torch.cat([y for y, _ in found]), torch.cat([sums for _, sums in found]))


def merge_rows(count: int, base: tuple[Tensor, Tensor] | None, at: Tensor, pieces: tuple[Tensor, Tensor]) -> Tensor:
    """Softmaxes over parts of the keys as one over all: each weighs what its sum is of the sum of all. A row without any part is zero."""
    y, sums = pieces
    top = sums.new_full((count, 1), float("-inf")) if base is None else base[1].detach()
    top = top.scatter_reduce(0, at.unsqueeze(-1), sums.detach(), "amax")
    top = torch.where(top == float("-inf"), 0, top)
    weight = torch.exp(sums - top.index_select(0, at))
    first: Any = 0.0 if base is None else torch.exp(base[1] - top)
    total = torch.zeros_like(top).index_add(0, at, weight) + first
    read = y.new_zeros((count, y.shape[-1])).index_add(0, at, y * weight) + (first * base[0] if base is not None else 0.0)
    return read / torch.where(total == 0, 1, total)
