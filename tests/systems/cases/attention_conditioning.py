"""Pooling attention that a second input conditions, in plain PyTorch."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..plain import dense
from ..support import Case, Weights


def conditional_pool(w: Weights, h: Tensor, c: Tensor, keep: Tensor | None = None, how: str = "affine", deep: bool = False) -> Tensor:
    if how == "concat":
        u = torch.cat((h, c), -1)
    elif how == "gate":
        u = dense(w, "gate", c).sigmoid() * h
    else:
        u = dense(w, "gamma", c) * h + dense(w, "beta", c)
        u = u.tanh() if how == "nonlinear" else u
    u = dense(w, "hidden", u).tanh() if deep else u
    a = dense(w, "score", u).squeeze(-1).softmax(-1)
    if keep is not None:
        a = a * keep
        a = a / a.sum(-1, keepdim=True)
    return (a[..., None] * h).sum(-2)


TOKENS = ((2, 5, 6), (2, 5, 4))
KEEP = torch.tensor([[True, True, False, True, False], [True, False, True, True, True]])
WAYS: list[dict[str, Any]] = [{"how": how, "deep": deep} for how in ("affine", "concat", "gate", "nonlinear") for deep in (False, True)]
SIZES = {"D": 6, "F": 4}

CASES = [
    *[Case("std.pooling", "conditional_pool", partial(conditional_pool, **way), TOKENS, {**SIZES, **way}, {"N": 5}) for way in WAYS],
    Case("std.pooling", "conditional_pool", conditional_pool, (*TOKENS, KEEP), SIZES, {"N": 5}, given=("keep",), lead=False),
]
