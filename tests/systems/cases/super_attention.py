"""Super Attention and its smaller variants in plain PyTorch."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..plain import dense
from ..support import Case, Weights


def super_attention(
    w: Weights, q: Tensor, k: Tensor, v: Tensor, heads: int, variant: str = "aligned", causal: bool = False, over: str = "keys"
) -> Tensor:
    """Inputs [.., N, D] and [.., M, D]; one head after the other, on its slice of the features."""
    q, m, d = dense(w, "q", q), k.shape[-2], q.shape[-1] // heads
    k = dense(w, "k", k) if variant in ("standard", "optimised") else k
    v = dense(w, "v", v) if variant == "standard" else v
    seen = torch.ones(q.shape[-2], m, dtype=torch.bool)
    seen = seen.tril() if causal else seen
    found: list[Tensor] = []
    for i in range(heads):
        at = slice(i * d, (i + 1) * d)
        s = (q[..., at] @ k[..., at].mT / d**0.5).masked_fill(~seen, -torch.inf)
        a = s.softmax(-1 if over == "keys" else -2)
        found.append(a @ aligned(w, v[..., at], i, causal) if variant == "aligned" else a @ v[..., at])
    return dense(w, "out", torch.cat(found, -1))


def aligned(w: Weights, v: Tensor, head: int, causal: bool) -> Tensor:
    m, weight = v.shape[-2], w["align.weight"]
    weight = (weight[head] if weight.dim() == 3 else weight)[:m, :m]
    y = (weight.tril() if causal else weight) @ v
    return y + w["align.bias"][:m, None] if "align.bias" in w else y


def case(**options: Any) -> Case:
    known = {name: options[name] for name in ("variant", "causal", "over") if name in options}
    inputs = ((2, 7, 6), (2, 7, 6), (2, 7, 6)) if options.get("causal") else ((2, 5, 6), (2, 7, 6), (2, 7, 6))
    fixed = {"context": 7} if options.get("variant", "aligned") == "aligned" else {}
    reference, bind = partial(super_attention, heads=2, **known), {"D": 6, "heads": 2, **fixed, **options}
    return Case("std.heads", "super_attention", reference, inputs, bind, {"N": inputs[0][1], "M": 7}, larger=smaller_than_the_context)


def smaller_than_the_context(sizes: dict[str, int]) -> dict[str, int]:
    """The keys may be as many as the context at most."""
    return {name: size + 1 if name == "N" else size - 1 for name, size in sizes.items()}


OPTIONS: list[dict[str, Any]] = [
    *[{"variant": variant, "causal": causal} for variant in ("standard", "optimised", "efficient") for causal in (False, True)],
    {"causal": True},
    {"context": 9},
    {"context": 9, "each_head": True, "causal": True},
    {"each_head": True, "bias": False},
    {"over": "queries"},
    {"variant": "efficient", "over": "queries", "bias": False},
]
CASES = [case(), *[case(**options) for options in OPTIONS]]
