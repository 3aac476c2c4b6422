"""Frequency channel attention in plain PyTorch."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as fn

from ..residual import excite, gated, resnet
from ..support import Case, Weights

US = [0, 0, 6, 0, 0, 1, 1, 4, 5, 1, 3, 0, 0, 0, 3, 2]
VS = [0, 1, 0, 5, 2, 0, 2, 0, 0, 6, 0, 4, 6, 3, 5, 2]


def wave(k: int, side: int) -> Tensor:
    at = torch.arange(side, dtype=torch.float64)
    return torch.cos(math.pi * k * (at + 0.5) / side) / math.sqrt(side) * (1 if k == 0 else math.sqrt(2))


def squeeze(x: Tensor, side: int, us: list[int], vs: list[int]) -> Tensor:
    """The projections of [B, C, H, W] on the waves: one wave for each of as many groups of channels."""
    x = fn.adaptive_avg_pool2d(x, side) if x.shape[-2:] != (side, side) else x
    scale = side // 7
    waves = torch.stack([torch.outer(wave(u * scale, side), wave(v * scale, side)) for u, v in zip(us, vs, strict=True)])
    return (x * waves.repeat_interleave(x.shape[1] // len(us), 0)).sum((2, 3))


def fca(w: Weights, x: Tensor, side: int = 7, us: list[int] = US, vs: list[int] = VS) -> Tensor:
    return gated(x, excite(w, squeeze(x, side, us, vs)))


def dct_wave(_: Weights, k: Tensor) -> Tensor:
    at = torch.arange(9, dtype=torch.float64)
    factor = torch.where(k == 0, 1.0, torch.tensor(math.sqrt(2), dtype=k.dtype))
    return factor[..., None] * torch.cos(math.pi * k[..., None] * (at + 0.5) / 9) / 3


NET: dict[str, Any] = {"widths": [16, 16], "sides": [14, 7], "reduction": 4, "classes": 5}


def network(w: Weights, x: Tensor) -> Tensor:
    return resnet("fca", lambda own, y, s: fca(own, y, NET["sides"][s]))(w, x)


CASES = [
    Case("std.frequency", "fca", fca, ((2, 16, 17, 15),), {"C": 16, "reduction": 4}, {"H": 17, "W": 15}),
    Case("std.frequency", "fca", fca, ((2, 32, 7, 7),), {"C": 32}, {"H": 7, "W": 7}),
    Case("std.frequency", "fca", partial(fca, side=14), ((2, 16, 14, 9),), {"C": 16, "side": 14, "reduction": 4}, {"H": 14, "W": 9}),
    *[
        Case("std.frequency", "fca", partial(fca, us=US[:n], vs=VS[:n]), ((2, 8, 5, 8),),
             {"C": 8, "reduction": 4, "us": US[:n], "vs": VS[:n]}, {"H": 5, "W": 8})
        for n in (1, 2, 4, 8)
    ],
    Case("std.frequency", "dct_wave", dct_wave, (torch.arange(9.0, dtype=torch.float64),), {"T": 9}),
    *[Case("std.systems.fcanet", "fca_resnet", network, ((1, 3, 37, 45),), {**NET, "small": small, "depths": [1] * stages},
           {"H": 37, "W": 45}, half=False, scale=0.2) for small, stages in ((False, 1), (True, 2))],
]  # fmt: skip
