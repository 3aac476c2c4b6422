"""What the record of group generalised mean pooling asks for, as far as it takes no training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import attn

from .support import CLOSE, parameters

VIT = """attn 1
use std.layers (vit)
use std.patches (class_token, patch_embed)
use std.pooling (ggem)

block classifier(image: [B, C, H, W], D: axis, K: axis, heads: int = 4, pooled: bool = true) -> [B, K] {
    x = patch_embed(image, D=D, size=4) as patches |> class_token() as first
    x = vit(rename(x, M -> N), depth=1, heads=heads) as vit
    y = ggem(x, groups=heads) as pool if pooled else x[N=0]
    return linear(y, D -> K) as head
}
"""
SIZES: dict[str, Any] = {"C": 3, "D": 8, "K": 5}


def pool(power: float, groups: int, x: Tensor) -> Tensor:
    made = attn.std.pooling.ggem(D=x.shape[-1], groups=groups, start=power, skip=0, dtype=x.dtype)
    return made(x)


@pytest.fixture(scope="module")
def tokens() -> Tensor:
    return torch.rand(2, 9, 12, generator=torch.Generator().manual_seed(0)) + 0.1


@pytest.mark.system("ggem", "With power 1 it is the mean over the tokens, to 1e-6 in float32.")
def test_power_one_is_the_mean(tokens: Tensor) -> None:
    assert_close(pool(1.0, 3, tokens), tokens.mean(1), rtol=0, atol=1e-6)


@pytest.mark.system("ggem", "With one group it is GeM: the root of the mean of powers, one power for all channels.")
def test_one_group_is_gem(tokens: Tensor) -> None:
    x = tokens.double()
    assert_close(pool(3.0, 1, x), (x**3).mean(1) ** (1 / 3), **CLOSE)


@pytest.mark.system(
    "ggem", "Power 100 is within 3 parts in 100 below the maximum of 9 tokens, and a million within 1e-5, in float32 without overflow."
)
def test_large_powers_come_near_the_maximum(tokens: Tensor) -> None:
    top, found = (100 * tokens).amax(1), pool(100.0, 3, 100 * tokens)
    assert ((found <= top) & (found >= top * 9 ** (-1 / 100) - 1e-3)).all()
    assert_close(pool(1e6, 3, tokens), tokens.amax(1), rtol=0, atol=1e-5)


@pytest.mark.system("ggem", "It adds as many parameters as there are groups: 12 to ViT-B, 16 to ViT-L.")
def test_it_adds_one_parameter_for_each_group() -> None:
    assert parameters("std.pooling", "ggem", D=768, groups=12) == 12
    assert parameters("std.pooling", "ggem", D=1024, groups=16) == 16
    assert parameters("std.pooling", "ggem", D=12, groups=3, norm="after") == 3 + 2 * 12


@pytest.mark.system("ggem", "In a vision transformer it takes one line in place of x[N=0], and gradients reach the powers.")
def test_it_takes_one_line_of_a_vision_transformer() -> None:
    made, other = (attn.compile(attn.text(VIT), bind={**SIZES, "pooled": pooled}, dtype=torch.float64) for pooled in (True, False))
    assert sum(p.numel() for p in made.parameters()) == sum(p.numel() for p in other.parameters()) + 4
    image = torch.randn(2, 3, 8, 12, dtype=torch.float64)
    made(image).square().sum().backward()
    found = made.get_parameter("pool.p").grad
    assert found is not None
    assert found.abs().min() > 0
