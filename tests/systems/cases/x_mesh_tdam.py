"""Text-guided dynamic attention in plain PyTorch."""

from __future__ import annotations

from torch import Tensor

from ..plain import dense
from ..support import Case, Weights, part


def dynamic_linear(w: Weights, x: Tensor, t: Tensor) -> Tensor:
    """x: [.., P, I], t: [.., E]."""
    m = dense(w, "u", t).unflatten(-1, (x.shape[-1] + 1, -1)) @ w["v"]
    return x @ m[..., :-1, :] + m[..., -1:, :]


def dynamic_mlp(w: Weights, x: Tensor, t: Tensor) -> Tensor:
    return dynamic_linear(part(w, "fc2"), dynamic_linear(part(w, "fc1"), x, t).relu(), t)


def tdam(w: Weights, x: Tensor, t: Tensor) -> Tensor:
    x = x * dynamic_mlp(part(w, "channel"), x, t).mean(-2, keepdim=True).sigmoid()
    return x * dynamic_mlp(part(w, "spatial"), x, t).mean(-1, keepdim=True).sigmoid()


INPUTS = ((2, 9, 16), (2, 7))
SIZES = {"E": 7, "rank": 3}

CASES = [
    Case("std.dynamic", "tdam", tdam, INPUTS, {"D": 16, **SIZES}, {"P": 9}),
    Case("std.dynamic", "tdam", tdam, INPUTS, {"D": 16, "E": 7, "reduction": 4}, {"P": 9}),
    Case("std.dynamic", "dynamic_mlp", dynamic_mlp, INPUTS, {"D": 16, **SIZES}, {"P": 9}),
    Case("std.dynamic", "dynamic_linear", dynamic_linear, INPUTS, {"I": 16, "O": 5, **SIZES}, {"P": 9}),
]
