"""Plain formulations of recurrences, caches, biases, experts and graphs."""

from __future__ import annotations

import math

import torch
from systems.plain import Weights, attention, causal, dense, heads, joined, turned
from torch import Tensor
from torch.nn import functional as fn


def experts_dense(p: Weights, x: Tensor, top: int = 2, hidden: int = 6) -> tuple[Tensor, Tensor]:
    probability = dense(p, "router", x).softmax(-1)
    w, at = probability.topk(top, -1)
    gate = torch.zeros_like(probability).scatter(-1, at, w / w.sum(-1, keepdim=True))
    y = fn.gelu(dense(p, "w1", x)).unflatten(-1, (-1, hidden))
    weight = p["w2.weight"].unflatten(0, (y.shape[-2], -1))
    y = torch.einsum("...ef,edf->...ed", y, weight) + p["w2.bias"].unflatten(0, (y.shape[-2], -1))
    return torch.einsum("...e,...ed->...d", gate, y), (gate > 0).to(x.dtype).flatten(0, -2).mean(0)


def experts_sparse(p: Weights, x: Tensor, count: int = 4, hidden: int = 6, room: int = 3) -> Tensor:
    probability = dense(p, "router", x).softmax(-1)
    weight, expert = probability.max(-1)
    w1, w2 = p["w1.weight"].unflatten(0, (count, hidden)), p["w2.weight"].unflatten(0, (count, -1))
    b1, b2 = p["w1.bias"].unflatten(0, (count, hidden)), p["w2.bias"].unflatten(0, (count, -1))
    used = [0] * count
    found: list[Tensor] = []
    for token, e, scale in zip(x, expert.tolist(), weight, strict=True):
        used[e] += 1
        fits = used[e] <= room
        y = fn.linear(fn.linear(token, w1[e], b1[e]).relu(), w2[e], b2[e]) * scale
        found.append(y if fits else torch.zeros_like(token))
    return torch.stack(found)


def expert_choice(p: Weights, x: Tensor, count: int = 3, take: int = 2) -> Tensor:
    probability = dense(p, "router", x).softmax(-1)
    weights = p["fc.weight"].unflatten(0, (count, -1))
    biases = p["fc.bias"].unflatten(0, (count, -1))
    found = torch.zeros_like(x)
    for e in range(count):
        w, at = probability[..., e].topk(take, -1)
        index = at[..., None].expand(*at.shape, x.shape[-1])
        y = fn.linear(x.gather(-2, index), weights[e], biases[e])
        found = found.scatter_add(-2, index, w[..., None] * y)
    return found


def mamba(p: Weights, x: Tensor) -> Tensor:
    u, z = dense(p, "in_x", x), dense(p, "in_z", x)
    kernel = p["conv.weight"].shape[-1]
    u = fn.silu(fn.conv1d(fn.pad(u.mT, (kernel - 1, 0)), p["conv.weight"], p["conv.bias"], groups=u.shape[-1]).mT)
    delta = fn.softplus(dense(p, "dt_up", dense(p, "dt_down", u)))
    b, c = dense(p, "b", u), dense(p, "c", u)
    a = -p["a_log"].exp()
    s = x.new_zeros(x.shape[0], *a.shape)
    found: list[Tensor] = []
    for n in range(x.shape[1]):
        step = delta[:, n, :, None]
        s = (step * a).exp() * s + step * u[:, n, :, None] * b[:, n, None, :]
        found.append((s * c[:, n, None, :]).sum(-1))
    return dense(p, "out", (torch.stack(found, 1) + p["skip"] * u) * fn.silu(z))


def rwkv(p: Weights, x: Tensor) -> Tensor:
    before = fn.pad(x, (0, 0, 1, 0))[:, :-1]
    k, v, r = (dense(p, name, x * p[m] + before * (1 - p[m])) for name, m in (("key", "mk"), ("value", "mv"), ("receptance", "mr")))
    w = -p["decay"].exp()
    found: list[Tensor] = []
    for t in range(x.shape[1]):
        past = torch.arange(t - 1, -1, -1, dtype=x.dtype)[:, None]
        logit = torch.cat((past * w + k[:, :t], (p["first"] + k[:, t])[:, None]), 1)
        found.append((logit.softmax(1) * v[:, : t + 1]).sum(1))
    return dense(p, "out", r.sigmoid() * torch.stack(found, 1))


def retention(q: Tensor, k: Tensor, v: Tensor, scaled: bool = True) -> Tensor:
    n = q.shape[-2]
    g = 1 - 2.0 ** (-5 - torch.arange(q.shape[-3], dtype=q.dtype))
    far = torch.arange(n)[:, None] - torch.arange(n)
    mask = (g[:, None, None] ** far.clamp(min=0)) * (far >= 0)
    return (q @ k.mT * q.shape[-1] ** -0.5 * mask) @ v


def retention_last(k: Tensor, v: Tensor) -> Tensor:
    """The state after the last step."""
    n = k.shape[-2]
    g = 1 - 2.0 ** (-5 - torch.arange(k.shape[-3], dtype=k.dtype))
    weight = g[:, None] ** torch.arange(n - 1, -1, -1, dtype=k.dtype)
    return (k * weight[..., None]).mT @ v


def gru(p: Weights, x: Tensor, start: Tensor | None = None) -> tuple[Tensor, Tensor]:
    width = p["hh.weight"].shape[1]
    h = x.new_zeros(x.shape[0], width) if start is None else start
    found: list[Tensor] = []
    for step in x.unbind(1):
        zr, zu, zn = dense(p, "ih", step).chunk(3, -1)
        wr, wu, wn = dense(p, "hh", h).chunk(3, -1)
        u = (zu + wu).sigmoid()
        h = (1 - u) * (zn + (zr + wr).sigmoid() * wn).tanh() + u * h
        found.append(h)
    return torch.stack(found, 1), h


def memory_reader(p: Weights, x: Tensor, memory: Tensor) -> Tensor:
    s = torch.zeros_like(x[:, 0])
    found: list[Tensor] = []
    for step in x.unbind(1):
        s = (step + dense(p, "cell", s) + attention(s[:, None], memory, memory)[:, 0]).tanh()
        found.append(s)
    return torch.stack(found, 1)


def graph(p: Weights, x: Tensor, edges: Tensor, count: int = 2, width: int = 3, slope: float = 0.2) -> Tensor:
    y = dense(p, "fc", x).unflatten(-1, (count, width))
    n = x.shape[0]
    found: list[Tensor] = []
    for node in range(n):
        sources = edges[edges[:, 1] == node, 0]
        s = (y[sources] * p["a_from"]).sum(-1) + (y[node] * p["a_to"]).sum(-1)
        w = fn.leaky_relu(s, slope).softmax(0)
        found.append((w[..., None] * y[sources]).sum(0).flatten())
    return torch.stack(found)


def t5(p: Weights, x: Tensor, count: int = 2, buckets: int = 8, far: int = 20, both: bool = True) -> Tensor:
    def bucket(distance: int) -> int:
        half = buckets // 2 if both else buckets
        base = half if both and distance > 0 else 0
        size = abs(distance) if both else max(-distance, 0)
        exact = half // 2
        if size < exact:
            return base + size
        return base + min(exact + int(math.log(size / exact) / math.log(far / exact) * (half - exact)), half - 1)

    n = x.shape[1]
    table = torch.tensor([[bucket(j - i) for j in range(n)] for i in range(n)])
    q, k, v = (heads(dense(p, name, x), count) for name in "qkv")
    return dense(p, "out", joined(attention(q, k, v, scale=1, bias=p["table"][table].permute(2, 0, 1))))


def alibi(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    h, n = q.shape[-3:-1]
    slope = torch.tensor([2.0 ** (-8 * (i + 1) / h) for i in range(h)], dtype=q.dtype)
    far = (torch.arange(n)[:, None] - torch.arange(n)).abs()
    return attention(q, k, v, causal(n), bias=-slope[:, None, None] * far)


def rope_2d(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    def turn(x: Tensor) -> Tensor:
        a, b = x.chunk(2, -1)
        a = turned(a.transpose(-2, -3), 100.0, half=True).transpose(-2, -3)
        return torch.cat((a, turned(b, 100.0, half=True)), -1).flatten(-3, -2)

    return attention(turn(q), turn(k), v.flatten(-3, -2)).unflatten(-2, q.shape[-3:-1])
