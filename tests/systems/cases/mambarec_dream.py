"""DREAM of MambaRec in plain PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as fn

from ..plain import batch_norm, dense, mixed
from ..support import Case, Weights, part


def unit(w: Weights, x: Tensor, dilation: int = 1) -> Tensor:
    weight = w["conv.weight"]
    pad = dilation * (weight.shape[-1] // 2)
    return batch_norm(w, "norm", fn.conv2d(x, weight, w.get("conv.bias"), padding=pad, dilation=dilation)).relu()


def dream(w: Weights, x: Tensor) -> Tensor:
    g = batch_norm(w, "pool_norm", mixed(w, "pool", x.mean(2, True).mean(3, True))).relu()
    g = fn.interpolate(g, x.shape[2:], mode="bilinear", align_corners=True)
    f = torch.cat([unit(part(w, "point"), x), *(unit(part(w, f"dilated.{i}"), x, 6 * i) for i in (1, 2, 3)), g], 1)
    whole = dense(w, "channel", f.mean((2, 3))).relu()[..., None, None]
    place = mixed(w, "spatial", f).sigmoid()
    return unit(part(w, "out"), torch.maximum(f * whole, f * place) * f)


def sequence(w: Weights, x: Tensor) -> Tensor:
    return dream(part(w, "dream"), x.mT[:, :, None])[:, :, 0].mT


def vector(w: Weights, x: Tensor) -> Tensor:
    return dream(part(w, "dream"), x[..., None, None])[..., 0, 0]


CASES = [
    Case("std.multiscale", "dream", dream, ((2, 6, 7, 5),), {"C": 6}, {"H": 7, "W": 5}),
    Case("std.multiscale", "dream_sequence", sequence, ((2, 7, 6),), {"D": 6}, {"S": 7}),
    Case("std.multiscale", "dream_sequence", sequence, ((2, 15, 8),), {"D": 8}, {"S": 15}),
    Case("std.multiscale", "dream_vector", vector, ((3, 64),), {"D": 64}, scale=0.1),
    Case("std.multiscale", "conv_norm_relu", unit, ((2, 6, 7, 5),), {"C": 6, "E": 4, "kernel": 3}, {"H": 7, "W": 5}),
]
