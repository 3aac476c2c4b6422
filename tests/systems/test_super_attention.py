"""What the record of Super Attention asks for, as far as it takes no training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from .cases.super_attention import super_attention
from .support import Case, Weights, built, compare, parameters

X = (2, 7, 12)


def case(reference: Any, variant: str, **bind: Any) -> Case:
    return Case("std.heads", "super_attention", reference, (X, X, X), {"D": 12, "heads": 3, "variant": variant, **bind})


def theirs(w: Weights, other: nn.Module, *inputs: Tensor) -> Any:
    """PyTorch's module with these weights; a projection that is not there is the identity."""
    eye, none = torch.eye(12, dtype=torch.float64), torch.zeros(12, dtype=torch.float64)
    given = {
        "in_proj_weight": torch.cat([w.get(f"{name}.weight", eye) for name in "qkv"]),
        "in_proj_bias": torch.cat([w.get(f"{name}.bias", none) for name in "qkv"]),
        "out_proj.weight": w["out.weight"],
        "out_proj.bias": w["out.bias"],
    }
    return functional_call(other, given, inputs, {"need_weights": False})[0]


@pytest.mark.system(
    "super-attention", "Optimised equals torch's MultiheadAttention with Wv = I, efficient that with Wk = Wv = I, standard that as it is."
)
@pytest.mark.parametrize("variant", ["standard", "optimised", "efficient"])
def test_fewer_projections_are_identities(variant: str) -> None:
    other = nn.MultiheadAttention(12, 3, batch_first=True, dtype=torch.float64)
    tried = case(lambda w, *inputs: theirs(w, other, *inputs), variant)
    compare(tried, tried.module())


@pytest.mark.system("super-attention", "With the identity as alignment it equals efficient attention.")
def test_an_identity_aligns_nothing() -> None:
    def reference(w: Weights, *inputs: Tensor) -> Tensor:
        return super_attention({**w, "align.weight": torch.eye(7, dtype=torch.float64)}, *inputs, heads=3)

    made = case(reference, "aligned", M=7, bias=False).module()
    made.get_parameter("align.weight").data.copy_(torch.eye(7))
    efficient = built("std.heads", "super_attention", D=12, heads=3, variant="efficient", bias=False)
    efficient.load_state_dict({name: value for name, value in made.state_dict().items() if not name.startswith("align")})
    x = torch.randn(3, *X, dtype=torch.float64)
    torch.testing.assert_close(made(*x), efficient(*x), rtol=1e-10, atol=1e-10)


@pytest.mark.system("super-attention", "Without biases it has 4 D D, 3 D D, 2 D D and 2 D D + N N weights, for three sizes.")
@pytest.mark.parametrize(("features", "heads", "length"), [(64, 4, 32), (512, 8, 100), (12, 3, 7)])
def test_the_number_of_parameters(features: int, heads: int, length: int) -> None:
    found = [
        parameters("std.heads", "super_attention", D=features, heads=heads, M=length, variant=variant, bias=False)
        for variant in ("standard", "optimised", "efficient", "aligned")
    ]
    assert found == [4 * features**2, 3 * features**2, 2 * features**2, 2 * features**2 + length**2]


@pytest.mark.system("super-attention", "With the softmax over the queries it equals the equations of the published re-implementation.")
def test_a_softmax_over_queries() -> None:
    class Published(nn.Module):
        """One head after the other: softmax over dimension 1 of [B, queries, keys], one alignment with a bias for all heads."""

        def forward(self, w: Weights, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            q = q @ w["q.weight"].T + w["q.bias"]
            v = (v.transpose(1, 2) @ w["align.weight"].T + w["align.bias"]).transpose(1, 2)
            parts = [
                torch.softmax(a @ b.transpose(1, 2) / 2.0, dim=1) @ c
                for a, b, c in zip(q.chunk(3, -1), k.chunk(3, -1), v.chunk(3, -1), strict=True)
            ]
            return torch.cat(parts, -1) @ w["out.weight"].T + w["out.bias"]

    tried = case(Published(), "aligned", M=7, over="queries")
    compare(tried, tried.module())


@pytest.mark.system("super-attention", "Causal, no token changes what the tokens before it give, in all four variants.")
@pytest.mark.parametrize("variant", ["standard", "optimised", "efficient", "aligned"])
def test_causal_attention_sees_nothing_later(variant: str) -> None:
    made = built("std.heads", "super_attention", D=12, heads=3, M=7, variant=variant, causal=True)
    x = torch.randn(X, dtype=torch.float64)
    changed = x.clone()
    changed[:, 4:] += 1
    one, two = made(x, x, x), made(changed, changed, changed)
    torch.testing.assert_close(one[:, :4], two[:, :4], rtol=1e-10, atol=1e-10)
    assert not torch.allclose(one[:, 4:], two[:, 4:])
