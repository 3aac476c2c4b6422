"""Attention as an adaptive filter in plain PyTorch, with complex numbers."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as fn

from ..plain import causal, dense
from ..support import Case, Weights


def complex_heads(w: Weights, name: str, x: Tensor, count: int) -> Tensor:
    """[B, N, D] to [B, h, N, d], complex."""
    return torch.view_as_complex(dense(w, name, x).unflatten(-1, (count, -1, 2))).transpose(1, 2)


def frequencies(w: Weights, count: int, d: int, length: int) -> Tensor:
    """[h, d], in pairs of opposite sign."""
    if "omega" in w:
        half = w["omega"] * (10 * 2 * math.pi / (2 * length))
    else:
        half = (10000.0 ** (-torch.arange(d // 2, dtype=torch.float64) / (d // 2))).expand(count, -1)
    return torch.stack((half, -half), -1).flatten(-2)


def afa(
    w: Weights, x: Tensor, t: Tensor | None = None, robust: bool = True, rotate_values: bool = True, inner: str = "sum",
    predict: bool = False, length: int | None = None, count: int = 2, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    n = x.shape[1]
    t = torch.arange(n, dtype=x.dtype) if t is None else t
    length = n if length is None else length
    q, k, v = (complex_heads(w, name, x, count) for name in "qkv")
    omega = frequencies(w, count, q.shape[-1], length)
    turn = torch.exp(1j * omega[:, None] * t[:, None])
    q, k = q * turn.conj(), k * turn.conj()
    v = v * turn.conj() if rotate_values else v
    mu = ((w["mu"].sigmoid() - 1) * 10 / (2 * length) - eps)[:, None, None]
    s2, e2, g2 = (fn.softplus(w[f"noise.{name}"])[:, None, None] for name in ("sigma", "eta", "gamma"))
    decay = (mu * (t[:, None] - t).abs()).clamp(-10, 10).exp()
    spread = s2 * (1 - decay**2) / (-2 * mu) + (e2 + eps) * decay**2 + g2 + eps
    residual = (q[..., :, None, :] - decay[..., None] * k[..., None, :, :]).abs().square().sum(-1)
    u = residual / ((fn.softplus(w["score.nu"]) + eps)[:, None, None] * q.shape[-1] * spread)
    s = w["score.tau"][:, None, None] ** 2 * (-spread.log() - (u.log1p() if robust else u))
    s = s.masked_fill(~causal(n), -torch.inf)
    o = (s.softmax(-1) * decay).to(v.dtype) @ v
    if inner == "sum":
        o = o + v
    elif inner == "gate":
        g = (w["slope"][:, None] ** 2 * s.logsumexp(-1) - w["threshold"][:, None]).sigmoid()[..., None]
        o = g * o + (1 - g) * v
    if predict:
        o = o * torch.exp(1j * omega[:, None]) * mu.exp()
    o = o * turn if rotate_values else o
    return dense(w, "out", torch.view_as_real(o.transpose(1, 2)).flatten(-3))


TIMES = torch.arange(7.0, dtype=torch.float64) ** 1.1
WAYS: list[dict[str, Any]] = [
    {}, {"robust": False}, {"inner": "gate"}, {"inner": "off", "predict": True}, {"rotate_values": False, "length": 5},
]  # fmt: skip
SIZES = {"D": 6, "heads": 2, "width": 4}


def case(inputs: tuple[Any, ...], bind: dict[str, Any], **way: Any) -> Case:
    given = ("t",) if len(inputs) > 1 else ()
    return Case("std.scores", "afa", partial(afa, **way), inputs, {**SIZES, **way, **bind}, {"N": 7}, given=given, half=False)


CASES = [
    *[case(((2, 7, 6),), {}, **way) for way in WAYS],
    case(((2, 7, 6), TIMES), {}),
    case(((2, 7, 6), TIMES), {}, predict=True),
    case(((2, 7, 6),), {"frequencies": "table"}),
]
