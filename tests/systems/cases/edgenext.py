"""EdgeNeXt in plain PyTorch."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as fn

from ..plain import batch_norm, conv, dense, mixed, norm
from ..support import Case, Weights, part


def split_depthwise(w: Weights, x: Tensor, scales: int) -> Tensor:
    parts = x.split(math.ceil(x.shape[1] / scales), 1)
    done: list[Tensor] = []
    for i, chunk in enumerate(parts[: max(scales - 1, 1)]):
        z = chunk + done[-1] if done else chunk
        done.append(conv(w, f"convs.{i}", z, groups=z.shape[1]))
    return torch.cat((*done, *parts[len(done) :]), 1)


def waves(h: int, wide: int, hidden: int = 32) -> Tensor:
    """The sines and cosines of rows, then of columns: [2 * hidden, h, w]."""
    rate = 10000.0 ** (2 * torch.arange(hidden // 2, dtype=torch.float64) / hidden)

    def along(n: int) -> Tensor:
        t = torch.arange(1, n + 1, dtype=torch.float64) / (n + 1e-6) * 2 * math.pi / rate[:, None]
        return torch.stack((t.sin(), t.cos()), 1).flatten(0, 1)

    return torch.cat((along(h)[:, :, None].expand(-1, -1, wide), along(wide)[:, None, :].expand(-1, h, -1)))


def cross_covariance(w: Weights, x: Tensor, count: int) -> Tensor:
    b, c, h, wide = x.shape
    q, k, v = (mixed(w, name, x).reshape(b, count, c // count, h * wide) for name in "qkv")
    a = fn.normalize(q, dim=-1) @ fn.normalize(k, dim=-1).mT * w["temperature"][:, None, None]
    return mixed(w, "out", (a.softmax(-1) @ v).reshape(b, c, h, wide))


def normed(w: Weights, name: str, x: Tensor) -> Tensor:
    return batch_norm(w, name, x) if f"{name}.running_mean" in w else norm(w, name, x, 1, 1e-6)


def sdta(w: Weights, x: Tensor, scales: int, count: int, position: bool = False) -> Tensor:
    t = split_depthwise(part(w, "split"), x, scales)
    batch = "norm1.running_mean" in w
    t = normed(w, "norm1", t) if batch else t
    if position:
        t = t + mixed(w, "position", waves(*x.shape[2:])[None])
    t = t + w["gamma1"][:, None, None] * cross_covariance(part(w, "xca"), t if batch else normed(w, "norm1", t), count)
    return x + w["gamma2"][:, None, None] * mixed(w, "fc2", fn.gelu(mixed(w, "fc1", normed(w, "norm2", t))))


def convnext(w: Weights, x: Tensor) -> Tensor:
    y = normed(w, "norm", conv(w, "depthwise", x, groups=x.shape[1]))
    return x + w["gamma"][:, None, None] * mixed(w, "fc2", fn.gelu(mixed(w, "fc1", y)))


def network(w: Weights, x: Tensor, depths: list[int], scales: list[int], count: int) -> Tensor:
    x = norm(w, "stem_norm", conv(w, "stem", x, stride=4, padding=0), 1, 1e-6)
    for s, depth in enumerate(depths):
        if s:
            x = conv(w, f"stages.{s}.down", norm(w, f"stages.{s}.norm", x, 1, 1e-6), stride=2, padding=0)
        for i in range(depth):
            p = part(w, f"stages.{s}.blocks.{i}")
            x = sdta(p, x, scales[s], count, s == 1) if s and i == depth - 1 else convnext(p, x)
    return dense(w, "head", norm(w, "norm", x.mean((2, 3)), eps=1e-6))


def hard(w: Weights, x: Tensor) -> Tensor:
    """The form with batch norms and hardswish, of the convolution encoder."""
    p = part(w, "convnext")
    y = batch_norm(p, "norm", conv(p, "depthwise", x, groups=x.shape[1]))
    return x + p["gamma"][:, None, None] * mixed(p, "fc2", fn.hardswish(mixed(p, "fc1", y)))


# A layer cannot be bound from outside: the caller is a program.
HARD = """attn 1
use std.convolution (convnext)

block hard(x: [*, C, H, W]) -> [*, C, H, W] {
    return convnext(x, kernel=5, norm=batch, act=hardswish)
}
"""
MAP = {"H": 5, "W": 7}
TWO = {"widths": [8, 12, 14], "depths": [1, 2, 1], "scales": [2, 2, 4], "kernels": [3, 5, 7], "heads": 2, "classes": 5}

CASES = [
    Case("std.systems.edgenext", "edgenext", partial(network, depths=[1, 2, 1], scales=[2, 2, 4], count=2), ((2, 3, 33, 50),), TWO,
         {"H": 33, "W": 50}, lead=False, half=False),
    *[Case("std.channel_tokens", "sdta", partial(sdta, scales=s, count=2, position=p), ((2, 22, 5, 7),),
           {"C": 22, "scales": s, "heads": 2, "position": p, "norm": n}, MAP)
      for s, p, n in ((3, False, "layer"), (4, True, "layer"), (2, False, "layer"), (3, True, "batch"))],
    *[Case("std.channel_tokens", "split_depthwise", partial(split_depthwise, scales=s), ((2, 11, 5, 7),), {"C": 11, "scales": s}, MAP)
      for s in (3, 2, 1)],
    *[Case("std.convolution", "convnext", convnext, ((2, 6, 5, 7),), {"C": 6, "kernel": k, "norm": n}, MAP)
      for k, n in ((7, "layer"), (3, "batch"))],
    Case("", "hard", hard, ((2, 6, 5, 7),), {"C": 6}, MAP, program=HARD),
    Case("std.positions", "fourier_2d", lambda w: waves(5, 7), (), {"H": 5, "W": 7}, lead=False, half=False),
]  # fmt: skip
