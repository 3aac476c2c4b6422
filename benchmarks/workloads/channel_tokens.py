"""Attention between channels."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from harness.row import Program, Row, Run, Weights, Work, drawn, filled, joined
from torch import Tensor, nn
from torch.nn import functional as fn


class XCA(nn.Module):
    """Cross-covariance attention (El-Nouby et al., 2021): queries and keys are normalised along the tokens."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.out, self.temperature = nn.Linear(width, width), nn.Parameter(torch.ones(heads, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        q, k, v = (layer(x).view(b, n, self.heads, -1).permute(0, 2, 3, 1) for layer in (self.q, self.k, self.v))
        q, k = fn.normalize(q, dim=-1), fn.normalize(k, dim=-1)
        weights = (q @ k.transpose(-2, -1) * self.temperature).softmax(dim=-1)
        return self.out((weights @ v).permute(0, 3, 1, 2).reshape(b, n, c))


def timms_xca(width: int, heads: int, weights: Weights) -> Run:
    from timm.models import xcit

    theirs = {**joined(weights), "temperature": weights["temperature"]}
    theirs |= {f"proj.{kind}": weights[f"out.{kind}"] for kind in ("weight", "bias")}
    return filled(xcit.XCA(width, heads), theirs)


def lengths(squares: Tensor) -> Tensor:
    """One over the lengths, from their squares."""
    return squares.clamp_min(1e-24).rsqrt()


def gram_xca(heads: int, weights: Weights) -> Run:
    """From the product of the tokens with themselves: scores and lengths of queries and keys first, and last one map of all tokens."""
    joint = torch.cat((weights["q.weight"], weights["k.weight"]))
    parts = joint.view(2, heads, -1, joint.shape[1])
    out, value, bias = weights["out.weight"].unflatten(1, (heads, -1)).transpose(0, 1), weights["v.weight"], weights["out.bias"]
    temperature = weights["temperature"].view(heads, 1, 1)

    def run(x: Tensor) -> Tensor:
        rows = (joint @ (x.mT @ x)).unflatten(1, parts.shape[:3])
        q, k = lengths((rows * parts).sum(-1)).unbind(1)
        scores = (rows[:, 0] @ parts[1].mT) * q[..., None] * k[..., None, :] * temperature
        mixed = (out @ scores.softmax(-1)).transpose(1, 2).flatten(2)
        return torch.baddbmm(bias, x, (mixed @ value).mT)

    return run


def xca(batch: int, tokens: int, width: int, heads: int) -> Work:
    """The least work is that of small matrices: the Gram matrix of the tokens, and one product with what is folded of the rest."""
    return Work(
        program=Program("std.channel_tokens", "xca", {"D": width, "heads": heads}),
        author=partial(XCA, width, heads),
        inputs=(drawn(batch, tokens, width),),
        peers={"timm": partial(timms_xca, width, heads), "Gram form by hand": partial(gram_xca, heads)},
        flops=batch * 4 * min(tokens * width**2, 2 * tokens * width**2 + tokens * width**2 // heads),
    )


class MDTA(nn.Module):
    """Multi-Dconv head transposed attention (Zamir et al., 2022)."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v = (self.projection(channels) for _ in range(3))
        self.out, self.temperature = nn.Conv2d(channels, channels, 1, bias=False), nn.Parameter(torch.ones(heads, 1, 1))

    @staticmethod
    def projection(channels: int) -> nn.Module:
        made = nn.Sequential()
        made.add_module("point", nn.Conv2d(channels, channels, 1, bias=False))
        made.add_module("depth", nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False))
        return made

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        q, k, v = (layer(x).reshape(b, self.heads, -1, h * w) for layer in (self.q, self.k, self.v))
        q, k = fn.normalize(q, dim=-1), fn.normalize(k, dim=-1)
        weights = (q @ k.transpose(-2, -1) * self.temperature).softmax(dim=-1)
        return self.out((weights @ v).reshape(b, c, h, w))


def late_mdta(heads: int, weights: Weights) -> Run:
    """Channels stay outside; scores are divided by lengths instead of queries and keys, which are gone before the values are made; the map
    after the attention goes into its weights."""
    temperature = weights["temperature"].view(heads, 1, 1)
    out = weights["out.weight"].flatten(1).unflatten(1, (heads, -1)).transpose(0, 1)

    def made(x: Tensor, name: str) -> Tensor:
        point, depth = weights[f"{name}.point.weight"], weights[f"{name}.depth.weight"]
        y = fn.conv2d(x, point.view(*point.shape[:2], 1, 1))
        return fn.conv2d(y, depth.view(-1, 1, 3, 3), padding=1, groups=y.shape[1]).unflatten(1, (heads, -1)).flatten(3)

    def scored(x: Tensor) -> Tensor:
        q, k = made(x, "q"), made(x, "k")
        squares = (torch.linalg.vector_norm(one, dim=-1).square() for one in (q, k))
        one, other = map(lengths, squares)
        return (q @ k.mT * one[..., None] * other[..., None, :] * temperature).softmax(-1)

    def run(x: Tensor) -> Tensor:
        mixed = (out @ scored(x)).transpose(1, 2).flatten(2)
        return (mixed @ made(x, "v").flatten(1, 2)).view(x.shape)

    return run


def mdta(batch: int, channels: int, side: int, heads: int) -> Work:
    return Work(
        program=Program("std.channel_tokens", "mdta", {"C": channels, "heads": heads}),
        author=partial(MDTA, channels, heads),
        peers={"late norms by hand": partial(late_mdta, heads)},
        inputs=(drawn(batch, channels, side, side),),
    )


class ChannelGroups(nn.Module):
    """Channel group attention (Ding et al., 2022)."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        q, k, v = (layer(x).view(b, n, self.groups, -1).transpose(1, 2) for layer in (self.q, self.k, self.v))
        weights = ((q * q.shape[-1] ** -0.5).transpose(-1, -2) @ k).softmax(dim=-1)
        return self.out((weights @ v.transpose(-1, -2)).transpose(-1, -2).transpose(1, 2).reshape(b, n, c))


def timms_groups(width: int, groups: int, weights: Weights) -> Run:
    """timm's, in which the keys ask, the values are asked and the queries are read."""
    from timm.models.davit import ChannelAttention

    theirs = {**joined(weights, "v q k"), **{f"proj.{kind}": weights[f"out.{kind}"] for kind in ("weight", "bias")}}
    made: Any = ChannelAttention(width, groups, qkv_bias=True)
    return filled(made, theirs)


def channel_group(batch: int, tokens: int, width: int, groups: int, backward: int = 0) -> Work:
    return Work(
        program=Program("std.channel_tokens", "channel_group", {"D": width, "groups": groups}),
        author=partial(ChannelGroups, width, groups),
        inputs=(drawn(batch, tokens, width),),
        peers={"timm": partial(timms_groups, width, groups)},
        backward=bool(backward),
    )


SMALL = {"batch": 2, "tokens": 21, "width": 8, "heads": 2}
SHAPES = ((784, 384, 1.5, 1.33), (784, 192, 2.3, 1.8), (3136, 96, 4.2, 3.0), (16384, 96, 8.0, 3.3))
ROWS = (
    *(
        Row(
            f"xca-{tokens}x{width}",
            "channel tokens",
            f"XCA, {tokens:,} x {width}",
            xca,
            {"batch": 1, "tokens": tokens, "width": width, "heads": 8},
            SMALL,
            {"author": eager, "compile": comp},
        )
        for tokens, width, eager, comp in SHAPES
    ),
    Row(
        "mdta-48",
        "channel tokens",
        "MDTA, 48 x 128 x 128",
        mdta,
        {"batch": 1, "channels": 48, "side": 128, "heads": 1},
        {"batch": 2, "channels": 6, "side": 5, "heads": 2},
        {"author": 1.56, "compile": 1.4},
    ),
)
