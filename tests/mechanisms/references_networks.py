"""Plain formulations of whole networks."""

from __future__ import annotations

import torch
from systems.plain import Weights, attention, batch_norm, conv, dense, heads, joined, mixed, norm, one_norm
from torch import Tensor
from torch.nn import functional as fn

from .references_images import below
from .references_sequences import lstm

RGB = torch.tensor([0.4488, 0.4371, 0.4040], dtype=torch.float64)[:, None, None] * 255


def rcan(p: Weights, x: Tensor, groups: int, blocks: int, steps: int, by: int) -> Tensor:
    f = conv(p, "head", x - RGB)
    y = f
    for g in range(groups):
        kept = y
        for i in range(blocks):
            q = below(p, f"groups.{g}.blocks.{i}")
            z = conv(q, "conv2", conv(q, "conv1", y).relu())
            y = y + z * dense(q, "gate.fc2", dense(q, "gate.fc1", z.mean((2, 3))).relu()).sigmoid()[..., None, None]
        y = kept + conv(p, f"groups.{g}.conv", y)
    y = f + conv(p, "body", y)
    for i in range(steps):
        y = fn.pixel_shuffle(conv(p, f"up.{i}", y), by)
    return conv(p, "tail", y) + RGB


def vaanet(p: Weights, video: Tensor, audio: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    b, s = video.shape[:2]
    f = batch_norm(p, "norm", mixed(p, "reduce", video.flatten(0, 1))).relu().flatten(2)
    space = dense(p, "s_fc", one_norm(p, "s_norm", dense(p, "s_conv", f, 1)[:, 0]).tanh()).softmax(-1) * f.shape[2]
    f = f * space[:, None]
    channel = dense(p, "c_fc", one_norm(p, "c_norm", dense(p, "c_conv", f, 2)[..., 0]).tanh()).softmax(-1) * f.shape[1]
    f = (f * channel[..., None]).mean(-1).unflatten(0, (b, s))
    f, time = temporal(below(p, "temporal"), f)
    sound, _ = temporal(below(p, "audio"), audio)
    logits = dense(p, "head", torch.cat((f, sound), -1))
    return logits, space.unflatten(0, (b, s)), channel.unflatten(0, (b, s)), time


def temporal(p: Weights, x: Tensor) -> tuple[Tensor, Tensor]:
    a = dense(p, "fc", one_norm(p, "norm", dense(p, "conv", x)[..., 0]).tanh()).relu()
    return (x * a[..., None]).mean(1), a


def fusion(p: Weights, x: Tensor) -> Tensor:
    n = norm(p, "norm", x, 1)
    s = dense(p, "fc2", dense(p, "fc1", n.mean((2, 3))).relu()).tanh()[..., None, None]
    return x + conv(p, "depthwise", n, groups=x.shape[1]) * (n * s)


def tokens(p: Weights, x: Tensor, count: int) -> Tensor:
    """Attention over the places of an image."""
    q, k, v = (heads(mixed(p, name, x).flatten(2).mT, count) for name in "qkv")
    return mixed(p, "out", joined(attention(q, k, v)).mT.reshape(x.shape))


def denoise(p: Weights, x: Tensor, count: int) -> Tensor:
    def up(z: Tensor) -> Tensor:
        return fn.interpolate(z, scale_factor=2, mode="nearest")

    found = [conv(p, "conv1", x[:, None]).relu()]
    for i in (2, 3, 4):
        found.append(conv(p, f"conv{i}", found[-1], stride=2, padding=1).relu())
    b = up(tokens(below(p, "attention" if "attention.q.weight" in p else "b"), found[3], count))
    b = up(up(b + found[2]) + found[1]) + found[0]
    r = conv(p, "res", b)
    return conv(p, "out", r + r).tanh()[:, 0] + x


def lyt(p: Weights, image: Tensor, count: int = 4) -> Tensor:
    rows = [[0.299, 0.587, 0.114], [-0.14713, -0.28886, 0.436], [0.615, -0.51499, -0.10001]]
    y, u, v = torch.einsum("oi,bihw->obhw", torch.tensor(rows, dtype=image.dtype), image)
    u, v = denoise(below(p, "cwd_u"), u + 0.5, count), denoise(below(p, "cwd_v"), v + 0.5, count)
    light = conv(p, "luma", y[:, None]).relu()
    g = tokens(below(p, "luma_attention"), fn.max_pool2d(light, 8), count)
    light = light + fn.interpolate(g, scale_factor=8, mode="nearest")
    r0 = mixed(p, "mix", torch.cat((conv(p, "chroma_u", u[:, None]).relu(), conv(p, "chroma_v", v[:, None]).relu()), 1))
    r = fusion(below(p, "msef"), r0 + 0.2 * mixed(p, "luma_in", light)) + r0
    return conv(p, "final", conv(p, "recombine", torch.cat((r, light), 1))).sigmoid()


def additive(p: Weights, x: Tensor, count: int = 2, width: int = 4) -> Tensor:
    b, n, _ = x.shape
    q, k, v = dense(p, "qkv", x).reshape(b, n, 3, count, width).permute(2, 0, 3, 1, 4)
    flip = (1.0 - 2 * (torch.arange(n) % 2)).to(x.dtype)[:, None]
    a = (q @ p["wq"] * width**-0.5).softmax(-1)[..., None]
    kk = (k * (a * q * flip).sum(2, True)).unflatten(-1, (-1, 2)).sum(-1)
    c = (kk @ p["wk"] * width**-0.5).softmax(-1)[..., None]
    u = (v * (c * k * flip).sum(2, True)).unflatten(-1, (-1, 2)).sum(-1)
    return dense(p, "out", joined(q + dense(p, "r", u)))


def matcher(p: Weights, c: Tensor, depth: int = 2) -> Tensor:
    b, sizes = c.shape[0], c.shape[2:]
    e = dense(p, "embed", c.flatten(2).mT)
    for i in range(depth):
        q = below(p, f"layers.{i}")
        e = e + additive(below(q, "attention"), norm(q, "norm1", e))
        e = e + dense(q, "fc2", fn.gelu(dense(q, "fc1", norm(q, "norm2", e))))
    y = dense(p, "score", e).reshape(b, *sizes)
    y = y.permute(0, 3, 4, 1, 2).flatten(1, 2)
    y = fn.interpolate(y, scale_factor=2, mode="bilinear", align_corners=True)
    y = y.reshape(b, sizes[2], sizes[3], 2 * sizes[0], 2 * sizes[1]).permute(0, 3, 4, 1, 2).flatten(1, 2)
    y = fn.interpolate(y, scale_factor=2, mode="bilinear", align_corners=True)
    return y.reshape(b, 2 * sizes[0], 2 * sizes[1], 2 * sizes[2], 2 * sizes[3])


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
        return both_ways(below(p, "contextual"), z, width)

    g, _ = attention_flow(below(p, "flow"), embedded(context, letters), embedded(query, letters_q))
    m = both_ways(below(p, "model.1"), both_ways(below(p, "model.0"), g, width), width)
    p1 = dense(p, "start", torch.cat((g, m), -1))[..., 0]
    a = (p1.softmax(-1)[..., None] * m).sum(1, True).expand_as(m)
    m2 = both_ways(below(p, "last"), torch.cat((g, m, a, m * a), -1), width)
    return p1, dense(p, "end", torch.cat((g, m2), -1))[..., 0]


def unit(p: Weights, x: Tensor) -> Tensor:
    y = mixed(p, "conv1", batch_norm(p, "bn1", x).relu())
    y = conv(p, "conv2", batch_norm(p, "bn2", y).relu())
    return x + mixed(p, "conv3", batch_norm(p, "bn3", y).relu())


def residual_attention(p: Weights, x: Tensor, depth: int = 3, naive: bool = False) -> Tensor:
    def at(name: str, z: Tensor) -> Tensor:
        return unit(below(p, name), z)

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
