"""The fusion of camera and lidar and the scaling of channels by task of M3Net, in plain PyTorch."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as fn

from ..plain import attention, batch_norm, conv, dense, heads, joined, norm
from ..support import Case, Weights, part


def mafi(w: Weights, image: Tensor, lidar: Tensor, share: bool = False) -> Tensor:
    def unit(path: str, x: Tensor) -> Tensor:
        return batch_norm(w, f"{path}.norm", conv(w, f"{path}.conv", x)).relu()

    def gate(path: str, x: Tensor) -> Tensor:
        return dense(w, f"{path}.fc", x.mean((2, 3))).sigmoid()[..., None, None]

    f, far, near = unit("fuse", torch.cat((image, lidar), 1)), unit("lidar", lidar), unit("image", image)
    names = ("gate", "gate") if share else ("gate_lidar", "gate_image")
    return f * gate(names[0], far) + f * gate(names[1], near)


def scaling(w: Weights, x: Tensor, tasks: int = 2, squash: bool = False) -> Tensor:
    parts = fn.gelu(dense(w, "expand", x)).chunk(tasks, -1)
    weights, biases = w["gate.weight"].chunk(tasks), w["gate.bias"].chunk(tasks)
    gates = [fn.linear(g, a, b) for g, a, b in zip(parts, weights, biases, strict=True)]
    return torch.stack([x * (g.sigmoid() if squash else g) for g in gates], 1)


def layer(w: Weights, x: Tensor, query: Tensor, at: Tensor, tasks: int = 2, count: int = 2) -> Tensor:
    seen = scaling(part(w, "scaling"), x, tasks)
    return after(w, query, torch.stack([y[task][rows[task]] for y, rows in zip(seen, at, strict=True) for task in range(tasks)]), count)


def after(w: Weights, query: Tensor, seen: Tensor, count: int) -> Tensor:
    """What an ordinary decoder layer does once its queries, [B, T, Q, D], have seen their tokens."""
    b, t, many, d = query.shape
    y = norm(w, "norm1", query + seen.reshape(query.shape)).reshape(b, t * many, d)
    q, k, v = (heads(dense(w, f"attention.{name}", y), count) for name in "qkv")
    y = norm(w, "norm2", y + dense(w, "attention.out", joined(attention(q, k, v))))
    y = norm(w, "norm3", y + dense(w, "mlp.fc2", dense(w, "mlp.fc1", y).relu()))
    return y.reshape(b, t, many, d)


AT = torch.tensor([[[0, 8, 3, 3], [1, 2, 0, 7]], [[5, 5, 6, 4], [8, 0, 1, 2]]])
SIZES = {"I": 3, "L": 5, "width": 6}

CASES = [
    *[Case("std.fusion", "mafi", partial(mafi, share=s), ((2, 3, 7, 5), (2, 5, 7, 5)), {**SIZES, "share_gate": s}, {"H": 7, "W": 5})
      for s in (False, True)],
    *[Case("std.fusion", "task_scaling", partial(scaling, tasks=t, squash=s), ((2, 9, 6),), {"D": 6, "tasks": t, "squash": s}, {"N": 9})
      for t, s in ((2, False), (3, True), (3, False))],
    Case("std.fusion", "task_layer", layer, ((2, 9, 6), (2, 2, 4, 6), AT), {"D": 6, "heads": 2}, {"N": 9, "Q": 4}),
    Case("std.fusion", "mean_gate", lambda w, x: dense(w, "fc", x.mean((2, 3))).sigmoid(), ((2, 6, 7, 5),), {"C": 6}, {"H": 7, "W": 5}),
]  # fmt: skip
