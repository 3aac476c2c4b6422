"""A layer of a transformer encoder, from eight tokens to two thousand."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from harness.row import Program, Ratios, Row, Run, Weights, Work, drawn, filled, joined, renamed
from torch import Tensor, nn
from torch.nn import functional as fn

from . import x_layers
from .plain import MultiHead

PARTS = {name: name for name in ("norm1", "norm2")}
TORCHS = {**PARTS, "attention.out": "self_attn.out_proj", "fc1": "linear1", "fc2": "linear2"}
TIMMS = {**PARTS, "attention.out": "attn.proj", "fc1": "mlp.fc1", "fc2": "mlp.fc2"}


class Encoder(nn.Module):
    """An encoder layer (Vaswani et al., 2017) with its norms first."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = MultiHead(width, heads)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.fc2(fn.gelu(self.fc1(self.norm2(x))))


def torchs(width: int, heads: int, weights: Weights) -> Run:
    """PyTorch's own layer, which has a fused way for inference."""
    made = nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, activation="gelu", batch_first=True, norm_first=True)
    theirs = {name.replace("qkv.", "self_attn.in_proj_"): value for name, value in joined(weights, prefix="attention.").items()}
    return filled(made, {**theirs, **renamed(weights, TORCHS)})


def timms(width: int, heads: int, weights: Weights) -> Run:
    """timm's block, which calls PyTorch's fused attention."""
    from timm.models.vision_transformer import Block

    norm: Any = partial(nn.LayerNorm, eps=1e-5)
    made: Any = Block(width, heads, qkv_bias=True, norm_layer=norm)
    return filled(made, {**joined(weights, target="attn.qkv", prefix="attention."), **renamed(weights, TIMMS)})


def by_hand(heads: int, weights: Weights) -> Run:
    """One flat function for inference: the norms' factors and q, k, v in one matrix, matrices as the product reads them fastest, and rows
    throughout. A small gelu is turned, because oneDNN takes long to begin with one that is not."""
    norms = [(weights[f"{name}.weight"], weights[f"{name}.bias"]) for name in ("norm1", "norm2")]
    maps = {"qkv": joined(weights, prefix="attention."), "attention.out": weights, "fc1": weights, "fc2": weights}
    w = {name: of[f"{name}.weight"] for name, of in maps.items()}
    b = {name: of[f"{name}.bias"] for name, of in maps.items()}
    for name, (factor, summand) in zip(("qkv", "fc1"), norms, strict=True):
        w[name], b[name] = w[name] * factor, b[name] + w[name] @ summand
    turned = {name: one.t().contiguous() for name, one in w.items()}

    def activated(x: Tensor) -> Tensor:
        return fn.gelu(x.mT).mT if x.numel() < 8192 else fn.gelu(x)

    def run(x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        rows = x.view(-1, width)
        normed = torch.layer_norm(rows, [width], None, None, 1e-5)
        parts = torch.addmm(b["qkv"], normed, turned["qkv"]).view(batch, tokens, 3, heads, -1).transpose(1, 3)
        q, k, v = parts.unbind(2)
        y = fn.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(-1, width)
        rows = torch.addmm(b["attention.out"], y, turned["attention.out"]).add_(rows)
        normed = torch.layer_norm(rows, [width], None, None, 1e-5)
        hidden = activated(torch.addmm(b["fc1"], normed, turned["fc1"]))
        return torch.addmm(b["fc2"], hidden, turned["fc2"]).add_(rows).view(x.shape)

    return run


def encoder(batch: int, tokens: int, width: int, heads: int, backward: int = 0) -> Work:
    inference: dict[str, Callable[[Weights], Run]] = {} if backward else {"flat, by hand": partial(by_hand, heads)}
    return Work(
        program=Program("std.layers", "encoder", {"D": width, "heads": heads}),
        author=partial(Encoder, width, heads),
        inputs=(drawn(batch, tokens, width),),
        peers={
            "nn.TransformerEncoderLayer": partial(torchs, width, heads),
            "timm": partial(timms, width, heads),
            x_layers.NAME: partial(x_layers.encoder, width, heads),
            **inference,
        },
        apart=(x_layers.NAME,),
        flops=batch * tokens * (24 * width**2 + 4 * tokens * width) * (3 if backward else 1),
        backward=bool(backward),
    )


def row(width: int, tokens: int, eager: float, comp: float, raised: Ratios | None = None) -> Row:
    full, small = {"batch": 1, "tokens": tokens, "width": width, "heads": width // 16 if width < 256 else width // 64}, SMALL
    wanted = {"author": eager, "compile": comp}
    return Row(f"encoder-{width}x{tokens}", "encoders", f"encoder, {tokens:,} x {width}", encoder, full, small, wanted, raised or {})


SMALL = {"batch": 2, "tokens": 6, "width": 16, "heads": 2}
ROWS = (
    row(64, 8, 3.5, 2.3),
    row(64, 64, 2.5, 1.6),
    row(256, 16, 1.74, 1.23),
    row(512, 512, 1.2, 1.1),
    row(512, 2048, 2.4, 1.7, {"author": 1.54, "compile": 1.4}),
)
