"""One step of decoding with a cache of keys and values that is nearly full."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from harness.row import Program, Row, Run, Weights, Work, drawn
from torch import Tensor, nn
from torch.nn import functional as fn

import attn

TEXT = """block step(q: [B, g, h, d], k: [B, g, d], v: [B, g, d], room: int) -> [B, g, h, d] {
    axis N = room
    state keys: [B, g, N, d] = 0
    state values: [B, g, N, d] = 0
    state length: int [] = 0
    keys' = where(pos(N) == length, k, keys)
    values' = where(pos(N) == length, v, values)
    next keys = keys'
    next values = values'
    next length = length + 1
    return attend(q, keys', values', over=N, dot=d, where=pos(N) <= length)
}
"""


class Concatenated(nn.Module):
    """The usual step: the new key and value are put behind the cache, both are repeated for their group, then attention of one query.

    The cache is given as it was before the step, so that every call is the same step."""

    def __init__(self, groups: int, room: int, width: int) -> None:
        super().__init__()
        self.register_buffer("keys", torch.zeros(1, groups, room, width))
        self.register_buffer("values", torch.zeros(1, groups, room, width))

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        keys: Any = self.keys
        values: Any = self.values
        group = q.shape[2]
        k, v = (torch.cat((old[:, :, :-1], new[:, :, None]), dim=2) for old, new in ((keys, k), (values, v)))
        if group > 1:
            k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
        weights = torch.softmax(q.flatten(1, 2)[:, :, None] @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]), dim=-1)
        return (weights @ v).view(q.shape)


def in_place(weights: Weights) -> Run:
    """By hand: the new key and value are written into the cache, and the queries of a group are rows of fused attention."""
    keys, values = weights["keys"].clone(), weights["values"].clone()

    def run(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        keys[:, :, -1], values[:, :, -1] = k, v
        return fn.scaled_dot_product_attention(q, keys, values)

    return run


def step(groups: int, heads: int, room: int, width: int) -> Work:
    return Work(
        program=Program(
            attn.text(TEXT),
            bind={"B": 1, "g": groups, "h": heads, "d": width, "room": room},
            reset={"length": room - 1},
        ),
        author=partial(Concatenated, groups, room, width),
        inputs=(drawn(1, groups, heads, width), drawn(1, groups, width, at=2), drawn(1, groups, width, at=3)),
        peers={"in place, by hand": in_place},
        flops=4 * groups * heads * room * width,
    )


def row(name: str, groups: int, heads: int, wanted: float, raised: float) -> Row:
    full = {"groups": groups, "heads": heads, "room": 4096, "width": 64}
    small = {"groups": min(groups, 2), "heads": min(heads, 3), "room": 9, "width": 4}
    return Row(
        f"decode-{name}",
        "decode",
        f"{groups * heads} heads, {groups} cached, 4,096",
        step,
        full,
        small,
        {"author": wanted, "compile": wanted},
        {"author": raised},
    )


ROWS = (row("h8", 8, 1, 3.4, 4.2), row("h32", 32, 1, 7.3, 2.9), row("gqa", 8, 4, 40, 10), row("mqa", 1, 32, 90, 30))
