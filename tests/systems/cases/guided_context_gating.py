"""Guided context gating in plain PyTorch."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from ..plain import mixed, norm
from ..support import Case, Weights, part


def context(w: Weights, x: Tensor, read: str = "softmax") -> Tensor:
    """A global context that is added, through a narrow network with or without a norm."""
    logits = mixed(w, "mask", x).flatten(2) if "mask.weight" in w else x.new_zeros(x.shape[0], 1, x[0, 0].numel())
    weights = logits.softmax(-1) if read == "softmax" else torch.ones_like(logits)
    t = mixed(w, "fc1", (x.flatten(2) * weights).sum(-1, keepdim=True)[..., None])
    t = norm(w, "norm", t, 1) if "norm.weight" in w else t
    return x + mixed(w, "fc2", t.relu())


def gating(w: Weights, x: Tensor, guide: Tensor) -> tuple[Tensor, Tensor]:
    a = (mixed(w, "wx", x).relu() + mixed(w, "wg", guide).relu() + w["b_xg"][:, None, None]).relu()
    s = (mixed(w, "psi", norm(w, "norm", a, 1, 1e-3)) + w["b_psi"]).sigmoid()
    return s * x, s[:, 0]


def guided(w: Weights, x: Tensor, read: str = "softmax") -> tuple[Tensor, Tensor]:
    return gating(part(w, "gating"), x, context(part(w, "context"), x, read))


MAP = {"H": 5, "W": 7}

CASES = [
    *[Case("std.context", "guided_context", partial(guided, read=r), ((2, 16, 5, 7),), {"C": 16, "read": r}, MAP)
      for r in ("softmax", "sum")],
    Case("std.context", "guided_context", guided, ((2, 6, 5, 3),), {"C": 6, "reduction": 2}, {"H": 5, "W": 3}),
    Case("std.context", "additive_gate", gating, ((2, 6, 5, 7), (2, 6, 5, 7)), {"C": 6}, MAP),
    *[Case("std.context", "global_context", context, ((2, 12, 5, 7),), {"C": 12, "reduction": 4, "norm": n, "bias": b}, MAP)
      for n, b in ((True, True), (False, False), (True, False))],
]  # fmt: skip
