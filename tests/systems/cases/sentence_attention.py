"""The channel gate that reads a sentence, in plain PyTorch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as fn

from ..plain import dense
from ..support import Case, Weights, part


def sentence_attention(w: Weights, x: Tensor, t: Tensor, fuse: str = "concat", residual: bool = False, gate: Any = torch.sigmoid) -> Tensor:
    z = x.mean((-1, -2))
    f = torch.cat((z, t), -1) if fuse == "concat" else dense(w, "from_image", z) * dense(w, "from_text", t)
    y = x * gate(dense(w, "fc2", dense(w, "fc1", f).relu()))[..., None, None]
    return x + y if residual else y


def hard(w: Weights, x: Tensor, t: Tensor) -> Tensor:
    return sentence_attention(part(w, "sentence_attention"), x, t, gate=fn.hardsigmoid)


# A layer as the gate cannot be bound from outside: the caller is a program.
HARD = """attn 1
use std.channel (sentence_attention)

block hard(x: [*, C, H, W], t: [*, E]) -> [*, C, H, W] {
    return sentence_attention(x, t, gate=hardsigmoid)
}
"""
INPUTS = ((2, 10, 7, 5), (2, 6))
SIZES = {"C": 10, "E": 6}
MAP = {"H": 7, "W": 5}


def case(fuse: str, residual: bool, reduction: int) -> Case:
    options = {"fuse": fuse, "residual": residual}

    def reference(w: Weights, x: Tensor, t: Tensor) -> Tensor:
        return sentence_attention(w, x, t, fuse, residual)

    return Case("std.channel", "sentence_attention", reference, INPUTS, {**SIZES, "reduction": reduction, **options}, MAP)


CASES = [
    *[case(fuse, residual, reduction) for fuse in ("concat", "product") for residual in (False, True) for reduction in (16, 4)],
    Case("", "hard", hard, INPUTS, SIZES, MAP, program=HARD),
]
