"""Gates over channels and maps in plain PyTorch. Each takes the module's weights by name and the inputs without leading dimensions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as fn

Weights = Mapping[str, Tensor]


def norm2d(w: Weights, name: str, x: Tensor) -> Tensor:
    """Batch norm of [B, C, ...] with running statistics."""
    return fn.batch_norm(x, w[f"{name}.running_mean"], w[f"{name}.running_var"], w[f"{name}.weight"], w[f"{name}.bias"])


def lin(w: Weights, name: str, x: Tensor) -> Tensor:
    return fn.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias"))


def mafi(share: bool) -> Callable[..., Any]:
    def run(w: Weights, image: Tensor, lidar: Tensor) -> Tensor:
        def cbr(path: str, x: Tensor) -> Tensor:
            return fn.relu(norm2d(w, f"{path}.norm", fn.conv2d(x[None], w[f"{path}.conv.weight"], padding=1)))[0]

        def gate(path: str, x: Tensor) -> Tensor:
            return torch.sigmoid(lin(w, f"{path}.fc", x.mean((1, 2))))[:, None, None]

        f, ll, i = cbr("fuse", torch.cat([image, lidar])), cbr("lidar", lidar), cbr("image", image)
        names = ("gate", "gate") if share else ("gate_lidar", "gate_image")
        return f * gate(names[0], ll) + f * gate(names[1], i)

    return run


def tcs(tasks: int, squash: bool) -> Callable[..., Any]:
    def run(w: Weights, x: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
        parts = fn.gelu(lin(w, "expand", x)).chunk(tasks, -1)
        gates = [fn.linear(p, a, b) for p, a, b in zip(parts, w["gate.weight"].chunk(tasks), w["gate.bias"].chunk(tasks), strict=True)]
        y = torch.stack([x * (torch.sigmoid(g) if squash else g) for g in gates])
        return y, y[:, at]

    return run


def selective(w: Weights, fine: Tensor, x: Tensor, coarse: Tensor) -> Tensor:
    size = x.shape[1:]
    f = torch.stack([fn.adaptive_max_pool2d(fine, size), x, fn.interpolate(coarse[None], size, mode="nearest")[0]])
    u = f.sum(0)
    z = fn.relu(norm2d(w, "norm", lin(w, "squeeze", u.mean((1, 2)))[None]))[0]
    a = lin(w, "excite", z).view(3, -1).softmax(0)[..., None, None]
    s = torch.stack([u.mean(0), u.amax(0)])
    b = fn.conv2d(s[None], w["plane.weight"], padding=3)[0].softmax(0)[:, None]
    y = (a * f).sum(0) + (b * f).sum(0)
    k = (lin(w, "context.mask", y.movedim(0, -1))[..., 0]).flatten().softmax(0)
    c = y.flatten(1) @ k
    c = fn.layer_norm(lin(w, "context.fc1", c), w["context.norm.weight"].shape, w["context.norm.weight"], w["context.norm.bias"])
    return x + y + lin(w, "context.fc2", fn.relu(c))[:, None, None]


def dream(w: Weights, x: Tensor) -> Tensor:
    x = x[None]

    def unit(path: str, x: Tensor, dilation: int = 1) -> Tensor:
        weight = w[f"{path}.conv.weight"]
        pad = dilation * (weight.shape[-1] // 2)
        return fn.relu(norm2d(w, f"{path}.norm", fn.conv2d(x, weight, w[f"{path}.conv.bias"], padding=pad, dilation=dilation)))

    g = fn.relu(norm2d(w, "pool_norm", lin(w, "pool", x.mean((2, 3)))))[..., None, None].expand(-1, -1, *x.shape[2:])
    f = torch.cat([unit("a", x), *(unit(f"dilated.{i}", x, 6 * i) for i in (1, 2, 3)), g], 1)
    y = fn.relu(lin(w, "channel", f.mean((2, 3))))[..., None, None]
    s = torch.sigmoid(fn.conv2d(f, w["spatial.weight"][..., None, None]))
    return unit("out", torch.maximum(f * y, f * s) * f)[0]


def dream_sequence(w: Weights, x: Tensor) -> Tensor:
    inner = {name.removeprefix("dream."): value for name, value in w.items()}
    return dream(inner, x.T[:, None, :])[:, 0].T


def conv_over(weight: Tensor, x: Tensor) -> Tensor:
    """A convolution along a vector."""
    return fn.conv1d(x[None, None], weight, padding=weight.shape[-1] // 2)[0, 0]


def pkcam(w: Weights, u: Tensor, shortcut: Tensor, m0: Tensor, m1: Tensor) -> Tensor:
    s = u.mean((1, 2))
    near = torch.sigmoid(conv_over(w["near.conv.weight"], s))
    k = torch.stack([m0.repeat(len(s) // len(m0)), m1.repeat(len(s) // len(m1)), s], 1)
    fused = fn.relu(fn.conv1d(k.flatten()[None, None], w["fuse.weight"][None], stride=3))[0, 0]
    far = torch.sigmoid(conv_over(w["far.conv.weight"], fused))
    both = torch.stack([near, far], 1).flatten()[None, None]
    gate = torch.sigmoid(fn.conv1d(both, w["out.weight"][None], stride=2))[0, 0]
    return fn.relu(u * (1 + gate[:, None, None]) + shortcut)


def memory_net(w: Weights, x: Tensor) -> Tensor:
    mem = [x.mean((1, 2))]
    for i in range(3):
        k = torch.stack([m.repeat(len(mem[-1]) // len(m)) for m in mem], 1)
        g = torch.sigmoid(lin(w, f"stages.{i}.fuse", k)[:, 0])
        y = x * (1 + g[:, None, None])
        x = fn.relu(fn.conv2d(y[None], w[f"stages.{i}.conv.weight"], w[f"stages.{i}.conv.bias"], stride=2, padding=1))[0]
        mem.append(x.mean((1, 2)))
    return mem[-1]
