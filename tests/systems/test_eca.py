"""What the record of efficient channel attention asks for, as far as it takes no training."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from harness.timm_names import residual_names
from torch.func import functional_call
from torch.testing import assert_close

import attn

from .cases.eca import KERNELS
from .support import CLOSE, Case, compare, parameters
from .whole import compare_whole


@pytest.mark.system("eca", "The kernel is the one of the paper's formula for 64 to 2048 channels (3, 5, 5, 5, 5, 7), and at least 3.")
def test_the_kernel_follows_from_the_channels() -> None:
    for channels, length in KERNELS.items():
        assert parameters("std.channel", "eca", C=channels) == length


@pytest.mark.system("eca", "The kernel is timm's formula at 1 to 4096 channels, at other gamma and shift too (12 settings).")
def test_the_kernel_is_the_formula_of_timm() -> None:
    settings = [(channels, 2, 1) for channels in (1, 2, 7, 96, 513, 1280, 4096)]
    for channels, gamma, shift in (*settings, (64, 3, 1), (511, 3, 1), (320, 2, 3), (2048, 1, 0), (5, 4, 0)):
        t = int(abs(math.log2(channels) + shift) / gamma)
        assert parameters("std.channel", "eca", C=channels, gamma=gamma, shift=shift) == max(t if t % 2 else t + 1, 3)


@pytest.mark.system("eca", "It equals timm's EcaModule with the same weights, in values and gradients, at 8, 64 and 192 channels.")
@pytest.mark.parametrize("channels", [8, 64, 192])
def test_it_is_timms(timm: Any, channels: int) -> None:
    other = timm.layers.EcaModule(channels).double()
    case = Case("std.channel", "eca", lambda w, x: functional_call(other, dict(w), x), ((2, channels, 3, 5),), {"C": channels})
    compare(case, case.module())


@pytest.mark.system("eca", "With a kernel of 1 the gate of a channel is sigmoid(w mean) of that channel alone.")
def test_a_kernel_of_one_is_a_scalar_gate() -> None:
    made = Case("std.channel", "eca", lambda w, x: x, ((2, 6, 7, 5),), {"C": 6, "kernel": 1}).module()
    x = torch.randn(2, 6, 7, 5, dtype=torch.float64)
    assert_close(made(x), x * torch.sigmoid(made.get_parameter("conv.weight").flatten() * x.mean((2, 3)))[..., None, None], **CLOSE)


@pytest.mark.system("eca", "ECA-ResNet-50 has 25,557,112 parameters, 80 of them in gates; the paper's 24.37M is this over 2 ** 20.")
def test_the_published_size_of_the_network() -> None:
    network = attn.load("std.systems.eca", "eca_resnet").graph({}, checking=True)
    assert parameters("std.systems.eca", "eca_resnet") == 25_557_112
    assert sum(weight.shape[-1].integer() or 0 for weight in network.weights if ".eca." in weight.path) == 80
    assert round(25_557_112 / 2**20, 2) == 24.37


@pytest.mark.system("eca", "With the weights of timm's ecaresnet50d the network gives the same for an image of 75 times 66, to 1e-5.")
def test_the_whole_network_is_timms(timm: Any) -> None:
    image = torch.randn(1, 3, 75, 66, generator=torch.Generator().manual_seed(1))
    bind = {"kernels": [5, 5, 5, 7], "deep": True}
    compare_whole(timm.create_model("ecaresnet50d"), "std.systems.eca", "eca_resnet", residual_names("eca", True), image, 1e-5, **bind)
