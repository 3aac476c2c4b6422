"""Channel gates against their formulas, and against timm's own; those that are systems of the catalogue are tested there."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as functional
from stdlib_support import Weights, block, numbers, same, shapes
from torch import Tensor
from torch.func import functional_call

X = (2, 32, 5, 7)


def gated(x: Tensor, gate: Tensor) -> Tensor:
    return x * gate[..., None, None]


def normalised(w: Weights, name: str, x: Tensor, train: bool) -> Tensor:
    mean, var = w[f"{name}.running_mean"].clone(), w[f"{name}.running_var"].clone()
    return functional.batch_norm(x, mean, var, w[f"{name}.weight"], w[f"{name}.bias"], train)


@pytest.mark.parametrize("train", [False, True])
def test_srm_is_its_formula(train: bool) -> None:
    def reference(w: Weights, x: Tensor) -> Tensor:
        style = torch.stack([x.mean((2, 3)), x.std((2, 3))], -1)
        z = functional.conv1d(style, w["cfc.weight"][:, None], groups=32)
        return gated(x, normalised(w, "norm", z, train)[..., 0].sigmoid())

    made = block("channel", "srm", C=32).train(train)
    assert shapes(made)["cfc.weight"] == (32, 2)
    same(made, reference, numbers(*X))


def test_gct_is_its_formula() -> None:
    def reference(w: Weights, x: Tensor) -> Tensor:
        s = (x.square().sum((2, 3)) + 1e-5).sqrt() * w["alpha"]
        return gated(x, 1 + (s * w["gamma"] * (s.square().mean(1, keepdim=True) + 1e-5).rsqrt() + w["beta"]).tanh())

    made = block("channel", "gct", C=32)
    assert shapes(made) == {"alpha": (32,), "gamma": (32,), "beta": (32,)}
    same(made, reference, numbers(*X))


def test_gct_changes_nothing_at_the_start() -> None:
    made = block("channel", "gct", C=32)
    made.reset_parameters()
    x = numbers(*X)
    assert torch.equal(made(x), x)


def test_simam_is_its_formula() -> None:
    def reference(w: Weights, x: Tensor) -> Tensor:
        far = (x - x.mean((2, 3), keepdim=True)).square()
        return x * (far / (4 * (far.sum((2, 3), keepdim=True) / 34 + 1e-4)) + 0.5).sigmoid()

    same(block("channel", "simam"), reference, numbers(*X))


@pytest.mark.parametrize("train", [False, True])
def test_coordinate_attention_is_timms(timm: Any, train: bool) -> None:
    other = timm.layers.coord_attn.CoordAttn(32, rd_channels=8, bias=True).double().train(train)
    renamed = {"conv1": "conv1", "norm": "bn1", "rows": "conv_h", "columns": "conv_w"}

    def reference(w: Weights, x: Tensor) -> Tensor:
        theirs = {f"{renamed[name.split('.')[0]]}.{name.split('.')[1]}": value.clone() for name, value in w.items()}
        maps = {name: value[..., None, None] for name, value in theirs.items() if value.dim() == 2}
        return functional_call(other, {**theirs, **maps}, x)

    made = block("channel", "coordinate", C=32, reduction=4).train(train)
    same(made, reference, numbers(*X))


def test_the_hidden_width_of_coordinate_attention_has_a_floor() -> None:
    assert shapes(block("channel", "coordinate", C=64))["conv1.weight"] == (8, 64)
    assert shapes(block("channel", "coordinate", C=512))["conv1.weight"] == (16, 512)
