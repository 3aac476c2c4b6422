"""Plain formulations of mechanisms over tokens: [B, N, D]."""

from __future__ import annotations

import math

import torch
from systems.plain import Weights, attention, causal, dense, heads, joined, rms, turned
from torch import Tensor
from torch.nn import functional as fn


def lstm(x: Tensor, ih: Tensor, bias: Tensor, hh: Tensor, width: int, order: str = "ifou", hb: Tensor | None = None) -> Tensor:
    """Step by step; `order` names the four parts of the weights."""
    s = m = x.new_zeros(x.shape[0], width)
    found: list[Tensor] = []
    for step in x.unbind(1):
        part = dict(zip(order, (fn.linear(step, ih, bias) + fn.linear(s, hh, hb)).chunk(4, -1), strict=True))
        m = part["f"].sigmoid() * m + part["i"].sigmoid() * part["u"].tanh()
        s = part["o"].sigmoid() * m.tanh()
        found.append(s)
    return torch.stack(found, 1)


def latent(p: Weights, x: Tensor, count: int = 4) -> Tensor:
    c = rms(dense(p, "q_down", x), p["q_norm.weight"]) if "q_down.weight" in p else x
    qn, qr = heads(dense(p, "q_nope", c), count), heads(dense(p, "q_rope", c), count)
    kv = rms(dense(p, "kv_down", x), p["kv_norm.weight"])
    kn, v = heads(dense(p, "k_up", kv), count), heads(dense(p, "v_up", kv), count)
    kr = turned(dense(p, "k_rope", x), 10000.0)[:, None].expand(-1, count, -1, -1)
    q, k = torch.cat((qn, turned(qr, 10000.0)), -1), torch.cat((kn, kr), -1)
    return dense(p, "out", joined(attention(q, k, v, causal(x.shape[1]))))


def differential(p: Weights, x: Tensor, count: int = 2, layer: int = 1) -> Tensor:
    start = 0.8 - 0.6 * math.exp(-0.3 * (layer - 1))
    q, k = (dense(p, name, x).unflatten(-1, (count, 2, -1)).permute(0, 2, 3, 1, 4) for name in "qk")
    v = heads(dense(p, "v", x), count)
    a = (q @ k.mT * q.shape[-1] ** -0.5).masked_fill(~causal(x.shape[1]), -torch.inf).softmax(-1)
    one, two = (p["lq"] * p["lk"]).sum(-1).exp()
    o = rms((a[:, :, 0] - (one - two + start) * a[:, :, 1]) @ v, eps=1e-5)
    return dense(p, "out", joined(o * (1 - start)))
