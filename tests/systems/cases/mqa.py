"""Multi-query attention in plain PyTorch: the paper's einsums."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..plain import dense
from ..support import Case, Weights


def mqa(w: Weights, x: Tensor, memory: Tensor | None = None, heads: int = 2, seen: Tensor | None = None, scale: float = 0.0) -> Tensor:
    """x: [.., N, D]; seen: [N, M]."""
    m = x if memory is None else memory
    k, v = dense(w, "k", m), dense(w, "v", m)
    q = dense(w, "q", x).unflatten(-1, (heads, -1))
    s = torch.einsum("...nhk,...mk->...hnm", q, k) * (scale or k.shape[-1] ** -0.5)
    s = s if seen is None else s.masked_fill(~seen, -torch.inf)
    return dense(w, "out", torch.einsum("...hnm,...mv->...nhv", s.softmax(-1), v).flatten(-2))


def window(n: int, size: int) -> Tensor:
    """The keys that a causal window of this size leaves."""
    return torch.ones(n, n).tril().triu(1 - size) > 0


KEEP = torch.tensor([[True, False, True, True, False], [False, True, True, True, True]])


def kept(w: Weights, x: Tensor, memory: Tensor, keep: Tensor) -> Tensor:
    return mqa(w, x, memory, 3, keep[:, None, None])


X: Any = (2, 7, 6)
CAUSAL = torch.ones(7, 7).tril() > 0

CASES = [
    Case("std.heads", "mqa", partial(mqa, heads=2), (X,), {"D": 6, "heads": 2}, {"N": 7}),
    Case("std.heads", "mqa", partial(mqa, heads=2, seen=CAUSAL), (X,), {"D": 6, "heads": 2, "causal": True}, {"N": 7}),
    Case("std.heads", "mqa", partial(mqa, heads=3, seen=window(7, 3)), (X,), {"D": 6, "heads": 3, "causal": True, "window": 3}, {"N": 7}),
    Case(
        "std.heads", "mqa", partial(mqa, heads=3, scale=1.0), (X,), {"D": 6, "heads": 3, "width": 5, "scale": 1.0, "bias": True}, {"N": 7}
    ),
    Case("std.heads", "mqa_cross", partial(mqa, heads=3), (X, (2, 5, 4)), {"D": 6, "E": 4, "heads": 3}, {"N": 7, "M": 5}),
    Case("std.heads", "mqa_cross", kept, (X, (2, 5, 4), KEEP), {"D": 6, "E": 4, "heads": 3}, {"N": 7, "M": 5}, given=("keep",), lead=False),
]
