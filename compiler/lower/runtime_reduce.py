"""Reductions that PyTorch has no single call for: windows of any kind, and entries that go to where an index says.

A standalone file carries the source of those it needs, so each function uses torch, builtins and its neighbours alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .runtime import may_be_read

STEP = 2048
"""From so many numbers in each step on, one call for each step is faster than PyTorch's running sum, which takes its steps apart."""
PRODUCTS = 1 << 20
"""Up to so many products are faster written down and added up than in PyTorch's product of many matrices with a vector each."""


def is_half(x: Tensor) -> bool:
    """Whether sums of this tensor must be kept in float32."""
    return x.dtype in (torch.float16, torch.bfloat16)


def extreme_identity(dtype: torch.dtype, how: str) -> Any:
    """What never wins a `max` (or a `min`): the lowest (highest) value of the kind."""
    if dtype == torch.bool:
        return how == "min"
    if dtype.is_floating_point:
        return float("-inf") if how == "max" else float("inf")
    return torch.iinfo(dtype).min if how == "max" else torch.iinfo(dtype).max


def reduce_windows(x: Tensor, dim: int, at: Tensor, inside: Tensor, how: str) -> Tensor:
    """Along `dim` window i takes the entries `at[i]` of those marked `inside`. `how`: `sum`, `max` or `min`."""
    x = x.movedim(dim, -1)
    if how == "sum" and x.shape[-1] == 0:
        return x.sum(-1, keepdim=True).expand(*x.shape[:-1], at.shape[0]).movedim(-1, dim)
    picked = x[..., at.clamp(0, x.shape[-1] - 1)]
    if how == "sum":
        return torch.where(inside, picked, 0).sum(-1).movedim(-1, dim)
    picked = torch.where(inside, picked, extreme_identity(x.dtype, how))
    return (picked.amax(-1) if how == "max" else picked.amin(-1)).movedim(-1, dim)


def reduce_along(x: Tensor, dim: int, at: Tensor, inside: Tensor, counted: Tensor, how: str) -> Tensor:
    """Like reduce_windows; a `mean` divides by the number of entries `counted`."""
    if how != "mean":
        return reduce_windows(x, dim, at, inside, how)
    total = reduce_windows(x, dim, at, inside, "sum").movedim(dim, -1)
    return (total / counted.sum(-1)).movedim(-1, dim)


def adaptive(x: Tensor, how: str, sizes: Sequence[int]) -> Tensor:
    """The last dimensions become `sizes`: entry i of m reduces floor(i*n/m) up to ceil((i+1)*n/m) of n.

    `how`: sum, mean, max or min. Half precision adds in float32.
    """
    y = x.float() if is_half(x) else x
    for dim, m in zip(range(-len(sizes), 0), sizes, strict=True):
        n = y.shape[dim]
        i = torch.arange(m, device=x.device)
        start, end = i * n // m, ((i + 1) * n + m - 1) // m
        at = start[:, None] + torch.arange(n // m + 2, device=x.device)
        inside = at < end[:, None]
        y = reduce_along(y, dim, at, inside, inside, how)
    return y.to(x.dtype) if is_half(x) else y


def sliding(
    x: Tensor,
    how: str,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    sizes: Sequence[int],
    count_padding: bool,
) -> Tensor:
    """Windows over the last dimensions, `sizes` of them along each. Padding is 0 in a sum or a mean and never an extreme."""
    y = x.float() if is_half(x) else x
    for i, m in enumerate(sizes):
        dim = i - len(sizes)
        n = y.shape[dim]
        start = torch.arange(m, device=x.device) * stride[i] - padding[i]
        at = start[:, None] + torch.arange(kernel[i], device=x.device) * dilation[i]
        inside = (at >= 0) & (at < n)
        y = reduce_along(y, dim, at, inside, at < n + padding[i] if count_padding else inside, how)
    return y.to(x.dtype) if is_half(x) else y


def avg_pool3d(x: Tensor, kernel: list[int], **options: Any) -> Tensor:
    """PyTorch's, also for half precision on the CPU, which its own lacks."""
    y = x.float() if is_half(x) and x.device.type == "cpu" else x
    return torch.nn.functional.avg_pool3d(y, kernel, **options).to(x.dtype)


def from_end(at: Tensor, size: int) -> Tensor:
    """Places counted from the end made places from the start."""
    at = at.long()
    return torch.where(at < 0, at + size, at)


def scatter_sum(y: Tensor, at: Tensor, size: int) -> Tensor:
    """`y` [L, F] or [B, L, F], `at` [L] or [B, L]: row l is added to row at[l] of a result with `size` rows.

    Half precision adds in float32.
    """
    at = from_end(at, size)
    wide = y.float() if is_half(y) else y.long() if y.dtype == torch.bool else y
    out = wide.new_zeros((*y.shape[:-2], size, y.shape[-1]))
    out = out.index_add(0, at, wide) if y.dim() == 2 else out.scatter_add(1, at.unsqueeze(-1).expand(y.shape), wide)
    return out.to(y.dtype) if is_half(y) else out


def scatter_mean(y: Tensor, at: Tensor, size: int) -> Tensor:
    """Like scatter_sum, divided by how many rows went to a place; 0 where none did."""
    wide = y.float() if is_half(y) else y
    ones = wide.new_ones((*at.shape, 1))
    count = scatter_sum(ones, at, size).clamp(min=1)
    return (scatter_sum(wide, at, size) / count).to(y.dtype)


def scatter_extreme(y: Tensor, at: Tensor, size: int, how: str) -> Tensor:
    """Like scatter_sum with the `max` or `min` of the rows; the lowest (highest) value of the kind where there is none."""
    if y.dtype == torch.bool:
        return scatter_extreme(y.byte(), at, size, how) != 0  # where there is none: 0 for max, 255 for min
    dim = y.dim() - 2
    out = y.new_full((*y.shape[:-2], size, y.shape[-1]), extreme_identity(y.dtype, how))
    index = from_end(at, size).unsqueeze(-1).expand(y.shape)
    return out.scatter_reduce(dim, index, y, "amax" if how == "max" else "amin")


def scatter_max(y: Tensor, at: Tensor, size: int) -> Tensor:
    """Row t of the result is the largest of the rows l of `y` with at[l] = t; the lowest value of the kind where there is none."""
    return scatter_extreme(y, at, size, "max")


def scatter_min(y: Tensor, at: Tensor, size: int) -> Tensor:
    """Row t of the result is the smallest of the rows l of `y` with at[l] = t; the highest value of the kind where there is none."""
    return scatter_extreme(y, at, size, "min")


def sum_before(x: Tensor, dim: int) -> Tensor:
    """The sum of the slices before each along a dimension; nothing is before the first."""
    count = x.shape[dim]
    if count == 0:
        return x
    if x.numel() < STEP * count or not may_be_read(x):
        return torch.cat([torch.zeros_like(x.narrow(dim, 0, 1)), x.narrow(dim, 0, count - 1).cumsum(dim)], dim)
    sums = [torch.zeros_like(x.select(dim, 0))]
    for one in x.unbind(dim)[:-1]:
        sums.append(sums[-1] + one)
    return torch.stack(sums, dim)


def matrix_vector(x: Tensor, y: Tensor) -> Tensor:
    """`x @ y` of [.., rows, features] and [.., features], which lie alike; half precision is added up by PyTorch, which rounds once."""
    small = x.numel() <= PRODUCTS and x.dtype in (torch.float32, torch.float64)
    if small and may_be_read(x) and not torch.is_autocast_enabled("cpu"):
        return (x * y.unsqueeze(-2)).sum(-1)
    return torch.matmul(x, y.unsqueeze(-1)).squeeze(-1)
