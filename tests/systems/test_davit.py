"""What the record of DaViT asks for, as far as it takes no training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from harness.timm_names import davit_names
from torch import Tensor
from torch.func import functional_call

from .counting import counted, nodes
from .support import Case, Weights, compare, parameters
from .whole import compare_whole

BASE = {"depths": [1, 1, 9, 1], "widths": [128, 256, 512, 1024], "heads": [4, 8, 16, 32]}


@pytest.mark.system("davit", "Tiny, small and base have 28,360,168, 49,745,896 and 87,954,408 parameters.")
def test_the_number_of_parameters() -> None:
    assert parameters("std.systems.davit", "davit") == 28_360_168
    assert parameters("std.systems.davit", "davit", depths=[1, 1, 9, 1]) == 49_745_896
    assert parameters("std.systems.davit", "davit", **BASE) == 87_954_408


@pytest.mark.system("davit", "Tiny takes 4,540,244,736 FLOPs at 224, as released: multiply-adds, and 5 for each number of a norm.")
def test_the_number_of_operations() -> None:
    assert counted(nodes("std.systems.davit", "davit", H=224, W=224), {"layernorm": 5}) == 4_540_244_736


@pytest.mark.system("davit", "Channel attention equals timm's ChannelAttention, in values and gradients, with its rotated roles.")
def test_channel_attention_is_timms(timm: Any) -> None:
    other = timm.models.davit.ChannelAttention(12, 3, qkv_bias=True).double()

    def reference(w: Weights, x: Tensor) -> Any:
        joined = {f"qkv.{kind}": torch.cat([w[f"{role}.{kind}"] for role in "vqk"]) for kind in ("weight", "bias")}
        return functional_call(other, {**joined, "proj.weight": w["out.weight"], "proj.bias": w["out.bias"]}, x)

    case = Case("std.channel_tokens", "channel_group", reference, ((2, 9, 12),), {"D": 12, "groups": 3})
    compare(case, case.module())


@pytest.mark.system("davit", "Both kinds of attention are the one primitive `attend`, over places by channels and over channels by places.")
def test_both_kinds_are_one_primitive_with_its_axes_exchanged() -> None:
    found = [node for node in nodes("std.systems.davit", "davit", H=224, W=224) if node.op == "attend"]
    assert len(found) == 12
    for places, channels in zip(found[::2], found[1::2], strict=True):
        assert (places["keys"], places["dots"]) == (("u'", "v'"), (("d",),))
        assert (channels["keys"], channels["dots"]) == (("c'",), (("N",),))


@pytest.mark.system("davit", "With the weights of timm's davit_tiny it gives the same for an image of 75 times 66, to 1e-5.")
def test_the_whole_network_is_timms(timm: Any) -> None:
    image = torch.randn(1, 3, 75, 66, generator=torch.Generator().manual_seed(1))
    compare_whole(timm.create_model("davit_tiny"), "std.systems.davit", "davit", davit_names(), image, 1e-5)
