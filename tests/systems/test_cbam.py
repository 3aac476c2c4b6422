"""What the record of the convolutional block attention module asks for, as far as it takes no training."""

from __future__ import annotations

from typing import Any

import pytest
from torch import Tensor
from torch.func import functional_call

from .counting import counted, nodes
from .support import Case, Weights, compare, parameters

NAMES = {"fc1": "channel.fc1", "fc2": "channel.fc2", "spatial": "spatial.conv.conv", "norm": "spatial.conv.bn"}


@pytest.mark.system("cbam", "It equals timm's CbamModule, in values and gradients, evaluated and in training, with two inputs exchanged.")
@pytest.mark.parametrize(("bias", "train"), [(False, False), (True, False), (False, True)])
def test_it_is_timms(timm: Any, bias: bool, train: bool) -> None:
    other = timm.layers.cbam.CbamModule(32, mlp_bias=bias).double().train(train)

    def reference(w: Weights, x: Tensor) -> Any:
        theirs = {f"{NAMES[name.split('.')[0]]}.{name.split('.')[1]}": value for name, value in w.items()}
        theirs["spatial.conv.conv.weight"] = theirs["spatial.conv.conv.weight"].flip(1)
        return functional_call(other, {name: value[..., None, None] if value.dim() == 2 else value for name, value in theirs.items()}, x)

    case = Case("std.channel", "cbam", reference, ((2, 32, 5, 7),), {"C": 32, "bias": bias})
    compare(case, case.module().train(train))


@pytest.mark.system("cbam", "It has 2 C (C // r) parameters, C // r + C more with biases, and 98 + 2 for the gate of places.")
def test_the_number_of_parameters() -> None:
    for channels, reduction in ((64, 16), (256, 16), (2048, 16), (12, 4), (37, 5)):
        hidden = channels // reduction
        bind, weights = {"C": channels, "reduction": reduction}, 2 * channels * hidden
        assert parameters("std.channel", "cbam", **bind) == weights + 98 + 2
        assert parameters("std.channel", "cbam", **bind, bias=True) == weights + hidden + channels + 98 + 2
        assert parameters("std.channel", "cbam", **bind, spatial=False) == weights


@pytest.mark.system("cbam", "ResNet-50 with it has 28.09M parameters (28,089,624) and 3.864 GFLOPs (3,864,362,102 multiply-adds at 224).")
def test_the_published_size_of_the_network() -> None:
    assert parameters("std.systems.cbam", "cbam_resnet") == 28_089_624
    assert counted(nodes("std.systems.cbam", "cbam_resnet", early=True, H=224, W=224), {}) == 3_864_362_102
