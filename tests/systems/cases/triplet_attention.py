"""Triplet attention in plain PyTorch: three gates on turned images."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..plain import batch_norm, conv
from ..residual import resnet
from ..support import Case, Weights, part

TURNS = {"cw": (0, 2, 1, 3), "hc": (0, 3, 2, 1), "hw": (0, 1, 2, 3)}
"""How the image is turned so that the pooled axis comes where the channels were; each is its own inverse."""


def zgate(w: Weights, x: Tensor) -> Tensor:
    """[B, pooled, rows, columns]."""
    z = torch.cat((x.amax(1, keepdim=True), x.mean(1, keepdim=True)), 1)
    return x * torch.sigmoid(batch_norm(w, "norm", conv(w, "conv", z)))


def triplet(w: Weights, x: Tensor) -> Tensor:
    branches = [zgate(part(w, name), x.permute(turn)).permute(turn) for name, turn in TURNS.items() if f"{name}.conv.weight" in w]
    return torch.stack(branches).mean(0)


MAP = {"C": 6, "H": 5, "W": 7}
NET: dict[str, Any] = {"widths": [4, 6], "classes": 5}

CASES = [
    *[Case("std.triplet", "triplet", triplet, ((2, 6, 5, 7),), {"spatial": spatial, "kernel": kernel}, MAP)
      for spatial in (True, False) for kernel in (7, 3)],
    Case("std.triplet", "zgate", zgate, ((2, 3, 5, 4),), {}, {"P": 3, "U": 5, "V": 4}),
    *[Case("std.systems.triplet_attention", "triplet_resnet", resnet("triplet", lambda w, x, _: triplet(w, x)), ((1, 3, 35, 43),),
           {**NET, "depths": [1] * stages}, {"H": 35, "W": 43}, half=False, scale=0.2) for stages in (1, 2)],
]  # fmt: skip
