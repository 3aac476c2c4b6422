"""Mega in plain PyTorch: its moving average as a loop over positions."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as fn

from ..plain import batch_norm, dense, norm, rms, turned
from ..support import Case, Weights, part


def damped_ema(w: Weights, x: Tensor) -> Tensor:
    p = w["delta"].sigmoid()
    q = 1 - p * w["alpha"].sigmoid()
    h = x.new_zeros(*x.shape[:-2], *p.shape)
    found: list[Tensor] = []
    for row in x.unbind(-2):
        h = q * h + p * w["beta"] * row[..., None]
        found.append((h * w["gamma"]).sum(-1) / math.sqrt(p.shape[1]))
    return torch.stack(found, -2)


def normed(w: Weights, x: Tensor, kind: str = "layer") -> Tensor:
    if kind == "scale":
        return w["scalar"] * rms(x, eps=1e-5)
    if kind == "rms":
        return rms(x, w["rms.weight"], 1e-5)
    if kind == "batch":
        return batch_norm(dict(w), "batch", x.flatten(0, -2)).reshape(x.shape)
    return norm(dict(w), "layer", x)


def laplace(s: Tensor) -> Tensor:
    mu, sigma = math.sqrt(0.5), math.sqrt(1 / (4 * math.pi))
    return 0.5 * (1 + torch.erf((s - mu) / (sigma * math.sqrt(2))))


def weights(kind: str, q: Tensor, k: Tensor, bias: Tensor, seen: Tensor, length: Tensor) -> Tensor:
    if kind == "softmax":
        return (q @ k.mT / math.sqrt(q.shape[-1]) + bias).masked_fill(~seen, -torch.inf).softmax(-1).nan_to_num(0.0)
    s = q @ k.mT / length + bias
    if kind == "squared":
        return s.relu().square() * seen
    return laplace(s) * seen


def biases(w: Weights, n: int) -> Tensor:
    """What is added to the scores of n positions."""
    if "a" in w:
        a, b = (turned(w[name].expand(n, -1), 10000.0, half=True) for name in "ab")
        return a @ b.mT
    at = torch.arange(n)
    return w["table"][at - at[:, None] + (w["table"].shape[0] - 1) // 2]


def mega(
    w: Weights, x: Tensor, keep: Tensor | None = None, kind: str = "laplace", causal: bool = False, both: bool = True,
    chunk: int | None = None, norm: str = "layer", before: bool = True,
) -> Tensor:  # fmt: skip
    n, width = x.shape[-2:]
    xn = normed(part(w, "norm"), x, norm) if before else x
    there = torch.ones(x.shape[:-1], dtype=torch.bool) if keep is None else keep
    seen = xn * there[..., None]
    e = damped_ema(part(w, "ahead"), seen)
    if both and not causal:
        e = e + damped_ema(part(w, "behind"), seen.flip(-2)).flip(-2)
    m = fn.silu(e + w["gates.omega"] * xn)
    value = fn.silu(dense(w, "value", xn))
    z, v = w["gates.scale"].shape[1], value.shape[-1]
    u, zz, r, h = dense(w, "gates.fc", m).split([width, z, v, width], -1)
    q, k = (fn.silu(zz) * w["gates.scale"][i] + w["gates.shift"][i] for i in (0, 1))
    found: list[Tensor] = []
    size = chunk or n
    table = biases(part(w, "bias"), size)
    for start in range(0, n, size):
        at = slice(start, start + size)
        count = q[..., at, :].shape[-2]
        allowed = there[..., None, at].expand(*there.shape[:-1], count, count)
        length = there[..., at].sum(-1).clamp(min=1)[..., None, None]
        if causal:
            allowed, length = allowed.tril(), torch.arange(1, count + 1)[:, None]
        a = weights(kind, q[..., at, :], k[..., at, :], table[:count, :count], allowed, length)
        found.append(a @ value[..., at, :])
    hh = fn.silu(h + dense(w, "update.fc", torch.cat(found, -2) * fn.silu(r)))
    y = x + u.sigmoid() * (hh - x)
    return y if before else normed(part(w, "norm"), y, norm)


def layer(w: Weights, x: Tensor) -> Tensor:
    x = mega(part(w, "attention"), x, kind="softmax")
    return x + dense(w, "mlp.fc2", fn.silu(dense(w, "mlp.fc1", normed(part(w, "norm"), x))))


def gates(w: Weights, e: Tensor, x: Tensor) -> tuple[Tensor, ...]:
    m = fn.silu(e + w["omega"] * x)
    u, z, r, h = dense(w, "fc", m).split([6, 4, 5, 6], -1)
    q, k = (fn.silu(z) * w["scale"][i] + w["shift"][i] for i in (0, 1))
    return u.sigmoid(), q, k, fn.silu(r), h


def update(w: Weights, x: Tensor, o: Tensor, u: Tensor, r: Tensor, h: Tensor) -> Tensor:
    return x + u * (fn.silu(h + dense(w, "fc", o * r)) - x)


X: Any = (2, 7, 6)
BIND = {"D": 6, "shared": 4, "hidden": 5, "order": 3, "reach": 16}
KEEP = torch.tensor([[True] * 5 + [False] * 2, [True, False, True, True, False, True, True]])
OPTIONS: list[dict[str, Any]] = [
    *[{"kind": kind, **more} for kind in ("laplace", "softmax", "squared") for more in ({}, {"causal": True}, {"chunk": 3})],
    {"both": False, "chunk": 4, "causal": True},
    {"both": False},
    *[{"norm": norm} for norm in ("scale", "rms", "batch")],
    {"before": False},
]


def masked(w: Weights, x: Tensor, keep: Tensor, **options: Any) -> Tensor:
    return mega(w, x, keep, **options)


def no_wider(sizes: dict[str, int]) -> dict[str, int]:
    """Distances stay below the reach."""
    return {name: size + 2 for name, size in sizes.items()}


def case(block: str, reference: Any, inputs: tuple[Any, ...], bind: dict[str, Any], free: dict[str, int], **options: Any) -> Case:
    return Case("std.gated", block, reference, inputs, bind, free, **options)


CASES = [
    *[case("mega", partial(mega, **options), (X,), {**BIND, **options}, {"N": 7}, larger=no_wider, half=False) for options in OPTIONS],
    *[case("mega", mega, (X,), {**BIND, **options}, {"N": 7}) for options in ({"form": "fourier"}, {"bias": "rotary"})],
    *[case("mega", partial(masked, **options), (X, KEEP), {**BIND, **options}, {"N": 7}, given=("keep",), lead=False)
      for options in ({"kind": "laplace"}, {"kind": "softmax", "chunk": 4})],
    case("mega_layer", layer, (X,), {**BIND, "kind": "softmax"}, {"N": 7}, larger=no_wider),
    *[case("normed", partial(normed, kind=kind), (X,), {"D": 6, "kind": kind}, {"N": 7}) for kind in ("layer", "scale", "rms", "batch")],
    case("mega_gates", gates, ((2, 6), (2, 6)), {"D": 6, "k": 4, "v": 5}, {}),
    case("mega_update", update, ((2, 6), (2, 5), (2, 6), (2, 5), (2, 6)), {"D": 6, "v": 5}, {}),
    case("distance_bias", partial(biases, n=7), (), {"n": 7, "reach": 9}, {}, lead=False),
    case("rotary_bias", partial(biases, n=7), (), {"n": 7, "k": 4}, {}, lead=False),
    *[Case("std.recurrence", "damped_ema", damped_ema, (X,), {"D": 6, "order": 3, "form": form}, {"N": 7})
      for form in ("steps", "fourier")],
    Case("std.pointwise", "laplace", lambda w, x: laplace(x), ((2, 7),)),
]  # fmt: skip
