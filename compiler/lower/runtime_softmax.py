"""Softmax where a row may be empty, and its sparse relatives. Empty rows give zeros and zero gradients.

A standalone file carries the source of those it needs, so each function uses torch, builtins and its neighbours alone.
"""

from __future__ import annotations

import torch
from torch import Tensor


def softmax_or_zero(x: Tensor, dim: int) -> Tensor:
    """Softmax along `dim`, where a row of nothing but -inf gives zeros."""
    empty = (x == float("-inf")).all(dim, keepdim=True)
    return torch.softmax(x.masked_fill(empty, 0), dim).masked_fill(empty, 0)


def masked_softmax(x: Tensor, mask: Tensor, dim: int) -> Tensor:
    """Softmax along `dim` over the entries where `mask` (bool, broadcasting) holds; the others are 0."""
    return softmax_or_zero(torch.where(mask, x, float("-inf")), dim)


def softmax1(x: Tensor) -> Tensor:
    """exp(x) / (1 + sum(exp(x))) over the last dimension: a softmax with one more logit of 0."""
    return torch.softmax(torch.nn.functional.pad(x, (0, 1)), -1).narrow(-1, 0, x.shape[-1])


def below_top(x: Tensor) -> tuple[Tensor, Tensor]:
    """The last dimension shifted so that its largest entry is 0, in float32 or wider and cut off at -2, and which rows are not all -inf.

    What a threshold of -1 or more leaves at 0 may be cut off at -2, which keeps -inf out of sums.
    """
    wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    top = wide.detach().amax(-1, keepdim=True)
    some = top != float("-inf")
    return (wide - torch.where(some, top, 0)).clamp(min=-2), some


def sparsemax(x: Tensor) -> Tensor:
    """max(x - t, 0) over the last dimension, with t such that it adds up to 1."""
    if x.shape[-1] == 0:
        return x
    z, some = below_top(x)
    ordered = z.detach().sort(-1, descending=True).values
    count = torch.arange(1, x.shape[-1] + 1, device=x.device)
    # The k largest take part where 1 + k * z[k] > z[1] + .. + z[k].
    last = (1 + count * ordered > ordered.cumsum(-1)).sum(-1, keepdim=True)
    part = ~(z.detach() < ordered.gather(-1, (last - 1).clamp(min=0)))  # so that NaN takes part, and is seen
    threshold = (torch.where(part, z, 0).sum(-1, keepdim=True) - 1) / part.sum(-1, keepdim=True)
    return torch.where(part & some, z - threshold, 0).to(x.dtype)


def entmax15(x: Tensor) -> Tensor:
    """max(x/2 - t, 0)**2 over the last dimension, with t such that it adds up to 1."""
    if x.shape[-1] == 0:
        return x
    z, some = below_top(x / 2)
    ordered = z.detach().sort(-1, descending=True).values
    # The k largest take part where z[k] is above the threshold that the k alone would have.
    last = (entmax15_thresholds(ordered) <= ordered).sum(-1, keepdim=True)
    part = ~(z.detach() < ordered.gather(-1, (last - 1).clamp(min=0)))  # so that NaN takes part, and is seen
    count = part.sum(-1, keepdim=True)
    mean = torch.where(part, z, 0).sum(-1, keepdim=True) / count
    spread = torch.where(part, z - mean, 0).square().sum(-1, keepdim=True)
    threshold = mean - ((1 - spread) / count).clamp(min=0).sqrt()
    return torch.where(part & some, (z - threshold).clamp(min=0).square(), 0).to(x.dtype)


def entmax15_thresholds(ordered: Tensor) -> Tensor:
    """For every k the threshold at which the k largest entries alone add up to 1; `ordered` falls along the last dimension."""
    count = torch.arange(1, ordered.shape[-1] + 1, device=ordered.device)
    mean = ordered.cumsum(-1) / count
    spread = ordered.square().cumsum(-1) - count * mean.square()
    return mean - ((1 - spread) / count).clamp(min=0).sqrt()


def group_labels(at: Tensor) -> Tensor:
    """Numbers 0, 1, .. for the distinct values along the last dimension: below its length, whatever the values are."""
    ordered, places = at.sort(-1)
    new = torch.ones_like(ordered)
    new[..., :1] = 0
    new[..., 1:] = (ordered[..., 1:] != ordered[..., :-1]).long()
    return torch.zeros_like(ordered).scatter(-1, places, new.cumsum(-1))


def group_softmax(x: Tensor, at: Tensor) -> Tensor:
    """Softmax over the entries with the same number in `at`: x [E, F] or [B, E, F], `at` [E] or [B, E].

    A group of -inf alone gives zeros.
    """
    dim = x.dim() - 2
    wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    label = group_labels(at.long()).unsqueeze(-1).expand(x.shape)
    top = torch.full_like(wide, float("-inf")).scatter_reduce(dim, label, wide.detach(), "amax")
    powers = (wide - torch.where(top.isinf(), 0, top).gather(dim, label)).exp()
    total = torch.zeros_like(wide).scatter_add(dim, label, powers)
    return (powers / torch.where(total == 0, 1, total).gather(dim, label)).to(x.dtype)
