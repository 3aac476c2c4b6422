"""What generated code calls for indexing and sampling."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def from_end(index: Tensor, size: int) -> Tensor:
    """An integer tensor whose negative numbers count from the end of an axis of `size` positions."""
    return torch.where(index < 0, index + size, index)


def sample(x: Tensor, places: list[Tensor], mode: str, padding: str) -> Tensor:
    """Values of `x` [B, C, *axes] (1 to 3 axes) at float coordinates, one tensor [B, P] for each axis: [B, C, P].

    Coordinates count positions. `mode` is bilinear or nearest, `padding` zeros or border. Half precision is float32 inside. Of an axis
    without positions all is zero.
    """
    if 0 in x.shape[2:]:
        return x.flatten(2).sum(-1, keepdim=True).expand(-1, -1, places[0].shape[1])
    working = torch.promote_types(x.dtype, torch.float32)
    flat = x.dim() == 3
    images = (x.unsqueeze(2) if flat else x).to(working)
    sizes = images.shape[2:]
    grid = [(2 * at.to(working) + 1) / size - 1 for at, size in zip(places, x.shape[2:], strict=True)]
    if flat:
        grid = [torch.zeros_like(grid[0]), *grid]
    stacked = torch.stack(grid[::-1], dim=-1)
    wanted = stacked.reshape(x.shape[0], *[1] * (len(sizes) - 1), stacked.shape[1], len(sizes))
    found = torch.nn.functional.grid_sample(images, wanted, mode=mode, padding_mode=padding, align_corners=False)
    return found.flatten(2).to(x.dtype)


def fold(columns: Tensor, size: list[int], kernel: list[int], **steps: list[int]) -> Tensor:
    """Windows [B, K, Y] added up to one channel, [B, 1, *size]; what PyTorch refuses, nothing to add, is zero."""
    if columns.numel() == 0:
        return columns.sum() + columns.new_zeros(columns.shape[0], 1, *size)
    return torch.nn.functional.fold(columns, tuple(size), tuple(kernel), **{name: tuple(step) for name, step in steps.items()})


def padded(x: Tensor, amounts: Sequence[int], value: float = 0.0) -> Tensor:
    """As PyTorch's `pad`, but the tensor itself where nothing is added."""
    if not torch.compiler.is_compiling() and not any(amounts):
        return x
    return torch.nn.functional.pad(x, list(amounts), value=value)
