"""What the record of squeeze and excitation asks for, as far as it takes no training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from harness.timm_names import residual_names
from torch.func import functional_call

from .counting import counted, elements, nodes, products
from .support import Case, Weights, compare, parameters
from .whole import compare_whole


@pytest.mark.system("se", "It has 2 C C / r weights, and C / r + C biases where it has them, for six pairs of C and r.")
def test_the_number_of_parameters() -> None:
    for channels, reduction in ((64, 16), (256, 16), (512, 8), (2048, 16), (12, 4), (30, 15)):
        weights, biases = 2 * channels**2 // reduction, channels // reduction + channels
        assert parameters("std.channel", "se", C=channels, reduction=reduction) == weights + biases
        assert parameters("std.channel", "se", C=channels, reduction=reduction, bias=False) == weights


@pytest.mark.system("se", "It equals torchvision's SqueezeExcitation and timm's SEModule with the same weights, in values and gradients.")
@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_it_is_the_libraries(timm: Any, library: str) -> None:
    from torchvision.ops import SqueezeExcitation

    other = SqueezeExcitation(32, 8) if library == "torchvision" else timm.layers.SEModule(32, rd_ratio=1 / 4, rd_divisor=1)
    other = other.double()

    def reference(w: Weights, x: torch.Tensor) -> Any:
        return functional_call(other, {name: value if value.dim() == 1 else value[..., None, None] for name, value in w.items()}, x)

    case = Case("std.channel", "se", reference, ((2, 32, 5, 7),), {"C": 32, "reduction": 4})
    compare(case, case.module())


@pytest.mark.system("se", "With W2 = 0 and a large b2 it changes nothing.")
def test_an_open_gate_changes_nothing() -> None:
    made = Case("std.channel", "se", lambda w, x: x, (), {"C": 12, "reduction": 4}).module()
    made.get_parameter("fc2.weight").data.zero_()
    made.get_parameter("fc2.bias").data.fill_(1000.0)
    x = torch.randn(2, 12, 7, 5, dtype=torch.float64)
    assert torch.equal(made(x), x)


@pytest.mark.system("se", "SE-ResNet-50 has 28.1M parameters: 28,088,024, as timm's seresnet50.")
def test_the_published_size_of_the_network() -> None:
    assert parameters("std.systems.se", "se_resnet") == 28_088_024


@pytest.mark.system("se", "At 224 SE-ResNet-50 takes 3.87 GFLOPs, and 3.86 without its gates: multiply-adds, with the means and the gates.")
def test_the_published_operations_of_the_network() -> None:
    found = nodes("std.systems.se", "se_resnet", early=True, H=224, W=224)
    gated = [node for node in found if node.op == "mul"]
    maps = [node for node in found if node.op == "linear"][:-1]
    assert (len(gated), len(maps)) == (16, 32)
    whole, inside = counted(found, {}), sum(map(products, maps))
    assert round((whole - inside) / 1e9, 2) == 3.86
    assert round((whole + 2 * sum(map(elements, gated))) / 1e9, 2) == 3.87


@pytest.mark.system("se", "With the weights of timm's seresnet50 the network gives the same for an image of 75 times 66, to 1e-5.")
def test_the_whole_network_is_timms(timm: Any) -> None:
    image = torch.randn(1, 3, 75, 66, generator=torch.Generator().manual_seed(1))
    compare_whole(timm.create_model("seresnet50"), "std.systems.se", "se_resnet", residual_names("se"), image, 1e-5)
