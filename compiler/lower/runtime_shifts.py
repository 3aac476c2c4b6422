"""Attention to few distances: for each of them queries meet keys that are moved by it, and all pairs are never looked at.

A standalone file carries the source of those it needs, so each function uses torch, builtins and its neighbours alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .runtime_parts import is_planned, triangular_attention

KEYS = 64
"""A distance costs as much as so many keys of PyTorch's own attention."""
STRIP = 512
"""So many rows are worked on together where nothing is kept for gradients."""


def distance_attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor, back: bool, kernel: bool = False, *, scale: float) -> Tensor:
    """PyTorch's attention on [batch, heads, rows, features], as many rows as keys, which lie in reverse; `bias` is a view of one row.

    So its numbers, -inf among them, tell distances alone; row 0 has the first key at its end. `back`: it refuses keys after a row. With
    `kernel` few distances are worked on by what inductor makes of `shifted_attention`.
    """
    found = live_distances(q, bias)
    if found is not None:
        shifted = shifted_kernel if kernel else shifted_attention
        return shifted(q, k.flip(-2), v.flip(-2), found[0], found[1].to(q.dtype), scale)
    if back:
        return triangular_attention(q, k, v, bias, scale)
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=scale)


def live_distances(q: Tensor, bias: Tensor) -> tuple[list[int], Tensor] | None:
    """Row minus key where the bias is not -inf for every head, and the bias there; None where these are too many, or may not be counted."""
    if bias.requires_grad or q.dtype not in (torch.float32, torch.float64) or not is_planned(bias.select(-1, 0)):
        return None
    row = torch.cat([bias.select(-1, 0), bias.select(-2, -1)[..., 1:]], -1)
    at: Any = (row != float("-inf")).flatten(0, -2).any(0).nonzero().flatten()
    if len(at) * KEYS > q.shape[-2]:
        return None
    return (at - (bias.shape[-1] - 1)).tolist(), row.index_select(-1, at)


def shifted_attention(q: Tensor, k: Tensor, v: Tensor, far: list[int], bias: Tensor, scale: float) -> Tensor:
    """Softmax attention on [batch, heads, rows, features] of row i to keys i - f for every f in `far`, with `bias` [batch, heads, far]."""
    count, before, after = q.shape[-2], max(*far, 0), max(*(-f for f in far), 0)
    keys, values = (torch.nn.functional.pad(x, (0, 0, before, after)) for x in (k, v))
    strip = count if torch.is_grad_enabled() or torch.compiler.is_compiling() else STRIP
    found: list[Tensor] = []
    for start in range(0, count, strip):
        rows = q[..., start : start + strip, :] * scale
        size, places = rows.shape[-2], [start + before - f for f in far]
        scores = torch.stack([(rows * keys.narrow(-2, place, size)).sum(-1) for place in places], -1) + bias.unsqueeze(-2)
        at = torch.arange(start, start + size).unsqueeze(-1) - torch.tensor(far)
        weights = torch.where((at >= 0) & (at < count), scores, float("-inf")).softmax(-1)
        y = weights[..., :1] * values.narrow(-2, places[0], size)
        for index, place in enumerate(places[1:], 1):
            y.addcmul_(weights[..., index : index + 1], values.narrow(-2, place, size))
        found.append(y)
    return torch.cat(found, -2)


def shifted_kernel(q: Tensor, k: Tensor, v: Tensor, far: list[int], bias: Tensor, scale: float) -> Tensor:
    """`shifted_attention` by a kernel for these sizes and distances, made when they are met first."""
    known = vars(shifted_kernel)
    if "run" not in known:
        compiler: Any = torch
        known["run"] = compiler.compile(shifted_attention, dynamic=False)
    made: Tensor = known["run"](q, k, v, far, bias, scale)
    return made
