"""Plain formulations of mechanisms over images: [B, C, H, W]."""

from __future__ import annotations

import math

import torch
from systems.plain import Weights, dense, mixed, norm
from torch import Tensor


def below(p: Weights, prefix: str) -> Weights:
    """The weights of one part, under their names inside it."""
    return {name.removeprefix(f"{prefix}."): weight for name, weight in p.items() if name.startswith(f"{prefix}.")}


def high_order(p: Weights, x: Tensor, order: int = 3) -> Tensor:
    gate = torch.zeros_like(x)
    for r in range(1, order + 1):
        product = math.prod((mixed(p, f"order.{r}.u.{s}", x) for s in range(r)), start=torch.ones(()))
        gate = gate + mixed(p, f"order.{r}.out", product.relu()).sigmoid()
    return x * gate / order


def high_order_mixed(p: Weights, x: Tensor, parts: int = 3, classes: int = 5) -> Tensor:
    z = torch.stack([high_order(below(p, f"attention.{r}"), x, r) for r in range(1, parts + 1)], 1)
    f = norm(p, "norm", dense(p, "feature", z.mean((-2, -1))))
    w, b = p["head.weight"].unflatten(0, (parts, classes)), p["head.bias"].unflatten(0, (parts, classes))
    return torch.einsum("bpf,pkf->bpk", f, w) + b
