"""The parts of residual networks against timm's; the networks with a gate are systems of the catalogue and tested there."""

from __future__ import annotations

from typing import Any

import pytest
from stdlib_support import Weights, block, numbers, same
from torch import Tensor, nn
from torch.func import functional_call


def renamed(w: Weights, downsample: nn.Module | None) -> dict[str, Tensor]:
    """Our names as timm's."""
    first = 1 if isinstance(downsample, nn.Sequential) and len(downsample) == 3 else 0  # after a pooling
    theirs = {"conv": f"downsample.{first}", "norm": f"downsample.{first + 1}"}
    found: dict[str, Tensor] = {}
    for name, value in w.items():
        part, _, rest = name.removeprefix("shortcut.").partition(".")
        found[f"{theirs[part]}.{rest}" if name.startswith("shortcut.") else f"{part.replace('norm', 'bn')}.{rest}"] = value.clone()
    return found


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize(("channels", "stride", "pooled"), [(16, 1, False), (6, 1, False), (16, 2, False), (16, 2, True), (6, 1, True)])
def test_a_bottleneck_is_timms(timm: Any, channels: int, stride: int, pooled: bool, train: bool) -> None:
    from timm.models.resnet import Bottleneck, downsample_avg, downsample_conv

    short = None
    if stride > 1 or channels != 16:
        short = (downsample_avg if pooled else downsample_conv)(channels, 16, 1, stride)
    other = Bottleneck(channels, 4, stride, short).double().train(train)
    made = block("residual", "bottleneck", C=channels, width=4, stride=stride, pooled=pooled).train(train)
    same(made, lambda w, x: functional_call(other, renamed(w, short), x), numbers(2, channels, 5, 8))


@pytest.mark.parametrize(("channels", "stride"), [(6, 1), (5, 1), (6, 2)])
def test_a_basic_block_is_timms(timm: Any, channels: int, stride: int) -> None:
    from timm.models.resnet import BasicBlock, downsample_conv

    short = downsample_conv(channels, 6, 1, stride) if stride > 1 or channels != 6 else None
    other = BasicBlock(channels, 6, stride, short).double().eval()
    made = block("residual", "basic", C=channels, width=6, stride=stride)
    same(made, lambda w, x: functional_call(other, renamed(w, short), x), numbers(2, channels, 5, 8))
