"""Mixed high-order attention and its network in plain PyTorch; the parts are stacked on the batch, as in the released code."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as fn

from ..plain import conv, dense, mixed
from ..support import Case, Weights, part


def high_order(w: Weights, x: Tensor, order: int = 3, joint: bool = False) -> Tensor:
    total = torch.zeros_like(x)
    for r in range(1, order + 1):
        product = torch.stack([mixed(w, f"orders.{r}.maps.{s}", x) for s in range(r)]).prod(0)
        a = mixed(w, f"orders.{r}.out", product.relu())
        total = total + (a if joint else a.sigmoid())
    return x * (total.sigmoid() if joint else total / order)


def norm(w: Weights, name: str, x: Tensor, training: bool = False) -> Tensor:
    """A batch norm of [B, C, ...]; in training with the statistics of all of the batch."""
    mean, var = (None, None) if training else (w[f"{name}.running_mean"], w[f"{name}.running_var"])
    return fn.batch_norm(x, mean, var, w[f"{name}.weight"], w[f"{name}.bias"], training)


def bottleneck(w: Weights, x: Tensor, stride: int, training: bool) -> Tensor:
    y = norm(w, "norm1", conv(w, "conv1", x), training).relu()
    y = norm(w, "norm2", conv(w, "conv2", y, stride=stride), training).relu()
    y = norm(w, "norm3", conv(w, "conv3", y), training)
    if "shortcut.conv.weight" in w:
        x = norm(w, "shortcut.norm", conv(w, "shortcut.conv", x, stride=stride), training)
    return (x + y).relu()


def network(w: Weights, image: Tensor, parts: int = 2, training: bool = False) -> tuple[Tensor, Tensor]:
    x = norm(w, "stem.norm", conv(w, "stem.conv", image, stride=2), training).relu()
    x = fn.max_pool2d(x, 3, 2, 1)
    for s in range(4):
        if s == 2:
            x = torch.cat([high_order(part(w, f"attention.{p}"), x, p) for p in range(1, parts + 1)])
        x = bottleneck(part(w, f"stages.{s}.blocks.0"), x, 2 if s else 1, training)
    f = norm(w, "norm", dense(w, "feature", x.mean((-1, -2))), training).unflatten(0, (parts, -1))
    heads, biases = (w[f"classifiers.{leaf}"].unflatten(0, (parts, -1)) for leaf in ("weight", "bias"))
    return torch.einsum("pbf,pkf->bpk", f, heads) + biases, f.transpose(0, 1).flatten(1)


def adversary(w: Weights, f: Tensor) -> Tensor:
    """The number alone: a turned gradient is no gradient of it."""
    b, p, _ = f.shape
    z = fn.normalize(f, dim=-1).flatten(0, 1)
    z = norm(w, "norm1", dense(w, "fc1", z)).relu()
    z = fn.normalize(norm(w, "norm2", dense(w, "fc2", z)), dim=-1).unflatten(0, (b, p))
    return torch.stack([torch.pdist(each) for each in z]).mean()


MAP = {"H": 5, "W": 7}
SMALL = {"K": 5, "parts": 2, "depths": [1, 1, 1, 1], "widths": [2, 4, 2, 2], "width": 3}
FILE = "std.systems.mhn_hoa"
CASES = [
    *[Case("std.gates", "high_order", partial(high_order, order=r), ((2, 16, 5, 7),), {"C": 16, "order": r}, MAP) for r in (3, 1, 2)],
    Case("std.gates", "high_order", partial(high_order, joint=True), ((2, 16, 5, 7),), {"C": 16, "joint": True}, MAP),
    Case("std.gates", "high_order", high_order, ((2, 19, 5, 7),), {"C": 19}, MAP),
    Case(FILE, "mhn", network, ((3, 3, 37, 53),), SMALL, {"B": 3, "H": 37, "W": 53}, lead=False, half=False),
]
