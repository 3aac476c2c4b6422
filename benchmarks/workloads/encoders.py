"""A layer of a transformer encoder, from eight tokens to two thousand."""

from __future__ import annotations

from functools import partial
from typing import Any

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


def encoder(batch: int, tokens: int, width: int, heads: int, backward: int = 0) -> Work:
    return Work(
        program=Program("std.layers", "encoder", {"D": width, "heads": heads}),
        author=partial(Encoder, width, heads),
        inputs=(drawn(batch, tokens, width),),
        peers={
            "nn.TransformerEncoderLayer": partial(torchs, width, heads),
            "timm": partial(timms, width, heads),
            x_layers.NAME: partial(x_layers.encoder, width, heads),
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
