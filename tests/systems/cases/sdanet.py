"""The neck of SDANet in plain PyTorch."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as fn

from ..plain import batch_norm, dense
from ..support import Case, Weights, part
from .guided_context_gating import context


def channels(w: Weights, f: Tensor) -> Tensor:
    """f: [B, M, C, H, W]."""
    z = batch_norm(w, "norm", dense(w, "squeeze", f.sum(1).mean((2, 3)))).relu()
    a = dense(w, "excite", z).view(f.shape[0], f.shape[1], f.shape[2], 1, 1).softmax(1)
    return (a * f).sum(1)


def places(w: Weights, f: Tensor) -> Tensor:
    u = f.sum(1)
    s = torch.stack([u.mean(1), u.amax(1)], 1)
    kernel = w["conv.weight"]
    b = torch.cat([fn.conv2d(s, one[None], padding=kernel.shape[-1] // 2) for one in kernel], 1).softmax(1)
    return (b[:, :, None] * f).sum(1)


def refine(w: Weights, f: Tensor) -> Tensor:
    return context(part(w, "context"), channels(part(w, "channels"), f) + places(part(w, "places"), f))


def rescaled(_: Weights, x: Tensor, like: Tensor, finer: bool) -> Tensor:
    size = like.shape[2:]
    return fn.adaptive_max_pool2d(x, size) if finer else fn.interpolate(x, size, mode="nearest")


def neck(w: Weights, *p: Tensor) -> tuple[Tensor, ...]:
    found: list[Tensor] = []
    for level, x in enumerate(p):
        f = [rescaled(w, z, x, m < level) for m, z in enumerate(p)]
        y = refine(part(w, f"levels.{level}"), torch.stack(f, 1))
        found.append(fn.adaptive_max_pool2d(y, x.shape[2:]) + x)
    return tuple(found)


LEVELS = ((11, 13), (6, 7), (3, 4), (2, 2), (1, 1))
MAP = {"H": 7, "W": 5}

CASES = [
    Case("std.systems.sdanet", "sdanet", neck, tuple((2, 16, *size) for size in LEVELS), {"C": 16, "ratio": 4}),
    *[Case("std.systems.sdanet", "rescaled", partial(rescaled, finer=finer), ((2, 3, *size), (2, 3, 6, 7)),
           {"finer": finer}, {"C": 3, "H": 6, "W": 7, "U": size[0], "V": size[1]}) for finer, size in ((True, (11, 13)), (False, (3, 4)))],
    *[Case("std.selective", "select_channels", channels, ((2, m, 8, 7, 5),), {"M": m, "C": 8, **more}, MAP)
      for m, more in ((3, {}), (2, {"hidden": 3, "bias": False}))],
    *[Case("std.selective", "select_places", places, ((2, m, 8, 7, 5),), {"M": m, **more}, {"C": 8, **MAP})
      for m, more in ((3, {}), (5, {"kernel": 3}))],
]  # fmt: skip
