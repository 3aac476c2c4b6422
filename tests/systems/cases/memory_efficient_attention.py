"""Attention with all scores at once, in plain PyTorch."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..plain import attention
from ..support import Case, Weights

# The compiler's own chunks, with a mask and a bias that are arithmetic.
DIRECT = """attn 1
block direct(q: [*, N, d], k: [*, N, d], v: [*, N, e], chunk: int = 3) -> [*, N, e] {
    return attend(q, k, v, over=N, dot=d, where=pos(N') <= pos(N), bias=-0.5 * abs(pos(N) - pos(N')), chunk=chunk)
}
"""


def whole(w: Weights, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None, causal: bool = False) -> Tensor:
    seen = torch.ones(q.shape[-2], k.shape[-2]).tril() > 0 if causal else None
    return attention(q, k, v, seen, bias=bias)


def direct(w: Weights, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    at = torch.arange(q.shape[-2])
    return attention(q, k, v, at <= at[:, None], bias=-0.5 * (at - at[:, None]).abs().to(q.dtype))


INPUTS: Any = ((2, 7, 6), (2, 9, 6), (2, 9, 5))
SIZES = {"N": 7, "M": 9, "d": 6, "e": 5}
CHUNKS = [(3, 4), (7, 9), (20, 30), (1, 1), (2, 3)]

CASES = [
    *[Case("std.online", "memory_efficient_attend", partial(whole, causal=causal), INPUTS,
           {"queries": q, "keys": k, "causal": causal}, SIZES)
      for q, k in CHUNKS for causal in (False, True)],
    Case("std.online", "memory_efficient_attend", whole, (*INPUTS, (2, 7, 9)), {"queries": 3, "keys": 4}, SIZES, given=("bias",)),
    *[Case("std.online", "online_attend", partial(whole, causal=causal), INPUTS, {"chunk": chunk, "causal": causal}, SIZES)
      for chunk in (1, 4, 9, 20) for causal in (False, True)],
    *[Case("", "direct", direct, ((2, 7, 6), (2, 7, 6), (2, 7, 5)), {"chunk": chunk}, {"N": 7}, program=DIRECT) for chunk in (1, 3, 7, 9)],
]  # fmt: skip
