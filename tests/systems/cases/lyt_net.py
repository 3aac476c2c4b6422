"""LYT-Net in plain PyTorch."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as fn

from ..plain import attention, conv, dense, heads, joined, mixed, norm
from ..support import Case, Weights, part


def fusion(w: Weights, x: Tensor) -> Tensor:
    n = norm(w, "norm", x, 1)
    s = dense(w, "gate.fc2", dense(w, "gate.fc1", n.mean((2, 3))).relu()).tanh()[..., None, None]
    return x + conv(w, "depthwise", n, groups=x.shape[1]) * (n * s)


def places(w: Weights, x: Tensor, count: int, order: str) -> Tensor:
    """Attention over the places of an image; `code` reshapes where `paper` turns the channels to the end first."""
    b, c, h, wide = x.shape
    t = x.reshape(b, h * wide, c) if order == "code" else x.permute(0, 2, 3, 1).reshape(b, h * wide, c)
    q, k, v = (heads(dense(w, f"mha.{name}", t), count) for name in "qkv")
    y = dense(w, "mha.out", joined(attention(q, k, v)))
    return y.reshape(b, h, wide, c).permute(0, 3, 1, 2)


def larger(x: Tensor, by: int = 2) -> Tensor:
    """x: [.., H, W]."""
    return x.repeat_interleave(by, -2).repeat_interleave(by, -1)


def denoise(w: Weights, x: Tensor, count: int = 2, order: str = "paper") -> Tensor:
    """x: [B, H, W]."""
    found = [conv(w, "conv1", x[:, None]).relu()]
    for i in (2, 3, 4):
        found.append(conv(w, f"conv{i}", found[-1], stride=2, padding=1).relu())
    y = larger(places(part(w, "attention"), found[3], count, order)) + found[2]
    y = larger(larger(y) + found[1]) + found[0]
    r = conv(w, "res", y)
    return conv(w, "out", r + (r if order == "code" else x[:, None])).tanh()[:, 0] + x


def lyt(w: Weights, image: Tensor, count: int = 2, order: str = "paper") -> Tensor:
    red, green, blue = image.unbind(1)
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    u = -0.14713 * red - 0.28886 * green + 0.436 * blue + 0.5
    v = 0.615 * red - 0.51499 * green - 0.10001 * blue + 0.5
    u, v = denoise(part(w, "denoise_u"), u, count, order), denoise(part(w, "denoise_v"), v, count, order)
    light = conv(w, "luma", y[:, None]).relu()
    light = light + larger(places(part(w, "luma_attention"), fn.max_pool2d(light, 8), count, order), 8)
    r0 = mixed(w, "mix", torch.cat((conv(w, "chroma_u", u[:, None]).relu(), conv(w, "chroma_v", v[:, None]).relu()), 1))
    r = fusion(part(w, "msef"), r0 + 0.2 * mixed(w, "luma_in", light)) + r0
    return conv(w, "final", conv(w, "recombine", torch.cat((r, light), 1))).sigmoid()


SMALL = {"width": 6, "heads": 2}

CASES = [
    *[Case("std.systems.lyt_net", "lyt_net", partial(lyt, order=order), ((2, 3, 8, 16),), {"filters": 16, "order": order, **SMALL},
           {"H": 8, "W": 16}, lead=False, half=False) for order in ("paper", "code")],
    *[Case("std.systems.lyt_net", "denoise", partial(denoise, order=order), ((2, 8, 16),), {"order": order, **SMALL}, {"H": 8, "W": 16})
      for order in ("paper", "code")],
    *[Case("std.systems.lyt_net", "places", partial(places, count=3, order=order), ((2, 6, 5, 7),), {"C": 6, "heads": 3, "order": order},
           {"H": 5, "W": 7}) for order in ("paper", "code")],
    Case("std.systems.lyt_net", "enlarge", lambda w, x: larger(x, 3), ((2, 5, 7),), {"by": 3}, {"H": 5, "W": 7}),
    Case("std.channel", "msef", fusion, ((2, 16, 5, 7),), {"C": 16, "reduction": 4}, {"H": 5, "W": 7}),
    Case("std.channel", "msef", fusion, ((2, 32, 5, 7),), {"C": 32}, {"H": 5, "W": 7}),
]  # fmt: skip
