"""Whole networks of timm: their weights under the names of our programs, and the comparison of one image."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.testing import assert_close

import attn

Names = dict[str, str | list[str] | None]
STEM = {"conv1": "stem.conv", "bn1": "stem.norm"}
DEEP = {"conv1.0": "stem.conv1", "conv1.1": "stem.norm1", "conv1.3": "stem.conv2", "conv1.4": "stem.norm2", "conv1.6": "stem.conv"}


def residual_names(gate: str = "", deep: bool = False) -> Names:
    """From the names of timm's ResNet to ours; `gate` is what we call its attention module, and `deep` the kind of its stem."""
    found: Names = {f"{theirs}.{{w}}": f"{ours}.{{w}}" for theirs, ours in ({**STEM, **DEEP} if deep else STEM).items()}
    conv, norm = (1, 2) if deep else (0, 1)
    for s in range(4):
        theirs, ours = f"layer{s + 1}.{{i}}", f"stages.{s}.blocks.{{i}}"
        found |= {
            f"{theirs}.downsample.{conv}.{{w}}": f"{ours}.shortcut.conv.{{w}}",
            f"{theirs}.downsample.{norm}.{{w}}": f"{ours}.shortcut.norm.{{w}}",
            f"{theirs}.conv2.conv.{{w}}": f"{ours}.split.conv.{{w}}",
            f"{theirs}.conv2.fc{{k}}.{{w}}": f"{ours}.split.fc{{k}}.{{w}}",
            f"{theirs}.conv2.bn{{k}}.{{w}}": f"{ours}.split.norm{{k}}.{{w}}",
            f"{theirs}.conv{{k}}.{{w}}": f"{ours}.conv{{k}}.{{w}}",
            f"{theirs}.bn{{k}}.{{w}}": f"{ours}.norm{{k}}.{{w}}",
            f"{theirs}.se.{{part}}.{{w}}": f"{ours}.{gate}.{{part}}.{{w}}",
        }
    return found


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
