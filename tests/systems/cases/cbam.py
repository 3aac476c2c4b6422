"""The convolutional block attention module in plain PyTorch."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..plain import batch_norm, conv
from ..residual import excite, gated, resnet
from ..support import Case, Weights

POOLS = ("average", "largest", "power", "lse")


def pooled(x: Tensor, names: tuple[str, ...]) -> list[Tensor]:
    flat = x.flatten(-2)
    found = {"average": flat.mean(-1), "largest": flat.amax(-1), "power": flat.square().sum(-1).sqrt(), "lse": flat.logsumexp(-1)}
    return [found[name] for name in names]


def cbam(w: Weights, x: Tensor, pools: tuple[str, ...] = POOLS[:2]) -> Tensor:
    x = gated(x, torch.stack([excite(w, z) for z in pooled(x, pools)]).sum(0))
    if "spatial.weight" not in w:
        return x
    s = conv(w, "spatial", torch.stack((x.amax(1), x.mean(1)), 1))
    return x * torch.sigmoid(batch_norm(w, "norm", s) if "norm.weight" in w else s)


def case(pools: tuple[str, ...] = POOLS[:2], **bind: Any) -> Case:
    chosen = {name: name in pools for name in POOLS}
    return Case("std.channel", "cbam", partial(cbam, pools=pools), ((2, 8, 5, 7),), {"C": 8, "reduction": 4, **chosen, **bind}, MAP)


MAP = {"H": 5, "W": 7}
NET: dict[str, Any] = {"widths": [4, 8], "reduction": 4, "classes": 5}

CASES = [
    case(),
    *[case(POOLS[:n]) for n in (1, 3, 4)],
    *[case((name,)) for name in POOLS[1:]],
    *[case(bias=bias, kernel=kernel, norm=norm) for bias, kernel, norm in ((True, 3, True), (True, 7, False), (False, 5, False))],
    case(spatial=False),
    Case("std.channel", "cbam", cbam, ((2, 37, 3, 4),), {"C": 37}, {"H": 3, "W": 4}),
    *[Case("std.systems.cbam", "cbam_resnet", resnet("cbam", lambda w, x, _: cbam(w, x), early=early), ((1, 3, 21, 27),),
           {**NET, "early": early, "depths": [1] * stages}, {"H": 21, "W": 27},
           half=False, scale=0.2) for early, stages in ((False, 1), (True, 2))],
]  # fmt: skip
