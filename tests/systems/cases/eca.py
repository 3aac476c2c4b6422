"""Efficient channel attention in plain PyTorch."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as fn

from ..support import Case, Weights


def eca(w: Weights, x: Tensor, kernel: int) -> Tensor:
    means = x.mean((-1, -2))
    line = means.reshape(-1, 1, means.shape[-1])
    gate = torch.sigmoid(fn.conv1d(line, w["conv.weight"], padding=kernel // 2)).reshape(means.shape)
    return x * gate[..., None, None]


# The kernel that the formula of the paper gives, for these numbers of channels; at least 3, as in timm.
KERNELS = {3: 3, 8: 3, 64: 3, 128: 5, 256: 5, 512: 5, 1024: 5, 2048: 7}

CASES = [
    *[Case("std.channel", "eca", partial(eca, kernel=k), ((2, c, 7, 5),), {"C": c}, {"H": 7, "W": 5}) for c, k in KERNELS.items()],
    Case("std.channel", "eca", partial(eca, kernel=1), ((2, 6, 7, 5),), {"C": 6, "kernel": 1}, {"H": 7, "W": 5}),
    Case("std.channel", "eca", partial(eca, kernel=9), ((2, 6, 5, 3),), {"kernel": 9}, {"C": 6, "H": 5, "W": 3}),
]
