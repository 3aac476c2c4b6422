"""Plain formulations of mechanisms over tokens: [B, N, D]."""

from __future__ import annotations

import math

import torch
from systems.plain import Weights, attention, causal, dense, heads, joined, rms, turned
from torch import Tensor
from torch.nn import functional as fn


def deconstructed(p: Weights, x: Tensor, source: Tensor | None = None, form: str = "softmax", joint: bool = True, count: int = 4) -> Tensor:
    if form == "none_at_all":
        return dense(p, "down", fn.silu(dense(p, "gate", x)) * dense(p, "up", x))
    q, k = (heads(dense(p, name, x if source is None else source), count) for name in "qk")
    v = heads(dense(p, "v", x), count)
    if form == "softmax":
        o = attention(q, k, v, causal(x.shape[1]))
    elif form == "taylor":
        s = q @ k.mT * q.shape[-1] ** -0.5
        terms = torch.stack((torch.ones_like(s).tril(), s.tril(), s.square().tril() / 2))
        total = terms.sum(-1, keepdim=True)
        o = (terms.sum(0) / total.sum(0) if joint else (terms / total).sum(0)) @ v
    else:
        w = (fn.silu(q) * k).sum(-1, keepdim=True).mul(q.shape[-1] ** -0.5).exp()
        o = (w * v).cumsum(-2) / w.cumsum(-2)
    return dense(p, "out", joined(o))


def adaptive_filter(p: Weights, x: Tensor, t: Tensor, robust: bool = True, count: int = 2, d: int = 4, eps: float = 1e-5) -> Tensor:
    n = x.shape[1]
    q, k, v = (torch.view_as_complex(dense(p, name, x).unflatten(-1, (count, d, 2))).transpose(1, 2) for name in "qkv")
    w = torch.stack((p["w"], -p["w"]), -1).flatten(-2)
    turn = torch.exp(1j * w[:, None] * t[:, None] * (10 * 2 * math.pi / (2 * n)))
    q, k, v = q * turn.conj(), k * turn.conj(), v * turn.conj()
    mu = ((p["mu"].sigmoid() - 1) * 10 / (2 * n) - eps)[:, None, None]
    s2, e2, g2, nu = (fn.softplus(p[name])[:, None, None] + (eps if name != "sigma" else 0) for name in ("sigma", "eta", "gamma", "nu"))
    decay = (mu * (t[:, None] - t).abs()).clamp(-10, 10).exp()
    spread = s2 * (1 - decay**2) / (-2 * mu) + e2 * decay**2 + g2
    r = (q[..., :, None, :] - decay[..., None] * k[..., None, :, :]).abs().square().sum(-1)
    u = r / (nu * d * spread)
    s = p["tau"][:, None, None] ** 2 * (-spread.log() - (u.log1p() if robust else u))
    a = s.masked_fill(~causal(n), -torch.inf).softmax(-1) * decay
    o = turn * (a.to(v.dtype) @ v + v)
    return dense(p, "out", torch.view_as_real(o.transpose(1, 2)).flatten(-3))


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


def smeared(s: Tensor, weight: Tensor, seen: Tensor) -> Tensor:
    cq, ck = weight.shape[-2:]
    side = (ck - 1) // 2
    return fn.conv2d(fn.pad(s.masked_fill(~seen, 0), (side, side, cq - 1, 0)), weight, groups=s.shape[1])


def multi_token(p: Weights, x: Tensor, count: int = 4, mix: int = 2, layer: int = 0, rotary: bool = False) -> Tensor:
    q, k, v = (heads(dense(p, name, x), count) for name in "qkv")
    if rotary:
        q, k = turned(q, 100000.0), turned(k, 100000.0)
    seen = causal(x.shape[1])
    s = smeared(q @ k.mT * q.shape[-1] ** -0.5, p["before.conv.weight"], seen)
    s = torch.einsum("gh,bhij->bgij", p["mix_before.weight"], s)
    a = smeared(s.masked_fill(~seen, -torch.inf).softmax(-1), p["after.conv.weight"], seen).masked_fill(~seen, 0)
    grouped = p["mix_after.weight"].unflatten(0, (-1, mix))
    a = torch.einsum("goc,bgcij->bgoij", grouped, a.unflatten(1, (-1, mix))).flatten(1, 2)
    o = rms(a @ v, p["norm.weight"], 1e-5) * (1 - (0.8 - 0.6 * math.exp(-0.3 * layer)))
    return dense(p, "out", joined(o * dense(p, "gate", o).sigmoid()))


def tapa(q: Tensor, k: Tensor, v: Tensor, theta: float = 0.5, alpha: float = 0.5, c: float = 1.0) -> Tensor:
    n, d = q.shape[-2:]
    a = min(max(int(theta * d), 1), d - 1)
    far = (torch.arange(n)[:, None] - torch.arange(n)).abs().to(q.dtype)
    amplitude = q[..., :a] @ k[..., :a].mT * a**-0.5
    phase = q[..., a:] @ k[..., a:].mT * (d - a) ** -0.5
    s = amplitude * (c * phase * far**alpha).cos()
    return s.masked_fill(~causal(n), -torch.inf).softmax(-1) @ v


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
