"""Attention over tokens, latents, slots and memories in plain PyTorch. Inputs come without leading dimensions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as fn

Weights = Mapping[str, Tensor]


def lin(w: Weights, name: str, x: Tensor) -> Tensor:
    return fn.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias"))


def norm(w: Weights, name: str, x: Tensor) -> Tensor:
    return fn.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"])


def heads_of(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(-1, (heads, -1)).transpose(0, 1)


def joined(x: Tensor) -> Tensor:
    return x.transpose(0, 1).flatten(1)


def soft(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    s = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    if mask is not None:
        s = s.masked_fill(~mask, -torch.inf)
    return s.softmax(-1) @ v


def mha(w: Weights, path: str, x: Tensor, m: Tensor, heads: int, mask: Tensor | None = None) -> Tensor:
    q, k, v = (heads_of(lin(w, f"{path}.{name}", y), heads) for name, y in (("q", x), ("k", m), ("v", m)))
    return lin(w, f"{path}.out", joined(soft(q, k, v, mask)))


def perceiver(share: bool = True) -> Callable[..., Tensor]:
    def run(w: Weights, x: Tensor, query: Tensor) -> Tensor:
        def cross(path: str, x: Tensor, y: Tensor) -> Tensor:
            q, m = norm(w, f"{path}.norm_q", x), norm(w, f"{path}.norm_kv", y)
            return mha(w, path, q, m, 2)

        def think(x: Tensor) -> Tensor:
            return lin(w, "think.fc2", fn.gelu(lin(w, "think.fc1", norm(w, "think.norm", x))))

        z = w["latent"]
        for i in range(2):
            z = z + cross(f"reads.{i}", z, x)
            z = z + cross(f"layers.{i}", z, z)
            z = z + think(z)
        return query + cross("decode", query, z)

    return run


def slots(w: Weights, x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    x = norm(w, "norm_input", x)
    k, v = lin(w, "k", x), lin(w, "v", x)
    a = s
    for _ in range(3):
        a = (lin(w, "q", norm(w, "norm_slots", s)) @ k.T / math.sqrt(k.shape[-1])).softmax(0)
        e = a + 1e-8
        u = (e / e.sum(-1, keepdim=True)) @ v
        s = torch.gru_cell(u, s, w["gru.ih.weight"], w["gru.hh.weight"], w["gru.ih.bias"], w["gru.hh.bias"])
        s = s + lin(w, "fc2", fn.relu(lin(w, "fc1", norm(w, "norm_mlp", s))))
    return s, a


def deformable(w: Weights, q: Tensor, x: Tensor, ref: Tensor, heads: int = 2, points: int = 3) -> Tensor:
    n, height, width = len(q), *x.shape[:2]
    at = ref[:, None, None] + lin(w, "offset", q).view(n, heads, points, 2)
    scores = lin(w, "weight", q).view(n, heads, points).softmax(-1)
    v = lin(w, "value", x).view(height, width, heads, -1).permute(2, 3, 0, 1)
    size = torch.tensor([height - 1, width - 1], dtype=x.dtype)
    grid = (2 * at / size - 1).flip(-1).transpose(0, 1)
    read = fn.grid_sample(v, grid, align_corners=True, padding_mode="zeros")
    return lin(w, "out", torch.einsum("nhp,hdnp->nhd", scores, read).flatten(1))


def capsules(w: Weights, x: Tensor, count: int = 4, iterations: int = 3) -> Tensor:
    u = torch.einsum("iokx,ix->iok", w["votes.weight"].view(len(x), count, -1, x.shape[-1]), x)
    b = torch.zeros(u.shape[:2], dtype=x.dtype)
    v = u[0]
    for _ in range(iterations):
        s = (b.softmax(-1)[..., None] * u).sum(0)
        n = (s * s).sum(-1, keepdim=True)
        v = s * (n / (1 + n) / (n + 1e-8).sqrt())
        b = b + (u.detach() * v.detach()).sum(-1)
    return v


def machine(w: Weights, x: Tensor, slots: int = 6, width: int = 4, reach: int = 1) -> tuple[Tensor, ...]:
    m = 0.1 * torch.sin(torch.arange(slots, dtype=x.dtype)[:, None] * width + torch.arange(width))
    at, ys, ats = w["first"].softmax(0), [], []
    for row in x:
        key, strength = lin(w, "key", row), fn.softplus(lin(w, "strength", row))
        gate, move = torch.sigmoid(lin(w, "gate", row)), lin(w, "move", row).softmax(0)
        sharp = 1 + fn.softplus(lin(w, "sharp", row))
        erase, add = torch.sigmoid(lin(w, "erase", row)), torch.tanh(lin(w, "add", row))
        content = (strength * (fn.normalize(m, dim=-1) @ fn.normalize(key, dim=0))).softmax(0)
        mixed = gate * content + (1 - gate) * at
        moved = sum((torch.roll(mixed, z - reach) * move[z] for z in range(2 * reach + 1)), torch.zeros_like(mixed))
        at = (moved + 1e-6) ** sharp
        at = at / at.sum()
        m = m * (1 - torch.outer(at, erase)) + torch.outer(at, add)
        ys.append(lin(w, "read", at @ m))
        ats.append(at)
    return torch.stack(ys), m, torch.stack(ats)
