"""Squeeze and excitation in plain PyTorch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as fn

from ..residual import resnet
from ..support import Case, Weights, part


def se(w: Weights, x: Tensor, hard: bool = False) -> Tensor:
    hidden = fn.relu(fn.linear(x.mean((-1, -2)), w["fc1.weight"], w.get("fc1.bias")))
    gate = fn.linear(hidden, w["fc2.weight"], w.get("fc2.bias"))
    return x * (fn.hardsigmoid(gate) if hard else torch.sigmoid(gate))[..., None, None]


def hard(w: Weights, x: Tensor) -> Tensor:
    return se(part(w, "se"), x, hard=True)


# A layer as the gate cannot be bound from outside: the caller is a program.
HARD = """attn 1
use std.channel (se)

block hard(x: [*, C, H, W], reduction: int = 4) -> [*, C, H, W] {
    return se(x, reduction=reduction, gate=hardsigmoid)
}
"""
MAP = {"H": 7, "W": 5}
NET: dict[str, Any] = {"widths": [4, 6], "reduction": 4, "classes": 5}

CASES = [
    *[Case("std.channel", "se", se, ((2, 12, 7, 5),), {"C": 12, "reduction": r, "bias": b}, MAP) for r in (4, 1) for b in (True, False)],
    Case("std.channel", "se", se, ((2, 32, 7, 5),), {"C": 32}, MAP),
    Case("", "hard", hard, ((2, 12, 7, 5),), {"C": 12}, MAP, program=HARD),
    *[Case("std.systems.se", "se_resnet", resnet("se", lambda w, x, _: se(w, x), early=early), ((1, 3, 29, 22),),
           {**NET, "early": early, "depths": [1] * stages}, {"H": 29, "W": 22},
           half=False, scale=0.2) for early, stages in ((False, 1), (True, 2))],
]  # fmt: skip
