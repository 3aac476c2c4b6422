"""What the record of squeeze and excitation asks for, as far as it takes no training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.func import functional_call

from .support import Case, Weights, compare, parameters


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
