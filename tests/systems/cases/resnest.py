"""Split attention and ResNeSt in plain PyTorch."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as fn

from ..plain import batch_norm, conv, dense
from ..residual import blocks, shortcut, stem, unit
from ..support import Case, Weights, part


def split_attention(w: Weights, x: Tensor, radix: int = 2, cardinality: int = 1, stride: int = 1) -> Tensor:
    u = fn.relu(batch_norm(w, "norm0", conv(w, "conv", x, groups=radix * cardinality, stride=stride)))
    u = u.unflatten(1, (radix, -1))
    s = u.sum(1).mean((2, 3), keepdim=True)
    a = fn.relu(batch_norm(w, "norm1", fn.conv2d(s, w["fc1.weight"][..., None, None], w["fc1.bias"], groups=cardinality)))
    z = fn.conv2d(a, w["fc2.weight"][..., None, None], w["fc2.bias"], groups=cardinality)
    z = z.reshape(len(x), cardinality, radix, -1).transpose(1, 2)
    z = torch.sigmoid(z) if radix == 1 else z.softmax(1)
    return (z.reshape(len(x), radix, -1, 1, 1) * u).sum(1)


def block(w: Weights, x: Tensor, stride: int, average: bool, early: bool, radix: int, cardinality: int) -> Tensor:
    y = fn.relu(unit(w, "1", x))
    y = fn.avg_pool2d(y, 3, stride, 1) if average and early else y
    y = split_attention(part(w, "split"), y, radix, cardinality)
    y = fn.avg_pool2d(y, 3, stride, 1) if average and not early else y
    return fn.relu(unit(w, "3", y) + shortcut(part(w, "shortcut"), x, stride, True))


def network(w: Weights, x: Tensor, radix: int = 2, cardinality: int = 1, early: bool = False) -> Tensor:
    x = stem(part(w, "stem"), x)
    for _, first, own in blocks(w):
        x = block(own, x, 2 if first else 1, first, early, radix, cardinality)
    return dense(w, "fc", x.mean((2, 3)))


PAIRS = [(2, 1), (1, 1), (4, 1), (2, 2)]
MAP = {"H": 7, "W": 5}
NET: dict[str, Any] = {"widths": [64, 64], "first": 6, "base": 4, "classes": 5}
BLOCK: dict[str, Any] = {"C": 6, "width": 4, "inner": 4, "average": True}

CASES = [
    *[Case("std.branches", "split_attention", partial(split_attention, radix=r, cardinality=k), ((2, 8, 7, 5),),
           {"C": 8, "E": 12, "radix": r, "cardinality": k}, MAP) for r, k in PAIRS],
    Case("std.branches", "split_attention", partial(split_attention, stride=2), ((2, 70, 7, 6),),
         {"C": 70, "E": 6, "stride": 2, "multiple": 8}, {"H": 7, "W": 6}),
    *[Case("std.systems.resnest", "split_bottleneck", partial(block, stride=s, average=True, early=e, radix=r, cardinality=k),
           ((2, 6, 7, 5),), {**BLOCK, "stride": s, "early": e, "radix": r, "cardinality": k}, MAP, scale=0.3)
      for s, e, r, k in ((2, False, 2, 1), (1, True, 1, 2))],
    *[Case("std.systems.resnest", "resnest", partial(network, radix=r, cardinality=k, early=e), ((1, 3, 37, 30),),
           {**NET, "radix": r, "cardinality": k, "early": e, "depths": [1] * n}, {"H": 37, "W": 30}, half=False, scale=0.2)
      for r, k, e, n in ((2, 1, False, 1), (1, 2, True, 2))],
]  # fmt: skip
