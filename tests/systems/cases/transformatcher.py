"""TransforMatcher in plain PyTorch, from the features of two images on."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as fn

from ..plain import batch_norm, conv, dense, heads, joined, norm
from ..support import Case, Weights, part


def turned(x: Tensor) -> Tensor:
    """Rotary positions [.., N, d] with the frequencies pi .. 5 pi: every pair of features is turned by position times frequency."""
    pairs = x.unflatten(-1, (-1, 2))
    angle = torch.arange(x.shape[-2], dtype=x.dtype)[:, None] * torch.linspace(1, 5, pairs.shape[-2], dtype=x.dtype) * torch.pi
    a, b = pairs.unbind(-1)
    return torch.stack((a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()), -1).flatten(-2)


def additive_attention(w: Weights, x: Tensor, count: int = 8, rotary: bool = True) -> Tensor:
    q, k, v = (heads(z, count) for z in dense(w, "qkv", x).chunk(3, -1))
    turn = turned if rotary else lambda z: z
    scale = q.shape[-1] ** -0.5
    a = (q @ w["to_query"] * scale).softmax(-1)
    whole = (a[..., None] * turn(q)).sum(-2, keepdim=True)
    seen = (k * whole).unflatten(-1, (-1, 2)).sum(-1)
    c = (seen @ w["to_key"] * scale).softmax(-1)
    key = (c[..., None] * turn(k)).sum(-2, keepdim=True)
    u = (v * key).unflatten(-1, (-1, 2)).sum(-1)
    return dense(w, "out", joined(dense(w, "r", u) + q))


def untouched(w: Weights, x: Tensor) -> Tensor:
    return additive_attention(part(w, "additive_attention"), x, 2, rotary=False)


def match_to_match(w: Weights, c: Tensor, depth: int, count: int, scale: int = 2) -> Tensor:
    b, sizes = c.shape[0], c.shape[2:]
    e = dense(w, "embed", c.flatten(2).mT)
    for i in range(depth):
        p = part(w, f"layers.{i}")
        e = e + additive_attention(part(p, "attention"), norm(p, "norm1", e), count)
        e = e + dense(p, "mlp.fc2", fn.gelu(dense(p, "mlp.fc1", norm(p, "norm2", e))))
    y = dense(w, "score", e).reshape(b, *sizes)
    p, q, u, v = (scale * size for size in sizes)
    y = y.permute(0, 3, 4, 1, 2).flatten(1, 2)
    y = fn.interpolate(y, (p, q), mode="bilinear", align_corners=True).reshape(b, sizes[2], sizes[3], p, q)
    y = y.permute(0, 3, 4, 1, 2).flatten(1, 2)
    return fn.interpolate(y, (u, v), mode="bilinear", align_corners=True).reshape(b, p, q, u, v)


def correlation(f: Tensor, g: Tensor, size: int) -> Tensor:
    f, g = (fn.interpolate(fn.normalize(z, dim=1), (size, size), mode="bilinear", align_corners=True) for z in (f, g))
    return torch.einsum("bcpq,bcuv->bpquv", f, g).relu()


def bottleneck(w: Weights, x: Tensor, stride: int) -> Tensor:
    y = batch_norm(w, "norm1", conv(w, "conv1", x)).relu()
    y = batch_norm(w, "norm2", conv(w, "conv2", y, stride=stride)).relu()
    y = batch_norm(w, "norm3", conv(w, "conv3", y))
    return (y + (batch_norm(w, "shortcut.norm", conv(w, "shortcut.conv", x, stride=stride)) if "shortcut.conv.weight" in w else x)).relu()


def features(w: Weights, x: Tensor, depths: list[int]) -> list[Tensor]:
    """Those of the last two stages."""
    x = fn.max_pool2d(batch_norm(w, "stem.norm", conv(w, "stem.conv", x, stride=2)).relu(), 3, 2, 1)
    found: list[Tensor] = []
    for s, depth in enumerate(depths):
        for i in range(depth):
            x = bottleneck(part(w, f"stages.{s}.blocks.{i}"), x, 2 if s and not i else 1)
            found += [x] if s >= 2 else []
    return found


def transformatcher(w: Weights, source: Tensor, target: Tensor, depths: list[int], size: int, depth: int, count: int) -> Tensor:
    pairs = zip(features(w, source, depths), features(w, target, depths), strict=True)
    y = match_to_match(part(w, "match_to_match"), torch.stack([correlation(f, g, size) for f, g in pairs], 1), depth, count)
    return y.flatten(3).flatten(1, 2)


UNTURNED = """attn 1
use std.linear (additive_attention)

block unturned(x: [*, N, D]) -> [*, N, D] {
    return additive_attention(x, heads=2, rotate=none)
}
"""
SMALL: dict[str, Any] = {"depths": [1, 1, 2, 1], "base": 4, "size": 3, "width": 6, "depth": 2, "heads": 2}
FOUR = {"P": 2, "Q": 3, "U": 3, "V": 2}

CASES = [
    Case(
        "std.systems.transformatcher", "transformatcher",
        partial(transformatcher, depths=SMALL["depths"], size=3, depth=2, count=2), ((1, 3, 40, 48), (1, 3, 40, 48)), SMALL,
        {"H": 40, "W": 48}, lead=False, half=False, scale=0.3,
    ),
    Case("std.systems.transformatcher", "match_to_match", partial(match_to_match, depth=2, count=2), ((2, 5, 2, 3, 3, 2),),
         {"L": 5, "width": 6, "depth": 2, "heads": 2}, FOUR),
    Case("std.systems.transformatcher", "match_to_match", partial(match_to_match, depth=1, count=8, scale=3), ((1, 5, 2, 3, 3, 2),),
         {"L": 5, "depth": 1, "scale": 3}, FOUR),
    Case("std.systems.transformatcher", "correlation", lambda w, f, g: correlation(f, g, 3), ((2, 5, 4, 6), (2, 5, 4, 6)), {"size": 3},
         {"C": 5, "H": 4, "W": 6}),
    Case("std.linear", "additive_attention", partial(additive_attention, count=2), ((2, 7, 6),), {"D": 6, "heads": 2}, {"N": 7}),
    Case("std.linear", "additive_attention", additive_attention, ((2, 64, 16),), {"D": 16}, {"N": 64}),
    Case("", "unturned", untouched, ((2, 7, 6),), {"D": 6}, {"N": 7}, program=UNTURNED),
    Case("std.linear", "alternate", lambda w, x: turned(x), ((2, 7, 4),), {}, {"N": 7, "d": 4}),
]  # fmt: skip
