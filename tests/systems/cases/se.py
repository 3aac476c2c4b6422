"""Squeeze and excitation in plain PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as fn

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

CASES = [
    *[Case("std.channel", "se", se, ((2, 12, 7, 5),), {"C": 12, "reduction": r, "bias": b}, MAP) for r in (4, 1) for b in (True, False)],
    Case("std.channel", "se", se, ((2, 32, 7, 5),), {"C": 32}, MAP),
    Case("", "hard", hard, ((2, 12, 7, 5),), {"C": 12}, MAP, program=HARD),
]
