"""What the record of polarized self-attention asks for, as far as it takes no training."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from .support import CLOSE, Case, parameters


@pytest.mark.system("psa-polarized", "With 64 channels the released parallel form has 8,256 parameters, and the sequential one 7,064.")
def test_the_number_of_parameters() -> None:
    assert parameters("std.dual", "polarized", C=64, variant="parallel") == 8_256
    assert parameters("std.dual", "polarized", C=64, variant="sequential") == 7_064
    assert parameters("std.dual", "polarized", C=64) == 8_256 + 2 * 64


@pytest.mark.system(
    "psa-polarized", "For an image that is the same everywhere the parallel channel branch is squeeze-and-excitation without bias and relu."
)
def test_the_channel_branch_of_a_constant_image() -> None:
    made = Case("std.dual", "polarized_channel", lambda w, x: x, (), {"C": 16, "variant": "parallel"}).module()
    x = torch.randn(2, 16, 1, 1, dtype=torch.float64).expand(2, 16, 5, 7)
    gate = x.mean((2, 3)) @ made.get_parameter("v.weight").mT @ made.get_parameter("up.weight").mT
    assert_close(made(x), x * torch.sigmoid(gate)[..., None, None], **CLOSE)


@pytest.mark.system("psa-polarized", "For such an image the spatial branch is what each variant's formula says of equal places.")
@pytest.mark.parametrize("variant", ["paper", "parallel", "sequential"])
def test_the_spatial_branch_of_a_constant_image(variant: str) -> None:
    made = Case("std.dual", "polarized_spatial", lambda w, x: x, (), {"C": 16, "variant": variant}).module()
    x = torch.randn(2, 16, 1, 1, dtype=torch.float64).expand(2, 16, 5, 7)
    q, v = (x[..., 0, 0] @ made.get_parameter(f"{name}.weight").mT for name in "qv")
    s = {"paper": (q.softmax(1) * v).sum(1), "parallel": torch.full((2,), 1 / 35, dtype=torch.float64), "sequential": q.sum(1) / 35}
    assert_close(made(x), x * torch.sigmoid(s[variant])[:, None, None, None], **CLOSE)
