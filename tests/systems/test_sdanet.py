"""What the record of SDANet's neck asks for, as far as it takes no training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.func import functional_call
from torch.testing import assert_close

import attn

from .cases.sdanet import LEVELS, channels, places
from .support import CLOSE, Case, Weights, compare, parameters


@pytest.mark.system("sdanet", "With one map there is no choice: channels and places each give the map itself, together twice the map.")
def test_one_map_has_no_choice() -> None:
    f = torch.randn(2, 1, 8, 5, 3, dtype=torch.float64)
    found = [
        Case("std.selective", block, reference, (), {"M": 1, "C": 8}).module()(f)
        for block, reference in (("select_channels", channels), ("select_places", places))
    ]
    assert_close(found[0] + found[1], 2 * f[:, 0], **CLOSE)


@pytest.mark.system("sdanet", "The choice of channels between two maps equals timm's SelectiveKernelAttn, in values and gradients.")
def test_two_maps_are_selective_kernels(timm: Any) -> None:
    from timm.layers.selective_kernel import SelectiveKernelAttn

    other = SelectiveKernelAttn(16, 2, 6).double().eval()
    names = {"squeeze": "fc_reduce", "norm": "bn", "excite": "fc_select"}

    def reference(w: Weights, f: torch.Tensor) -> Any:
        theirs = {f"{names[name.split('.')[0]]}.{name.split('.')[1]}": value for name, value in w.items()}
        a = functional_call(other, {k: v[..., None, None] if v.dim() == 2 else v for k, v in theirs.items()}, f)
        return (f * a).sum(1)

    case = Case("std.selective", "select_channels", reference, ((2, 2, 16, 5, 7),), {"M": 2, "C": 16, "hidden": 6, "bias": False})
    compare(case, case.module())


@pytest.mark.system("sdanet", "Five maps come out at the sizes they came in, and the levels share no weights: five times those of one.")
def test_five_maps_come_out() -> None:
    made = attn.compile("std.systems.sdanet", "sdanet", C=16).eval()
    found = made(*(torch.randn(1, 16, *size) for size in LEVELS))
    assert [tuple(y.shape[2:]) for y in found] == list(LEVELS)
    assert found._fields == ("y0", "y1", "y2", "y3", "y4")
    assert parameters("std.systems.sdanet", "sdanet", C=256) == 5 * parameters("std.systems.sdanet", "refine", C=256, M=5)


@pytest.mark.system("sdanet", "A softmax over the levels is one line: the weights of five levels add up to 1 in every channel and place.")
def test_levels_share_one_softmax() -> None:
    same = torch.randn(2, 1, 8, 5, 3, dtype=torch.float64).expand(2, 5, 8, 5, 3)
    for block in ("select_channels", "select_places"):
        made = Case("std.selective", block, channels, (), {"M": 5, "C": 8}).module()
        assert_close(made(same), same[:, 0], **CLOSE)
