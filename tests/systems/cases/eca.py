"""Efficient channel attention in plain PyTorch."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as fn

from ..residual import resnet
from ..support import Case, Weights


def eca(w: Weights, x: Tensor, kernel: int) -> Tensor:
    means = x.mean((-1, -2))
    line = means.reshape(-1, 1, means.shape[-1])
    gate = torch.sigmoid(fn.conv1d(line, w["conv.weight"], padding=kernel // 2)).reshape(means.shape)
    return x * gate[..., None, None]


# The kernel that the formula of the paper gives, for these numbers of channels; at least 3, as in timm.
KERNELS = {3: 3, 8: 3, 64: 3, 128: 5, 256: 5, 512: 5, 1024: 5, 2048: 7}

NET: dict[str, Any] = {"widths": [4, 6], "kernels": [3, 5], "classes": 5}


def network(w: Weights, x: Tensor, deep: bool) -> Tensor:
    return resnet("eca", lambda own, y, s: eca(own, y, NET["kernels"][s]), pooled=deep)(w, x)


CASES = [
    *[Case("std.channel", "eca", partial(eca, kernel=k), ((2, c, 7, 5),), {"C": c}, {"H": 7, "W": 5}) for c, k in KERNELS.items()],
    Case("std.channel", "eca", partial(eca, kernel=1), ((2, 6, 7, 5),), {"C": 6, "kernel": 1}, {"H": 7, "W": 5}),
    Case("std.channel", "eca", partial(eca, kernel=9), ((2, 6, 5, 3),), {"kernel": 9}, {"C": 6, "H": 5, "W": 3}),
    *[Case("std.systems.eca", "eca_resnet", partial(network, deep=deep), ((1, 3, 29, 22),),
           {**NET, "deep": deep, "depths": [1] * stages}, {"H": 29, "W": 22},
           half=False, scale=0.2) for deep, stages in ((False, 1), (True, 2))],
]  # fmt: skip
