"""The residual channel attention network in plain PyTorch."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as fn

from ..plain import conv, dense
from ..support import Case, Weights, part

RGB = torch.tensor([0.4488, 0.4371, 0.4040], dtype=torch.float64)[:, None, None] * 255


def attention(w: Weights, x: Tensor) -> Tensor:
    return x * dense(w, "fc2", dense(w, "fc1", x.mean((2, 3))).relu()).sigmoid()[..., None, None]


def rcan(w: Weights, x: Tensor, groups: int, blocks: int, steps: int, by: int) -> Tensor:
    start = conv(w, "head", x - RGB)
    y = start
    for g in range(groups):
        kept = y
        for i in range(blocks):
            p = part(w, f"groups.{g}.blocks.{i}")
            y = y + attention(part(p, "gate"), conv(p, "conv2", conv(p, "conv1", y).relu()))
        y = kept + conv(w, f"groups.{g}.conv", y)
    y = start + conv(w, "body", y)
    for i in range(steps):
        y = fn.pixel_shuffle(conv(w, f"up.{i}", y), by)
    return conv(w, "tail", y) + RGB


NET = {"channels": 8, "groups": 2, "blocks": 2, "reduction": 4}

CASES = [
    Case("std.systems.rcan", "rcan", partial(rcan, groups=2, blocks=2, steps=steps, by=by), ((2, 3, 5, 7),), {**NET, "scale": scale},
         {"H": 5, "W": 7}, lead=False, half=False)
    for scale, steps, by in ((2, 1, 2), (3, 1, 3), (4, 2, 2))
]  # fmt: skip
