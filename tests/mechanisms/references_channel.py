"""Gates over channels and maps in plain PyTorch. Each takes the module's weights by name and the inputs without leading dimensions."""

from __future__ import annotations

import math
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


def split_attention(radix: int, cardinality: int) -> Callable[..., Any]:
    def run(w: Weights, x: Tensor) -> Tensor:
        x = x[None]
        u = fn.relu(norm2d(w, "bn0", fn.conv2d(x, w["conv.weight"], padding=1, groups=radix * cardinality)))
        channels = u.shape[1] // radix
        u = u.view(1, radix, channels, *u.shape[2:])
        g = u.sum(1).mean((2, 3), keepdim=True)
        a = fn.relu(norm2d(w, "bn1", fn.conv2d(g, w["fc1.weight"][..., None, None], w["fc1.bias"], groups=cardinality)))
        z = fn.conv2d(a, w["fc2.weight"][..., None, None], w["fc2.bias"], groups=cardinality)
        z = z.view(1, cardinality, radix, -1).transpose(1, 2)
        z = torch.sigmoid(z) if radix == 1 else torch.softmax(z, 1)
        return (z.reshape(1, radix, channels, 1, 1) * u).sum(1)[0]

    return run


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


def ggem(groups: int) -> Callable[..., Any]:
    def run(w: Weights, x: Tensor) -> Tensor:
        y = x[1:].clamp(min=1e-6).view(x.shape[0] - 1, groups, -1)
        p = w["p"][:, None]
        return ((y**p).mean(0) ** (1 / p)).flatten()

    return run


def fcanet(us: list[int], vs: list[int], size: int) -> Callable[..., Any]:
    def wave(k: int) -> Tensor:
        t = torch.arange(size, dtype=torch.float64)
        return torch.cos(math.pi * k * (t + 0.5) / size) / math.sqrt(size) * (1 if k == 0 else math.sqrt(2))

    def run(w: Weights, x: Tensor) -> Tensor:
        basis = torch.stack([torch.outer(wave(u * (size // 7)), wave(v * (size // 7))) for u, v in zip(us, vs, strict=True)])
        basis = basis.repeat_interleave(x.shape[0] // len(us), 0)
        s = (fn.adaptive_avg_pool2d(x, size) * basis).sum((1, 2))
        return x * torch.sigmoid(lin(w, "fc2", fn.relu(lin(w, "fc1", s))))[:, None, None]

    return run


def eca(kernel: int) -> Callable[..., Any]:
    def run(w: Weights, x: Tensor) -> Tensor:
        assert w["conv.weight"].shape[-1] == kernel
        return x * torch.sigmoid(conv_over(w["conv.weight"], x.mean((1, 2))))[:, None, None]

    return run


def triplet(spatial: bool) -> Callable[..., Any]:
    def run(w: Weights, x: Tensor) -> Tensor:
        def gate(path: str, pool: int, y: Tensor) -> Tensor:
            z = torch.stack([y.amax(0), y.mean(0)])[None]
            weight = w[f"{path}.conv.weight"]
            m = norm2d(w, f"{path}.norm", fn.conv2d(z, weight, padding=weight.shape[-1] // 2))
            return y * torch.sigmoid(m)[0]

        a = gate("a", 1, x.permute(1, 0, 2)).permute(1, 0, 2)
        b = gate("b", 2, x.permute(2, 1, 0)).permute(2, 1, 0)
        return (a + b + gate("c", 0, x)) / 3 if spatial else (a + b) / 2

    return run


def ela(kernel: int, per: int, groups: int, share: bool) -> Callable[..., Any]:
    def run(w: Weights, x: Tensor) -> Tensor:
        def strip(path: str, z: Tensor) -> Tensor:
            y = fn.conv1d(z[None], w[f"{path}.conv.weight"], padding=kernel // 2, groups=len(z) // per)
            return torch.sigmoid(fn.group_norm(y, groups, w[f"{path}.norm.weight"], w[f"{path}.norm.bias"]))[0]

        return x * strip("f", x.mean(2))[:, :, None] * strip("f" if share else "f2", x.mean(1))[:, None, :]

    return run


def polarized(variant: str) -> Callable[..., Any]:
    def run(w: Weights, x: Tensor) -> Tensor:
        def channel(x: Tensor) -> Tensor:
            flat = x.flatten(1)
            z = (w["channel.v.weight"] @ flat) @ (w["channel.q.weight"] @ flat).softmax(-1)[0]
            if variant == "sequential":
                z = lin(w, "channel.up1", z)
                z = fn.relu(fn.layer_norm(z, z.shape, w["channel.norm.weight"], w["channel.norm.bias"]))
                z = lin(w, "channel.up2", z)
            else:
                z = lin(w, "channel.up", z)
            if variant == "paper":
                z = fn.layer_norm(z, z.shape, w["channel.norm.weight"], w["channel.norm.bias"])
            return x * torch.sigmoid(z)[:, None, None]

        def spatial(x: Tensor) -> Tensor:
            flat = x.flatten(1)
            g, th = (w["spatial.g.weight"] @ flat).mean(1), w["spatial.theta.weight"] @ flat
            if variant == "paper":
                s = g.softmax(0) @ th
            elif variant == "parallel":
                s = (g @ th).softmax(0)
            else:
                s = g @ th.softmax(1)
            return x * torch.sigmoid(s).view(x.shape[1:])

        return spatial(channel(x)) if variant == "sequential" else channel(x) + spatial(x)

    return run
