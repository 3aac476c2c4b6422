"""Layers of x-transformers as peers. Their attention and norms have no biases, so their values are others and only time counts."""

from __future__ import annotations

from typing import Any

from harness.row import Run, Weights
from torch import nn

NAME = "x-transformers"


def attention(width: int, heads: int, weights: Weights) -> Run:
    """Its attention, which calls PyTorch's fused one."""
    from x_transformers.x_transformers import Attention

    return _of_kind(Attention(width, heads=heads, dim_head=width // heads, flash=True), weights)


def encoder(width: int, heads: int, weights: Weights) -> Run:
    """Its encoder of one layer, norms first."""
    from x_transformers import Encoder

    options = {"attn_dim_head": width // heads, "attn_flash": True, "pre_norm_has_final_norm": False}
    return _of_kind(Encoder(dim=width, depth=1, heads=heads, **options), weights)


def _of_kind(module: Any, weights: Weights) -> nn.Module:
    made: nn.Module = module.to(next(iter(weights.values())).dtype).eval()
    return made
