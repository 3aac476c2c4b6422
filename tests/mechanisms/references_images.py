"""Plain formulations of mechanisms over images: [B, C, H, W]."""

from __future__ import annotations

import math

import torch
from systems.plain import Weights, attention, conv, dense, mixed, norm
from torch import Tensor
from torch.nn import functional as fn


def below(p: Weights, prefix: str) -> Weights:
    """The weights of one part, under their names inside it."""
    return {name.removeprefix(f"{prefix}."): weight for name, weight in p.items() if name.startswith(f"{prefix}.")}


def high_order(p: Weights, x: Tensor, order: int = 3) -> Tensor:
    gate = torch.zeros_like(x)
    for r in range(1, order + 1):
        product = math.prod((mixed(p, f"order.{r}.u.{s}", x) for s in range(r)), start=torch.ones(()))
        gate = gate + mixed(p, f"order.{r}.out", product.relu()).sigmoid()
    return x * gate / order


def high_order_mixed(p: Weights, x: Tensor, parts: int = 3, classes: int = 5) -> Tensor:
    z = torch.stack([high_order(below(p, f"attention.{r}"), x, r) for r in range(1, parts + 1)], 1)
    f = norm(p, "norm", dense(p, "feature", z.mean((-2, -1))))
    w, b = p["head.weight"].unflatten(0, (parts, classes)), p["head.bias"].unflatten(0, (parts, classes))
    return torch.einsum("bpf,pkf->bpk", f, w) + b


def guided_context(p: Weights, x: Tensor) -> tuple[Tensor, Tensor]:
    w = mixed(p, "context", x).flatten(1).softmax(-1).reshape(x.shape[0], 1, *x.shape[2:])
    g = (w * x).sum((2, 3))
    t = dense(p, "restore", dense(p, "reduce", g).relu())[..., None, None]
    a = (mixed(p, "wx", x).relu() + mixed(p, "wg", x + t).relu() + p["b"][:, None, None]).relu()
    s = (mixed(p, "psi", norm(p, "norm", a, 1, 1e-3)) + p["c"]).sigmoid()
    return s * x, s[:, 0]


def regional(p: Weights, x: Tensor, rows: int, columns: int) -> Tensor:
    def block(t: Tensor) -> Tensor:
        q = mixed(p, "theta", t)
        k, g = (fn.max_pool2d(mixed(p, name, t), 2) for name in ("phi", "g"))
        y = attention(q.flatten(2).mT, k.flatten(2).mT, g.flatten(2).mT, scale=1).mT.reshape(q.shape)
        return mixed(p, "out", y) + t

    return torch.cat([torch.cat([block(t) for t in row.chunk(columns, 3)], 3) for row in x.chunk(rows, 2)], 2)


def dwt(x: Tensor) -> Tensor:
    a, b, c, d = (x[:, :, i::2, j::2] / 2 for i, j in ((0, 0), (1, 0), (0, 1), (1, 1)))
    return torch.cat((a + b + c + d, -a - b + c + d, -a + b - c + d, a - b - c + d), 1)


def dense_residual(p: Weights, x: Tensor) -> Tensor:
    def act(name: str, z: Tensor) -> Tensor:
        return fn.prelu(z, p[f"{name}.a"])

    a = act("act1", conv(p, "conv1", x))
    b = act("act2", conv(p, "conv2", torch.cat((x, a), 1)))
    return x + act("act3", conv(p, "conv3", torch.cat((x, a, b), 1)))


def edge(p: Weights, x: Tensor, scales: int, count: int, position: bool = False) -> Tensor:
    parts = x.split(math.ceil(x.shape[1] / scales), 1)
    done: list[Tensor] = []
    for i, part in enumerate(parts[:-1]):
        z = part if i == 0 else part + done[-1]
        done.append(conv(p, f"chunks.convs.{i}" if "chunks.convs.0.weight" in p else f"t.convs.{i}", z, groups=z.shape[1]))
    t = torch.cat((*done, parts[-1]), 1)
    if position:
        t = t + mixed(p, "pos_proj", waves(*x.shape[2:])[None])
    t = t + p["gamma1"][:, None, None] * cross_covariance(below(p, "xca"), norm(p, "norm1", t, 1), count)
    y = mixed(p, "fc2", fn.gelu(mixed(p, "fc1", norm(p, "norm2", t, 1))))
    return x + p["gamma2"][:, None, None] * y


def cross_covariance(p: Weights, x: Tensor, count: int) -> Tensor:
    b, c, h, w = x.shape
    q, k, v = mixed(p, "qkv", x).reshape(b, 3, count, c // count, h * w).unbind(1)
    a = fn.normalize(q, dim=-1) @ fn.normalize(k, dim=-1).mT * p["temperature"][:, None, None]
    return mixed(p, "out", (a.softmax(-1) @ v).reshape(b, c, h, w))


def waves(h: int, w: int, hidden: int = 32) -> Tensor:
    """The sines and cosines of rows, then of columns: [2 * hidden, h, w]."""
    freq = 10000.0 ** (2 * torch.arange(hidden // 2, dtype=torch.float64) / hidden)

    def along(n: int) -> Tensor:
        t = torch.arange(1, n + 1, dtype=torch.float64) / (n + 1e-6) * 2 * math.pi
        t = t / freq[:, None]
        return torch.stack((t.sin(), t.cos()), 1).flatten(0, 1)

    return torch.cat((along(h)[:, :, None].expand(-1, -1, w), along(w)[:, None, :].expand(-1, h, -1)))


def conv_encoder(p: Weights, x: Tensor) -> Tensor:
    y = norm(p, "norm", conv(p, "dw", x, groups=x.shape[1]), 1)
    return x + p["gamma"][:, None, None] * mixed(p, "fc2", fn.gelu(mixed(p, "fc1", y)))
