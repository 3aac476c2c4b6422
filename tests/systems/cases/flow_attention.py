"""Flow attention in plain PyTorch, with the map of all pairs in the causal form."""

from __future__ import annotations

import torch
from torch import Tensor

from ..plain import dense, heads, joined
from ..support import Case, Weights


def flow(w: Weights, x: Tensor, memory: Tensor | None = None, count: int = 2, eps: float = 1e-6) -> Tensor:
    y = x if memory is None else memory
    q, k, v = (heads(dense(w, name, z), count) for name, z in (("q", x), ("k", y), ("v", y)))
    q, k = q.sigmoid(), k.sigmoid()
    sink = 1 / ((q + eps) * (k.sum(-2, True) + eps)).sum(-1, True)
    source = 1 / ((k + eps) * (q.sum(-2, True) + eps)).sum(-1, True)
    kept_in = ((q + eps) * ((k * source).sum(-2, True) + eps)).sum(-1, True)
    kept_out = ((k + eps) * ((q * sink).sum(-2, True) + eps)).sum(-1, True).clamp(-1, 1)
    lengths = x.shape[-2] / y.shape[-2]
    o = (kept_in * lengths).sigmoid() * ((q * sink) @ k.mT @ (v * kept_out.softmax(-2) * y.shape[-2]))
    return dense(w, "out", joined(o))


def causal_flow(w: Weights, x: Tensor, count: int = 2, eps: float = 1e-6) -> Tensor:
    q, k, v = (heads(dense(w, name, x), count) for name in "qkv")
    q, k = q.sigmoid(), k.sigmoid()
    n = torch.arange(1, x.shape[-2] + 1, dtype=x.dtype)[:, None]
    sink = n / ((q + eps) * (k.cumsum(-2) + eps)).sum(-1, True)
    source = n / ((k + eps) * (q.cumsum(-2) + eps)).sum(-1, True)
    kept_in = ((q + eps) * ((k * source).cumsum(-2) + eps)).sum(-1, True) / n
    kept_out = (((k + eps) * ((q * sink).cumsum(-2) + eps)).sum(-1, True) / n).clamp(-1, 1)
    competition = kept_out.exp() / kept_out.exp().cumsum(-2) * n
    o = kept_in.sigmoid() * (((q * sink / n) @ k.mT).tril() @ (v * competition))
    return dense(w, "out", joined(o))


SIZES = {"D": 6, "heads": 2}
CASES = [
    Case("std.linear", "flow_attention", flow, ((2, 7, 6),), SIZES, {"N": 7}),
    Case("std.linear", "flow_attention", flow, ((2, 7, 6), (2, 5, 6)), SIZES, {"N": 7, "M": 5}, given=("memory",)),
    Case("std.linear", "flow_attention", causal_flow, ((2, 7, 6),), {**SIZES, "causal": True}, {"N": 7}),
]
