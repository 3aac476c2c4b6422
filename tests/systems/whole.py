"""Whole networks of timm: their weights under the names of our programs, and the comparison of one image."""

from __future__ import annotations

from typing import Any

import torch
from harness.timm_names import Names
from torch import Tensor, nn
from torch.testing import assert_close

import attn


def shaken(model: nn.Module) -> nn.Module:
    """The model in evaluation, with norms and biases away from where they start."""
    source = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in model.named_buffers():
            if name.endswith("running_mean"):
                value.copy_(0.1 * torch.randn(value.shape, generator=source))
            elif name.endswith("running_var"):
                value.copy_(0.5 + torch.rand(value.shape, generator=source))
        for value in model.parameters():
            if value.dim() == 1:
                value.add_(0.1 * torch.randn(value.shape, generator=source))
    return model.eval()


def compare_whole(other: nn.Module, source: str, block: str, names: Names, image: Tensor, close: float, **bind: Any) -> None:
    """The program with the weights of another model gives what that gives, but for `close`, and has as many parameters."""
    made = attn.compile(source, block, bind=bind, weights=shaken(other).state_dict(), names=names, mode="infer", dtype=image.dtype)
    assert sum(p.numel() for p in made.parameters()) == sum(p.numel() for p in other.parameters())
    with torch.no_grad():
        wanted = other(image)
        assert wanted.abs().max() > 0.1
        assert_close(made(image), wanted, rtol=0, atol=close)
