"""The attentions of VAANet in plain PyTorch."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from ..plain import batch_norm, dense, mixed, one_norm
from ..support import Case, Weights, part


def scored(w: Weights, x: Tensor, by: str = "softmax") -> tuple[Tensor, Tensor]:
    """x: [.., N, D]."""
    s = dense(w, "fc", one_norm(w, "norm", dense(w, "conv", x)[..., 0]).tanh())
    a = s.relu() if by == "relu" else s.softmax(-1) * s.shape[-1]
    return x * a[..., None], a


def vaanet(w: Weights, video: Tensor, audio: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    b, s = video.shape[:2]
    f = batch_norm(w, "reduce_norm", mixed(w, "reduce", video.flatten(0, 1))).relu().flatten(2)
    f, space = scored(part(w, "space"), f.mT)
    f, channel = scored(part(w, "channel"), f.mT)
    f, time = scored(part(w, "time"), f.mean(-1).unflatten(0, (b, s)), "relu")
    g = batch_norm(w, "sound_norm", dense(w, "sound", audio).mT).mT.tanh()
    g, _ = scored(part(w, "hearing"), g, "relu")
    logits = dense(w, "head", torch.cat((f.mean(1), g.mean(1)), -1))
    return logits, space.unflatten(0, (b, s)), channel.unflatten(0, (b, s)), time


SIZES = {"E": 5, "A": 6, "H": 2, "W": 3, "S": 4, "U": 3, "width": 6, "sound": 4, "classes": 5}

CASES = [
    Case("std.systems.vaanet", "vaanet", vaanet, ((2, 4, 5, 2, 3), (2, 3, 6)), SIZES),
    *[Case("std.axial", "axis_attention", partial(scored, by=by), ((2, 7, 5),), {"N": 7, "D": 5, "by": by}) for by in ("softmax", "relu")],
]
