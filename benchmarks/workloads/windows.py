"""Attention in shifted windows."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from harness.row import Program, Row, Run, Weights, Work, drawn, filled, joined
from torch import Tensor, nn
from torch.nn import functional as fn


def shift_mask(side: int, window: int, shift: int) -> Tensor:
    """[windows, places, places], -inf between parts that came together at the border."""
    part = torch.zeros(side)
    part[side - window : side - shift], part[side - shift :] = 1, 2
    labels = cut((part[:, None] * 3 + part)[None, ..., None], window)[..., 0]
    return torch.where(labels[:, :, None] == labels[:, None], 0.0, -torch.inf)


def cut(x: Tensor, window: int) -> Tensor:
    """[B, H, W, C] as [B * windows, window * window, C]."""
    b, h, w, c = x.shape
    x = x.view(b, h // window, window, w // window, window, c)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, window * window, c)


def put_together(x: Tensor, window: int, side: int) -> Tensor:
    """What `cut` cut, [B, H, W, C]."""
    rows = side // window
    x = x.view(-1, rows, rows, window, window, x.shape[-1])
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, side, side, x.shape[-1])


class Cut(nn.Module):
    """`cut` as a module."""

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = window

    def forward(self, x: Tensor) -> Tensor:
        return cut(x, self.window)


class PutTogether(nn.Module):
    """`put_together` as a module."""

    def __init__(self, window: int, side: int) -> None:
        super().__init__()
        self.window, self.side = window, side

    def forward(self, x: Tensor) -> Tensor:
        return put_together(x, self.window, self.side)


class Relative(nn.Module):
    """A learned number for each head and displacement."""

    def __init__(self, window: int, heads: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        at = torch.stack(torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")).flatten(1)
        apart = at[:, :, None] - at[:, None] + window - 1
        self.index = apart[0] * (2 * window - 1) + apart[1]

    def forward(self) -> Tensor:
        return self.table[self.index.flatten()].view(*self.index.shape, -1).permute(2, 0, 1)


class Swin(nn.Module):
    """Shifted window attention (Liu et al., 2021): roll, cut, queries scaled first, bias, mask, and the way back.

    Without `relative` there is no bias, as in DaViT (Ding et al., 2022)."""

    def __init__(self, side: int, width: int, heads: int, window: int, shift: int, relative: bool = True) -> None:
        super().__init__()
        self.side, self.heads, self.window, self.shift = side, heads, window, shift
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))
        self.relative = Relative(window, heads) if relative else None
        self.mask = shift_mask(side, window, shift) if shift else None

    def forward(self, x: Tensor) -> Tensor:
        x = torch.roll(x, (-self.shift, -self.shift), (1, 2)) if self.shift else x
        y = self.attention(cut(x, self.window))
        y = put_together(y, self.window, self.side)
        return torch.roll(y, (self.shift, self.shift), (1, 2)) if self.shift else y

    def attention(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        q, k, v = (layer(x).view(b, n, self.heads, -1).transpose(1, 2) for layer in (self.q, self.k, self.v))
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
        if self.relative is not None:
            scores = scores + self.relative()
        if self.mask is not None:
            scores = scores.view(-1, len(self.mask), self.heads, n, n) + self.mask.to(x.dtype)[:, None]
            scores = scores.view(-1, self.heads, n, n)
        return self.out((scores.softmax(dim=-1) @ v).transpose(1, 2).reshape(b, n, c))


def timms(side: int, width: int, heads: int, window: int, shift: int, weights: Weights) -> Run:
    """timm's attention in windows, which calls PyTorch's fused attention, with the same shift and cut around it."""
    from timm.models.swin_transformer import WindowAttention

    theirs = {**joined(weights), "relative_position_bias_table": weights["relative.table"]}
    theirs |= {f"proj.{kind}": weights[f"out.{kind}"] for kind in ("weight", "bias")}
    made: Any = filled(WindowAttention(width, heads, window_size=window), theirs)
    mask = shift_mask(side, window, shift).to(weights["q.weight"].dtype) if shift else None

    def run(x: Tensor) -> Tensor:
        x = torch.roll(x, (-shift, -shift), (1, 2))
        return torch.roll(put_together(made(cut(x, window), mask), window, side), (shift, shift), (1, 2))

    return run


def by_hand(side: int, width: int, heads: int, window: int, shift: int, weights: Weights) -> Run:
    """Roll and cut as one look-up each way, the projections as one, and bias and mask as one tensor for PyTorch's fused attention."""
    w = joined(weights)
    places = cut(torch.roll(torch.arange(side**2).view(1, side, side, 1), (-shift, -shift), (1, 2)), window).flatten()
    back = places.argsort()
    relative: Any = filled(Relative(window, heads), {"table": weights["relative.table"]})
    bias = relative().detach() + shift_mask(side, window, shift).to(w["qkv.weight"].dtype)[:, None]

    def run(x: Tensor) -> Tensor:
        parts = x.flatten(1, 2).index_select(1, places).view(-1, window**2, width)
        q, k, v = fn.linear(parts, w["qkv.weight"], w["qkv.bias"]).unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        y = fn.scaled_dot_product_attention(q, k, v, attn_mask=bias.repeat(len(x), 1, 1, 1)).transpose(1, 2).flatten(2)
        y = fn.linear(y, weights["out.weight"], weights["out.bias"]).view(len(x), -1, width)
        return y.index_select(1, back).view(x.shape)

    return run


def timms_davit(side: int, width: int, heads: int, window: int, weights: Weights) -> Run:
    """timm's attention in the windows of DaViT, with the same cut around it."""
    from timm.models.davit import WindowAttention

    theirs = {**joined(weights), **{f"proj.{kind}": weights[f"out.{kind}"] for kind in ("weight", "bias")}}
    made: Any = filled(WindowAttention(width, (window, window), heads, qkv_bias=True), theirs)
    return nn.Sequential(Cut(window), made, PutTogether(window, side))


def davit(batch: int, side: int, width: int, heads: int, window: int) -> Work:
    """A step of training of the windows of DaViT, of [batch, side, side, width]."""
    bind = {"D": width, "heads": heads, "window": window, "relative": False}
    return Work(
        program=Program("std.windows", "window_mha", bind),
        author=partial(Swin, side, width, heads, window, 0, False),
        inputs=(drawn(batch, side, side, width),),
        peers={"timm": partial(timms_davit, side, width, heads, window)},
        flops=3 * batch * side**2 * (8 * width**2 + 4 * window**2 * width),
        backward=True,
    )


def swin(batch: int, side: int, width: int, heads: int, window: int, shift: int) -> Work:
    """Of [batch, side, side, width]; both programs are made for one side, as their masks are."""
    sizes = (side, width, heads, window, shift)
    places = batch * side**2
    bind = {"D": width, "heads": heads, "window": window, "shift": shift, "H": side, "W": side}
    return Work(
        program=Program("std.windows", "window_mha", bind),
        author=partial(Swin, *sizes),
        inputs=(drawn(batch, side, side, width),),
        peers={"timm": partial(timms, *sizes), "look-ups, by hand": partial(by_hand, *sizes)},
        flops=places * (8 * width**2 + 4 * window**2 * width),
    )


SMALL = {"batch": 2, "side": 6, "width": 8, "heads": 2, "window": 3, "shift": 1}
ROWS = tuple(
    Row(
        f"swin-{side}",
        "windows",
        f"shifted windows, {side} x {side} x {width}",
        swin,
        {"batch": 4, "side": side, "width": width, "heads": heads, "window": 7, "shift": 3},
        SMALL,
        {"author": eager, "compile": comp},
        {"author": eager, "compile": comp},
    )
    for side, width, heads, eager, comp in ((56, 96, 3, 1.93, 2.1), (14, 384, 12, 2.6, 2.6))
)
