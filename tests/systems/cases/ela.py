"""Efficient local attention in plain PyTorch."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as fn

from ..support import Case, Weights, part

VERSIONS = {"T": (5, 1, 32), "B": (7, 1, 16), "S": (5, 8, 16), "L": (7, 8, 16)}
"""The kernel, the channels in a group of the convolution, and the groups of the norm."""


def strip(w: Weights, z: Tensor, version: str) -> Tensor:
    kernel, per, groups = VERSIONS[version]
    y = fn.conv1d(z, w["conv.weight"], padding=kernel // 2, groups=z.shape[1] // per)
    return torch.sigmoid(fn.group_norm(y, groups, w["norm.weight"], w["norm.bias"]))


def ela(w: Weights, x: Tensor, version: str = "B") -> Tensor:
    first = part(w, "strip")
    rows, columns = strip(first, x.mean(3), version), strip(part(w, "strip_w") or first, x.mean(2), version)
    return x * rows[..., None] * columns[:, :, None]


CASES = [
    *[Case("std.channel", "ela", partial(ela, version=v), ((2, 32, 5, 7),), {"C": 32, "version": v, "shared": s}, {"H": 5, "W": 7})
      for v in ("B", "T", "S", "L") for s in (True, False)],
    *[Case("std.channel", "ela_strip", partial(strip, version=v), ((2, 64, 5),), {"C": 64, "version": v}, {"L": 5}) for v in VERSIONS],
]  # fmt: skip
