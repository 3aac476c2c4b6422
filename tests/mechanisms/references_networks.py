"""Plain formulations of whole networks."""

from __future__ import annotations

import torch
from systems.plain import Weights, batch_norm, conv, dense, mixed
from systems.support import part
from torch import Tensor
from torch.nn import functional as fn

from .references_sequences import lstm


def attention_flow(p: Weights, h: Tensor, u: Tensor, hm: Tensor | None = None, um: Tensor | None = None) -> tuple[Tensor, Tensor]:
    w = torch.cat((p["wh.weight" if "wh.weight" in p else "s.weight"][0], p["wu.weight"][0], p["w"]))
    pairs = torch.cat(torch.broadcast_tensors(h[:, :, None], u[:, None], h[:, :, None] * u[:, None]), -1)
    s = pairs @ w + p["b"]
    logits = s if um is None else s.masked_fill(~um[:, None], -torch.inf)
    to_query = logits.softmax(-1) @ u
    best = logits.amax(-1)
    best = best if hm is None else best.masked_fill(~hm, -torch.inf)
    to_context = (best.softmax(-1)[..., None] * h).sum(1, True)
    return torch.cat((h, to_query, h * to_query, h * to_context), -1), s


def both_ways(p: Weights, x: Tensor, width: int) -> Tensor:
    found: list[Tensor] = []
    for name, turn in (("ahead", False), ("back", True)):
        z = x.flip(1) if turn else x
        z = lstm(z, p[f"{name}.ih.weight"], p[f"{name}.ih.bias"], p[f"{name}.hh.weight"], width, "ifuo", p[f"{name}.hh.bias"])
        found.append(z.flip(1) if turn else z)
    return torch.cat(found, -1)


def bidaf(p: Weights, context: Tensor, query: Tensor, letters: Tensor, letters_q: Tensor, width: int = 3) -> tuple[Tensor, Tensor]:
    def embedded(words: Tensor, chars: Tensor) -> Tensor:
        z = p["chars"][chars].flatten(0, 1).mT
        z = fn.conv1d(z, p["char_conv.weight"], p["char_conv.bias"]).relu().amax(-1).unflatten(0, words.shape)
        z = torch.cat((p["table"][words], z), -1)
        for i in range(2):
            g = dense(p, f"highway.{i}.gate", z).sigmoid()
            z = g * dense(p, f"highway.{i}.plain", z).relu() + (1 - g) * z
        return both_ways(part(p, "contextual"), z, width)

    g, _ = attention_flow(part(p, "flow"), embedded(context, letters), embedded(query, letters_q))
    m = both_ways(part(p, "model.1"), both_ways(part(p, "model.0"), g, width), width)
    p1 = dense(p, "start", torch.cat((g, m), -1))[..., 0]
    a = (p1.softmax(-1)[..., None] * m).sum(1, True).expand_as(m)
    m2 = both_ways(part(p, "last"), torch.cat((g, m, a, m * a), -1), width)
    return p1, dense(p, "end", torch.cat((g, m2), -1))[..., 0]


def unit(p: Weights, x: Tensor) -> Tensor:
    y = mixed(p, "conv1", batch_norm(p, "bn1", x).relu())
    y = conv(p, "conv2", batch_norm(p, "bn2", y).relu())
    return x + mixed(p, "conv3", batch_norm(p, "bn3", y).relu())


def residual_attention(p: Weights, x: Tensor, depth: int = 3, naive: bool = False) -> Tensor:
    def at(name: str, z: Tensor) -> Tensor:
        return unit(part(p, name), z)

    def grown(z: Tensor, like: Tensor) -> Tensor:
        return fn.interpolate(z, like.shape[2:], mode="bilinear", align_corners=True)

    first = at("first", x)
    trunk = at("trunk.1", at("trunk.0", first))
    m, level = first, list[Tensor]()
    for i in range(depth):
        m = at(f"down.{i}", fn.max_pool2d(m, 3, 2, 1))
        level.append(m)
    m = at("bottom", m)
    for i in range(depth - 2, -1, -1):
        skip = at(f"skip.{i}", level[i])
        m = at(f"up.{i}", skip + grown(m, skip))
    m = mixed(p, "mask1", batch_norm(p, "bn1", grown(m, x)).relu())
    m = mixed(p, "mask2", batch_norm(p, "bn2", m).relu()).sigmoid()
    return at("last", m * trunk if naive else (1 + m) * trunk)
