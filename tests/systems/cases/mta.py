"""Multi-token attention in plain PyTorch."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as fn

from ..plain import causal, dense, heads, joined, rms, turned
from ..support import Case, Weights


def convolved(s: Tensor, weight: Tensor, seen: Tensor, side: str) -> Tensor:
    """s: [B, h, N, N]; the kernel [h, cq, ck] covers earlier queries, and keys around, before or after."""
    cq, ck = weight.shape[1:]
    left = {"centre": (ck - 1) // 2, "left": ck - 1, "right": 0}[side]
    padded = fn.pad(s.masked_fill(~seen, 0), (left, ck - 1 - left, cq - 1, 0))
    return fn.conv2d(padded, weight[:, None], groups=len(weight))


def mixed(a: Tensor, weight: Tensor) -> Tensor:
    """a: [B, h, N, N], weight: [g, c, c'], from head c to head c' of each group."""
    return torch.einsum("bgcij,gcd->bgdij", a.unflatten(1, weight.shape[:2]), weight).flatten(1, 2)


def mta(w: Weights, x: Tensor, count: int = 4, side: str = "centre", scaling: str = "gate", layer: int = 0, base: Any = 1e5) -> Tensor:
    q, k, v = (heads(dense(w, name, x), count) for name in "qkv")
    if base is not None:
        q, k = turned(q, base), turned(k, base)
    seen = causal(x.shape[-2])
    s = q @ k.mT * q.shape[-1] ** -0.5
    s = convolved(s, w["before.weight"], seen, side) if "before.weight" in w else s
    s = mixed(s, w["mix_before.weight"]) if "mix_before.weight" in w else s
    a = s.masked_fill(~seen, -torch.inf).softmax(-1)
    a = convolved(a, w["after.weight"], seen, side).masked_fill(~seen, 0) if "after.weight" in w else a
    a = mixed(a, w["mix_after.weight"]) if "mix_after.weight" in w else a
    o = a @ v
    o = rms(o, w["norm.weight"], 1e-5) if "norm.weight" in w else o
    if scaling == "gate":
        o = o * dense(w, "gate", o).sigmoid()
    elif scaling == "depth":
        o = o * (1 - (0.8 - 0.6 * math.exp(-0.3 * layer)))
    return dense(w, "out", joined(o))


SIZES = {"D": 16, "heads": 4, "cq": 3, "ck": 5}
WAYS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"side": "left"}, {"mix": 2}),
    ({"side": "right", "scaling": "depth", "layer": 3}, {}),
    ({"scaling": "off"}, {"after": False, "mix_before": False}),
    ({}, {"before": False, "mix_after": False, "norm": False}),
]
CASES = [
    *[Case("std.scores", "mta", partial(mta, **way), ((2, 7, 16),), {**SIZES, **way, **only}, {"N": 7}) for way, only in WAYS],
    Case("std.scores", "mta", partial(mta, base=None), ((2, 7, 16),), {**SIZES, "base": None, "cq": 6, "ck": 11}, {"N": 7}),
]
