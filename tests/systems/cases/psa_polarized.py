"""Polarized self-attention in plain PyTorch: the paper's formula and the two that were released."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as fn

from ..plain import dense, mixed, norm
from ..support import Case, Weights, part

VARIANTS = ("paper", "parallel", "sequential")


def channel(w: Weights, x: Tensor, variant: str) -> Tensor:
    v, q = mixed(w, "v", x).flatten(2), mixed(w, "q", x).flatten(1)
    z = torch.einsum("bcn,bn->bc", v, q.softmax(1))
    m = dense(w, "up2", fn.relu(norm(w, "norm", dense(w, "up1", z)))) if variant == "sequential" else dense(w, "up", z)
    m = norm(w, "norm", m) if variant == "paper" else m
    return x * torch.sigmoid(m)[..., None, None]


def spatial(w: Weights, x: Tensor, variant: str) -> Tensor:
    q, v = mixed(w, "q", x).mean((2, 3))[:, None], mixed(w, "v", x).flatten(2)
    s = q.softmax(-1) @ v if variant == "paper" else (q @ v).softmax(-1) if variant == "parallel" else q @ v.softmax(-1)
    return x * torch.sigmoid(s).unflatten(-1, x.shape[2:])


def polarized(w: Weights, x: Tensor, variant: str) -> Tensor:
    y = channel(part(w, "channel"), x, variant)
    return spatial(part(w, "spatial"), y, variant) if variant == "sequential" else y + spatial(part(w, "spatial"), x, variant)


MAP = {"H": 5, "W": 7}
BLOCKS = {"polarized": polarized, "polarized_channel": channel, "polarized_spatial": spatial}

CASES = [
    Case("std.dual", block, partial(plain, variant=variant), ((2, 16, 5, 7),), {"C": 16, "variant": variant}, MAP)
    for block, plain in BLOCKS.items()
    for variant in VARIANTS
]
