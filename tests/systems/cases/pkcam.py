"""The previous knowledge channel attention module in plain PyTorch, and a ResNet with it."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as fn

from ..plain import batch_norm, conv, dense
from ..support import Case, Weights, part


def gate(w: Weights, s: Tensor) -> Tensor:
    """A convolution along the channels of [B, C]."""
    kernel = w["conv.weight"]
    return torch.sigmoid(fn.conv1d(s[:, None], kernel, padding=kernel.shape[-1] // 2))[:, 0]


def interleaved(parts: list[Tensor], weight: Tensor) -> Tensor:
    """Vectors [B, C] put channel by channel into one line, and a convolution whose step is their number."""
    line = torch.stack(parts, -1).flatten(1)[:, None]
    return fn.conv1d(line, weight[None], stride=len(parts))[:, 0]


def pkcam(w: Weights, u: Tensor, memory: Tensor | None = None) -> Tensor:
    s = u.mean((2, 3))
    g = gate(part(w, "near"), s)
    if memory is not None:
        fused = fn.relu(interleaved([*memory.unbind(1), s], w["fuse.weight"]))
        g = torch.sigmoid(interleaved([g, gate(part(w, "far"), fused)], w["out.weight"]))
    return u * (1 + g[..., None, None])


def squeezed(w: Weights, u: Tensor, memory: Tensor) -> Tensor:
    """The same with the gates of squeeze and excitation."""

    def excited(path: str, s: Tensor) -> Tensor:
        return torch.sigmoid(dense(w, f"{path}.fc2", fn.relu(dense(w, f"{path}.fc1", s))))

    s = u.mean((2, 3))
    fused = fn.relu(interleaved([*memory.unbind(1), s], w["pkcam.fuse.weight"]))
    g = torch.sigmoid(interleaved([excited("near", s), excited("far", fused)], w["pkcam.out.weight"]))
    return u * (1 + g[..., None, None])


def residual(w: Weights, x: Tensor, memory: list[Tensor], stride: int, deep: bool) -> tuple[Tensor, Tensor]:
    def normed(name: str, z: Tensor, **options: int) -> Tensor:
        return batch_norm(w, f"norm{name}", conv(w, f"conv{name}", z, **options))

    strides = (1, stride, 1) if deep else (stride, 1)
    u = x
    for i, step in enumerate(strides):
        u = normed(str(i + 1), u.relu() if i else u, stride=step)
    s = u.mean((2, 3))
    short = batch_norm(w, "shortcut.norm", conv(w, "shortcut.conv", x, stride=stride)) if "shortcut.conv.weight" in w else x
    seen = torch.stack([m.repeat(1, s.shape[1] // m.shape[1]) for m in memory], 1) if memory else None
    return (pkcam(part(w, "attention"), u, seen) + short).relu(), s


def network(w: Weights, image: Tensor, depths: tuple[int, ...] = (2, 2, 2, 2), deep: bool = False) -> Tensor:
    x = batch_norm(w, "stem.norm", conv(w, "stem.conv", image, stride=2)).relu()
    x = fn.max_pool2d(x, 3, 2, 1)
    memory = [x.mean((2, 3))]
    for s, depth in enumerate(depths):
        seen = memory[0]
        for i in range(depth):
            stride = 2 if s and not i else 1
            x, seen = residual(part(w, f"stages.{s}.{i}"), x, memory if i else [], stride, deep)
        memory = [*memory, seen]
    return dense(w, "head", x.mean((2, 3)))


# Layers cannot be bound from outside: the caller is a program.
SQUEEZED = """attn 1
use std.cross_layer (pkcam)

block excite(s: [*, C]) -> [*, C] {
    return s |> linear(C -> r=C/4) as fc1 |> relu |> linear(r -> C) as fc2 |> sigmoid
}

block squeezed(x: [*, C, H, W], memory: [*, K, C]) -> [*, C, H, W] {
    return pkcam(x, memory, near=excite as near, far=excite as far)
}
"""
MAP = {"H": 7, "W": 5}
SMALL = {"width": 8, "classes": 5}

CASES = [
    Case("std.cross_layer", "pkcam", pkcam, ((2, 16, 7, 5), (2, 3, 16)), {"C": 16, "K": 3}, MAP, given=("memory",)),
    *[Case("std.cross_layer", "pkcam", pkcam, ((2, c, 7, 5), (2, k, c)), {"C": c, "K": k}, MAP, given=("memory",))
      for c, k in ((6, 1), (128, 2))],
    Case("std.cross_layer", "pkcam", pkcam, ((2, 64, 7, 5),), {"C": 64}, MAP),
    Case("", "squeezed", squeezed, ((2, 8, 7, 5), (2, 2, 8)), {"C": 8, "K": 2}, MAP, program=SQUEEZED),
    Case("std.cross_layer", "channel_gate", gate, ((2, 64),), {"C": 64}),
    Case("std.cross_layer", "repeat_channels", lambda w, x: x.repeat(1, 3), ((2, 5),), {"times": 3}, {"C": 5}),
    Case("std.systems.pkcam", "pkcam_resnet", network, ((2, 3, 33, 35),), SMALL, lead=False, half=False, scale=0.2),
    Case("std.systems.pkcam", "pkcam_resnet", partial(network, depths=(1, 2), deep=True), ((2, 3, 17, 19),),
         {"depths": [1, 2], "deep": True, **SMALL}, lead=False, half=False, scale=0.2),
]  # fmt: skip
