"""The layers and the decoder of Deconstructing Attention in plain PyTorch."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as fn

from ..plain import attention, causal, dense, heads, joined, rms, turned
from ..support import Case, Weights, part


def taylor(w: Weights, q: Tensor, k: Tensor, v: Tensor, joint: bool = True) -> Tensor:
    """The polynomial 1 + s + s s / 2 for all pairs; its orders over their joint sum, or each over its own."""
    s = q @ k.mT * q.shape[-1] ** -0.5
    terms = torch.stack((torch.ones_like(s).tril(), s.tril(), s.square().tril() / 2))
    total = terms.sum(-1, keepdim=True)
    return (terms.sum(0) / total.sum(0) if joint else (terms / total).sum(0)) @ v


def running(w: Weights, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """As a map of all pairs: exp(s_j) over its sum up to each position."""
    weight = (fn.silu(q) * k).sum(-1).mul(q.shape[-1] ** -0.5).exp()
    a = weight[..., None, :].expand(*weight.shape, weight.shape[-1]).tril()
    return a / a.sum(-1, keepdim=True) @ v


def gated(w: Weights, x: Tensor) -> Tensor:
    return dense(w, "down", fn.silu(dense(w, "gate", x)) * dense(w, "up", x))


def deconstructed(
    w: Weights, x: Tensor, source: Tensor | None = None, mixing: str = "softmax", joint: bool = True, count: int = 2
) -> Tensor:
    if mixing == "off":
        return gated(part(w, "mlp"), x)
    other = x if source is None else source
    q, k, v = (heads(dense(w, name, z), count) for name, z in (("q", other), ("k", other), ("v", x)))
    if mixing == "running":
        return dense(w, "out", joined(running(w, q, k, v)))
    q, k = turned(q, 10000.0, half=True), turned(k, 10000.0, half=True)
    y = attention(q, k, v, causal(x.shape[-2])) if mixing == "softmax" else taylor(w, q, k, v, joint)
    return dense(w, "out", joined(y))


def layer(w: Weights, x: Tensor, source: Tensor, **way: Any) -> Tensor:
    n, other = rms(x, w["norm1.weight"]), rms(source, w["norm1.weight"])
    x = x + deconstructed(part(w, "attention"), n, other, **way)
    return x + gated(part(w, "mlp"), rms(x, w["norm2.weight"]))


def decoder(
    w: Weights, ids: Tensor, text: Tensor | None = None, mixing: str = "softmax", source: str = "own", hybrid: bool = False,
    skip: bool = False, depth: int = 2,
) -> Tensor:  # fmt: skip
    x = beside = w["tokens"][ids]
    if source == "random":
        beside = w["noise"][: ids.shape[-1]].expand_as(x)
    elif text is not None:
        beside = w["tokens"][text].expand_as(x)
    for i in range(depth):
        changed = not hybrid or i % 2 == 1
        if changed and skip:
            continue
        step = partial(layer, part(w, f"layers.{i}"), mixing=mixing if changed else "softmax")
        x = step(x, beside if changed and source != "own" else x)
        if source in ("random", "fixed"):
            beside = step(beside, beside)
    return fn.linear(rms(x, w["norm.weight"]), w["head.weight"])


def indicators(w: Weights, a: Tensor, local: int = 4) -> tuple[Tensor, ...]:
    n = a.shape[-1]
    diagonals = torch.stack([a.diagonal(-far, -2, -1).mean(-1) for far in range(local)], -1)
    return (
        -torch.special.xlogy(a, a).sum(-1).mean(-1),
        torch.linalg.matrix_norm(a),
        a.std(-3, correction=0).mean((-2, -1)),
        a[..., 0].sum(-1) / n,
        diagonals,
    )


FILE = "std.systems.deconstructed_attention"
IDS = torch.randint(0, 11, (3, 7), generator=torch.Generator().manual_seed(3))
TEXT = torch.randint(0, 11, (7,), generator=torch.Generator().manual_seed(4))
MAPS = torch.rand(2, 3, 7, 7, generator=torch.Generator().manual_seed(5), dtype=torch.float64).tril()
QKV = ((2, 3, 7, 4), (2, 3, 7, 4), (2, 3, 7, 5))
MIXINGS = ("softmax", "taylor", "running", "off")
SOURCES = ("own", "random", "fixed", "embedding")


def model(**way: Any) -> Case:
    fixed = way.get("source") == "fixed"
    return Case(FILE, "decoder", partial(decoder, **way), (IDS, TEXT) if fixed else (IDS,),
                {"V": 11, "D": 12, "heads": 2, "depth": 2, "length": 9, **way}, {"B": 3, "N": 7}, lead=False,
                given=("text",) if fixed else ())  # fmt: skip


CASES = [
    *[model(source=source) for source in SOURCES],
    *[model(mixing=mixing, hybrid=True) for mixing in MIXINGS[1:]],
    model(source="random", mixing="taylor", hybrid=True),
    model(hybrid=True, skip=True),
    *[Case(FILE, "deconstructed", partial(deconstructed, mixing=mixing), ((2, 7, 12),), {"D": 12, "heads": 2, "mixing": mixing}, {"N": 7})
      for mixing in MIXINGS],
    Case(FILE, "deconstructed", deconstructed, ((2, 7, 12), (2, 7, 12)), {"D": 12, "heads": 2}, {"N": 7}, given=("source",)),
    Case(FILE, "indicators", indicators, (MAPS,), {}, {"h": 3, "N": 7}, half=False),
    *[Case("std.linear", "taylor_attend", partial(taylor, joint=joint), QKV, {"joint": joint, "form": form}, {"N": 7}, half=joint)
      for joint in (True, False) for form in ("factorised", "quadratic")],
    Case("std.linear", "running_softmax", running, QKV, {}, {"N": 7}),
]  # fmt: skip
