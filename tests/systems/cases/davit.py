"""Dual attention vision transformers in plain PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import Tensor
from torch.nn import functional as fn

from ..plain import conv, dense, mixed, norm
from ..support import Case, Weights, part


def heads(w: Weights, name: str, x: Tensor, count: int) -> Tensor:
    """[B, N, C] to [B, heads, N, C / heads]."""
    return dense(w, name, x).unflatten(-1, (count, -1)).transpose(1, 2)


def places(w: Weights, x: Tensor, count: int, size: int) -> Tensor:
    """Attention between the places of each window of [B, C, H, W]; below and to the right it is padded with zeros."""
    b, c, h, wide = x.shape
    x = fn.pad(x, (0, -wide % size, 0, -h % size))
    rows, columns = x.shape[2] // size, x.shape[3] // size
    t = x.reshape(b, c, rows, size, columns, size).permute(0, 2, 4, 3, 5, 1).reshape(-1, size * size, c)
    q, k, v = (heads(w, name, t, count) for name in "qkv")
    y = (q @ k.mT * q.shape[-1] ** -0.5).softmax(-1) @ v
    y = dense(w, "out", y.transpose(1, 2).flatten(2)).reshape(b, rows, columns, size, size, c)
    return y.permute(0, 5, 1, 3, 2, 4).reshape(x.shape)[:, :, :h, :wide]


def channels(w: Weights, x: Tensor, count: int) -> Tensor:
    """Attention between the channels of each group of [B, N, C]."""
    q, k, v = (heads(w, name, x, count) for name in "qkv")
    a = (q.mT @ k * q.shape[-1] ** -0.5).softmax(-1)
    return dense(w, "out", (v @ a.mT).transpose(1, 2).flatten(2))


def cpe(w: Weights, x: Tensor) -> Tensor:
    return x + conv(w, "proj", x, groups=x.shape[1])


def layer(w: Weights, x: Tensor, count: int, kind: str, size: int) -> Tensor:
    x = cpe(part(w, "cpe1"), x)
    y, own = norm(w, "norm1", x, 1), part(w, "attention")
    y = places(own, y, count, size) if kind == "spatial" else channels(own, y.flatten(2).mT, count).mT.unflatten(2, x.shape[2:])
    x = cpe(part(w, "cpe2"), x + y)
    return x + mixed(w, "mlp.fc2", fn.gelu(mixed(w, "mlp.fc1", norm(w, "norm2", x, 1))))


def network(w: Weights, x: Tensor, depths: Sequence[int]) -> Tensor:
    x = norm(w, "stem.norm", conv(w, "stem.conv", x, stride=4), 1)
    for s, depth in enumerate(depths):
        if s:
            x = norm(w, f"stages.{s}.norm", x, 1)
            kernel = w[f"stages.{s}.down.weight"].unflatten(1, (-1, 2, 2))
            x = fn.conv2d(fn.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2)), kernel, w[f"stages.{s}.down.bias"], stride=2)
        for i in range(depth):
            for kind in ("spatial", "channel"):
                x = layer(part(w, f"stages.{s}.{kind}.{i}"), x, NET["heads"][s], kind, NET["window"])
    return dense(w, "head", norm(w, "norm", x.mean((2, 3))))


MAP = {"H": 5, "W": 7}
NET: dict[str, Any] = {"widths": [4, 6], "heads": [2, 3], "window": 3, "classes": 5}

CASES = [
    *[Case("std.systems.davit", "davit", partial(network, depths=depths), ((1, 3, 23, 34),), {**NET, "depths": depths},
           {"H": 23, "W": 34}, half=False, scale=0.3) for depths in ([1, 1], [1, 2])],
    *[Case("std.systems.davit", "layer", partial(layer, count=2, kind=kind, size=3), ((2, 6, 5, 7),),
           {"D": 6, "heads": 2, "kind": kind, "window": 3}, MAP) for kind in ("spatial", "channel")],
    *[Case("std.channel_tokens", "channel_group", partial(channels, count=g), ((2, 9, 12),), {"D": 12, "groups": g, "bias": b}, {"N": 9})
      for g, b in ((3, True), (12, False), (1, True))],
]  # fmt: skip
