"""Norms of the library against their formulas."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as functional
from stdlib_support import Weights, block, numbers, same, shapes
from torch import Tensor
from torch.func import functional_call

D = 6


@pytest.mark.parametrize("shape", [(2, 5, 4), (2, 1, 4)])
def test_adaptive_layernorm_is_its_formula(shape: tuple[int, ...]) -> None:
    def reference(w: Weights, x: Tensor, cond: Tensor) -> Tensor:
        shift, scale = functional.linear(functional.silu(cond), w["modulation.weight"], w["bias"].flatten()).chunk(2, -1)
        return functional.layer_norm(x, (D,), eps=1e-6) * (1 + scale) + shift

    made = block("norms", "adaptive_layernorm", D=D, E=4)
    assert shapes(made) == {"modulation.weight": (2 * D, 4), "bias": (2, D)}
    same(made, reference, numbers(2, shape[1], D), numbers(*shape, seed=2))


def test_adaptive_layernorm_starts_without_its_condition() -> None:
    made = block("norms", "adaptive_layernorm", D=D, E=4)
    made.reset_parameters()
    x = numbers(2, 5, D)
    torch.testing.assert_close(made(x, numbers(2, 5, 4)), functional.layer_norm(x, (D,), eps=1e-6))


@pytest.mark.parametrize("before", [True, False])
def test_gated_rmsnorm_is_its_formula(before: bool) -> None:
    def reference(w: Weights, x: Tensor, z: Tensor) -> Tensor:
        gate = functional.silu(z)
        y = functional.rms_norm(x if before else x * gate, (D,), w["norm.weight"], 1e-5)
        return y * gate if before else y

    made = block("norms", "gated_rmsnorm", D=D, before=before)
    assert shapes(made) == {"norm.weight": (D,)}
    same(made, reference, numbers(2, 5, D), numbers(2, 5, D, seed=2))


def test_gated_rmsnorm_is_that_of_mamba_2() -> None:
    from transformers.models.mamba2.modeling_mamba2 import MambaRMSNormGated

    made, other = block("norms", "gated_rmsnorm", D=D).float(), MambaRMSNormGated(D, D, eps=1e-5)
    other.load_state_dict({"weight": made.get_parameter("norm.weight")})
    x, z = numbers(2, 5, D).float(), numbers(2, 5, D, seed=2).float()
    torch.testing.assert_close(made(x, z), other(x, z))


def test_scale_norm_is_its_formula() -> None:
    made = block("norms", "scale_norm", D=D)
    same(made, lambda w, x: w["g"] * x / x.norm(dim=-1, keepdim=True).clamp(min=1e-5), numbers(2, 5, D))
    made.reset_parameters()
    torch.testing.assert_close(made.get_parameter("g").item(), D**0.5)


def test_dynamic_tanh_is_its_formula() -> None:
    made = block("norms", "dynamic_tanh", D=D, start=0.3)
    assert shapes(made) == {"alpha": (), "weight": (D,), "bias": (D,)}
    same(made, lambda w, x: w["weight"] * (w["alpha"] * x).tanh() + w["bias"], numbers(2, 5, D))
    made.reset_parameters()
    torch.testing.assert_close(made(numbers(3, D)), (0.3 * numbers(3, D)).tanh())


def test_grn_is_timms(timm: Any) -> None:
    other = timm.layers.grn.GlobalResponseNorm(D, channels_last=False).double()
    same(block("norms", "grn", C=D), lambda w, x: functional_call(other, dict(w), x), numbers(2, D, 5, 3))


def test_layerscale_is_a_factor() -> None:
    made = block("norms", "layerscale", D=D)
    same(made, lambda w, x: w["gamma"] * x, numbers(2, D))
    made.reset_parameters()
    torch.testing.assert_close(made(numbers(2, D)), 1e-5 * numbers(2, D))
