"""Token-aware phase attention in plain PyTorch, as the released naive function."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..plain import causal as lower
from ..support import Case, Weights


def tapa(
    w: Weights, q: Tensor, k: Tensor, v: Tensor, theta: float = 0.5, alpha: float = 0.5, c: float = 1.0, causal: bool = True
) -> Tensor:
    n, d = q.shape[-2:]
    a = min(max(int(theta * d), 1), d - 1)
    away = (torch.arange(n)[:, None] - torch.arange(n)).abs().to(q.dtype)
    amplitude = q[..., :a] @ k[..., :a].mT * a**-0.5
    phase = q[..., a:] @ k[..., a:].mT * (d - a) ** -0.5
    s = amplitude * (c * phase * away**alpha).cos()
    if causal:
        s = s.masked_fill(~lower(n), -torch.inf)
    return s.softmax(-1) @ v


QKV = ((2, 3, 9, 6), (2, 3, 9, 6), (2, 3, 9, 5))
WAYS: list[dict[str, Any]] = [{}, {"theta": 0.2, "alpha": 1.5, "c": 2.0}, {"theta": 0.01}, {"theta": 0.99}, {"causal": False}]
CASES = [Case("std.scores", "tapa", partial(tapa, **way), QKV, way, {"N": 9, "d": 6, "e": 5}, half=False) for way in WAYS]
