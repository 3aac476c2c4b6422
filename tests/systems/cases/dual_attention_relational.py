"""Dual attention in plain PyTorch: one loop over heads, as its equations are."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as fn

from ..plain import attention, causal, dense, heads, joined, norm, turned
from ..support import Case, Weights, part


def sensory(w: Weights, x: Tensor, count: int, groups: int = 0, mask: Tensor | None = None, base: float = 0.0) -> Tensor:
    groups = groups or count
    q, k, v = (heads(dense(w, name, x), count if name == "q" else groups) for name in "qkv")
    if base:
        q, k = turned(q, base), turned(k, base)
    k, v = (z.repeat_interleave(count // groups, -3) for z in (k, v))
    return dense(w, "out", joined(attention(q, k, v, mask)))


def relational(
    w: Weights, x: Tensor, symbols: Tensor | None, pairs: Tensor | None, count: int,
    relations: int = 0, groups: int = 0, mask: Tensor | None = None, base: float = 0.0, symmetric: bool = False,
    act: Any = None,
) -> Tensor:  # fmt: skip
    groups, relations, n = groups or count, relations or count, x.shape[-2]
    q, k = heads(dense(w, "q", x), count), heads(dense(w, "k", x), groups)
    if base:
        q, k = turned(q, base), turned(k, base)
    s = q @ k.repeat_interleave(count // groups, -3).mT / q.shape[-1] ** 0.5
    alpha = (s if mask is None else s.masked_fill(~mask, -torch.inf)).softmax(-1)
    asks = heads(dense(w, "q_rel", x), relations)
    answers = asks if symmetric else heads(dense(w, "k_rel", x), relations)
    r = asks @ answers.mT / asks.shape[-1] ** 0.5
    r = r if act is None else act(r)
    weight = w["relate.weight"].unflatten(0, (count, -1))
    found: list[Tensor] = []
    for h in range(count):
        message = torch.einsum("...lij,dl->...ijd", r, weight[h])
        if symbols is not None:
            message = message + dense(w, "v", symbols).unflatten(-1, (groups, -1))[..., None, :, h * groups // count, :]
        if pairs is not None:
            message = message + dense(w, "v", pairs).unflatten(-1, (groups, -1))[..., h * groups // count, :]
        found.append((alpha[..., h, :, :, None] * message.expand(*alpha.shape[:-3], n, n, -1)).sum(-2))
    return dense(w, "out", torch.cat(found, -1))


def dual(
    w: Weights, x: Tensor, symbols: Tensor | None = None, pairs: Tensor | None = None, sensory_heads: int = 2, relational_heads: int = 2,
    causally: bool = False, rotary: bool = False, symmetric: bool = False, groups: int = 0, relations: int = 0, act: Any = None,
) -> Tensor:  # fmt: skip
    mask, base = causal(x.shape[-2]) if causally else None, 10000.0 if rotary else 0.0
    found: list[Tensor] = []
    if sensory_heads:
        found.append(sensory(part(w, "sensory"), x, sensory_heads, groups, mask, base))
    if relational_heads:
        below = part(w, "relational")
        found.append(relational(below, x, symbols, pairs, relational_heads, relations, groups, mask, base, symmetric, act))
    return torch.cat(found, -1)


def looked_up(w: Weights, x: Tensor, count: int) -> Tensor:
    q, k, v = heads(dense(w, "q", x), count), heads(w["templates"], count), heads(w["library"], count)
    return joined(attention(q, k, v))


def layer(w: Weights, x: Tensor, symbols: Tensor, post: bool) -> Tensor:
    def attended(x: Tensor) -> Tensor:
        return dual(part(w, "attention"), x, symbols)

    def fed(x: Tensor) -> Tensor:
        return dense(w, "mlp.fc2", fn.gelu(dense(w, "mlp.fc1", x)))

    if post:
        x = norm(w, "norm1", x + attended(x))
        return norm(w, "norm2", x + fed(x))
    x = x + attended(norm(w, "norm1", x))
    return x + fed(norm(w, "norm2", x))


def distances(w: Weights, n: int, reach: int) -> Tensor:
    at = torch.arange(n)
    return w["library"][(at - at[:, None]).clamp(-reach, reach) + reach]


# A layer, or a symbol for every pair, cannot be bound from outside: the callers are programs.
TURNED = """attn 1
use std.positions (rope)
use std.relational (dual_attention)

block turned(x: [*, N, D], symbols: [*, N, D], causal: bool = true) -> [*, N, D] {
    return dual_attention(x, symbols=symbols, causal=causal, rotate=rope, act=relu)
}
"""
PAIRED = """attn 1
use std.relational (dual_attention, relative_symbols)

block paired(x: [*, N, D], reach: int = 2) -> [*, N, D] {
    pairs = relative_symbols(N, D, reach=reach)
    return dual_attention(x, pairs=pairs, causal=true)
}
"""
X: Any = (2, 7, 16)
BIND, N = {"D": 16}, {"N": 7}
SETTINGS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"causal": True}, {"causally": True}),
    ({"causal": True, "symmetric": True}, {"causally": True, "symmetric": True}),
    ({"groups": 1, "relations": 4}, {"groups": 1, "relations": 4}),
    ({"sensory": 1, "relational": 3}, {"sensory_heads": 1, "relational_heads": 3}),
    ({"sensory": 0, "relational": 4, "causal": True}, {"sensory_heads": 0, "relational_heads": 4, "causally": True}),
]


def case(bind: dict[str, Any], known: dict[str, Any]) -> Case:
    return Case("std.relational", "dual_attention", partial(dual, **known), (X, X), {**BIND, **bind}, N, given=("symbols",))


def with_pairs(w: Weights, x: Tensor) -> Tensor:
    pairs = distances(part(w, "pairs"), x.shape[-2], 2)
    return dual(part(w, "dual_attention"), x, None, pairs, causally=True)


def turning(w: Weights, x: Tensor, symbols: Tensor) -> Tensor:
    return dual(part(w, "dual_attention"), x, symbols, causally=True, rotary=True, act=torch.relu)


CASES = [
    *[case(*setting) for setting in SETTINGS],
    Case("", "paired", with_pairs, (X,), BIND, N, program=PAIRED),
    Case(
        "std.relational",
        "dual_attention",
        partial(dual, sensory_heads=4, relational_heads=0),
        (X,),
        {**BIND, "sensory": 4, "relational": 0},
        N,
    ),
    Case("", "turned", turning, (X, X), BIND, N, program=TURNED),
    *[
        Case("std.relational", "dual_attention_layer", partial(layer, post=post), (X, X), {**BIND, "post": post}, N)
        for post in (False, True)
    ],
    Case("std.relational", "symbolic_attention", partial(looked_up, count=4), (X,), {**BIND, "heads": 4, "count": 5}, N),
    Case("std.relational", "positional_symbols", lambda w: w["library"][:7], (), {**BIND, "N": 7, "length": 9}, lead=False),
    Case("std.relational", "relative_symbols", partial(distances, n=7, reach=3), (), {**BIND, "N": 7, "reach": 3}, lead=False),
]
