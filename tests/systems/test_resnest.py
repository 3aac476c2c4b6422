"""What the record of ResNeSt asks for, as far as it takes no training."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch
from harness.timm_names import residual_names
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as fn
from torch.testing import assert_close

from .cases.resnest import PAIRS
from .plain import batch_norm, conv
from .support import CLOSE, Case, Weights, compare, leaves, parameters
from .whole import compare_whole


@pytest.mark.system("resnest", "Split attention equals timm's SplitAttn, in values and gradients, for radix 1, 2 and 4, and in 2 groups.")
@pytest.mark.parametrize(("radix", "cardinality"), PAIRS)
def test_it_is_timms(timm: Any, radix: int, cardinality: int) -> None:
    other = timm.layers.SplitAttn(72, 12, radix=radix, groups=cardinality, norm_layer=nn.BatchNorm2d).double().eval()

    def reference(w: Weights, x: Tensor) -> Any:
        theirs = {name.replace("norm", "bn"): value for name, value in w.items()}
        return functional_call(other, {name: value[..., None, None] if value.dim() == 2 else value for name, value in theirs.items()}, x)

    bind = {"C": 72, "E": 12, "radix": radix, "cardinality": cardinality, "multiple": 8}
    case = Case("std.branches", "split_attention", reference, ((2, 72, 5, 7),), bind, scale=0.2)
    compare(case, case.module())


@pytest.mark.system("resnest", "With radix 1 it is squeeze-and-excitation, with a norm before the relu, of what the convolution gives.")
def test_one_branch_is_squeeze_and_excitation() -> None:
    made = Case("std.branches", "split_attention", lambda w, x: x, (), {"C": 8, "E": 12, "radix": 1}).module()
    w, x = leaves(made), torch.randn(2, 8, 5, 7, dtype=torch.float64)
    u = fn.relu(batch_norm(w, "norm0", conv(w, "conv", x)))
    hidden = fn.relu(batch_norm(w, "norm1", fn.linear(u.mean((2, 3)), w["fc1.weight"], w["fc1.bias"])))
    assert_close(made(x), u * torch.sigmoid(fn.linear(hidden, w["fc2.weight"], w["fc2.bias"]))[..., None, None], **CLOSE)


@pytest.mark.system("resnest", "With radix 2 and one group it is the softmax fusion of two branches of 3 times 3, as in SKNet.")
def test_two_branches_are_fused_by_a_softmax() -> None:
    made = Case("std.branches", "split_attention", lambda w, x: x, (), {"C": 8, "E": 12}).module()
    w, x = leaves(made), torch.randn(2, 8, 5, 7, dtype=torch.float64)
    kernels = w["conv.weight"].chunk(2)
    both = torch.cat([fn.conv2d(half, kernel, padding=1) for half, kernel in zip(x.chunk(2, 1), kernels, strict=True)], 1)
    first, second = fn.relu(batch_norm(w, "norm0", both)).chunk(2, 1)
    hidden = fn.relu(batch_norm(w, "norm1", fn.linear((first + second).mean((2, 3)), w["fc1.weight"], w["fc1.bias"])))
    share = torch.sigmoid(torch.sub(*fn.linear(hidden, w["fc2.weight"], w["fc2.bias"]).chunk(2, 1)))[..., None, None]
    assert_close(made(x), share * first + (1 - share) * second, **CLOSE)


@pytest.mark.system("resnest", "ResNeSt-14, 50 and 101 have 10,611,688, 27,483,240 and 48,275,016 parameters, as timm's.")
def test_the_number_of_parameters() -> None:
    assert parameters("std.systems.resnest", "resnest", depths=[1, 1, 1, 1]) == 10_611_688
    assert parameters("std.systems.resnest", "resnest") == 27_483_240
    assert parameters("std.systems.resnest", "resnest", depths=[3, 4, 23, 3], first=128) == 48_275_016


@pytest.mark.system("resnest", "With the weights of timm's resnest50d it gives the same for an image of 75 times 66, to 1e-5.")
def test_the_whole_network_is_timms(timm: Any) -> None:
    image = torch.randn(1, 3, 75, 66, generator=torch.Generator().manual_seed(1))
    compare_whole(timm.create_model("resnest50d"), "std.systems.resnest", "resnest", residual_names(deep=True), image, 1e-5)


@pytest.mark.system("resnest", "So do small networks with radix 4 in 2 groups and radix 1 in 4 groups, with means before the attention.")
@pytest.mark.parametrize(("radix", "cardinality", "base"), [(4, 2, 40), (1, 4, 24)])
def test_other_networks_are_timms(timm: Any, radix: int, cardinality: int, base: int) -> None:
    blocks, networks = (importlib.import_module(f"timm.models.{name}") for name in ("resnest", "resnet"))
    args = {"radix": radix, "avd": True, "avd_first": True}
    shape = {"stem_type": "deep", "stem_width": 4, "avg_down": True, "channels": (64,) * 4, "base_width": base, "num_classes": 7}
    other = networks.ResNet(blocks.ResNestBottleneck, (1,) * 4, cardinality=cardinality, block_args=args, **shape)
    bind = {
        "depths": [1] * 4,
        "widths": [64] * 4,
        "first": 8,
        "radix": radix,
        "cardinality": cardinality,
        "base": base,
        "early": True,
        "classes": 7,
    }
    image = torch.randn(1, 3, 37, 42, generator=torch.Generator().manual_seed(1))
    compare_whole(other, "std.systems.resnest", "resnest", residual_names(deep=True), image, 1e-5, **bind)
