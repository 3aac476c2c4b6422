"""Mixed high-order attention in plain PyTorch."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from ..plain import mixed
from ..support import Case, Weights


def high_order(w: Weights, x: Tensor, order: int = 3, joint: bool = False) -> Tensor:
    total = torch.zeros_like(x)
    for r in range(1, order + 1):
        product = torch.stack([mixed(w, f"orders.{r}.maps.{s}", x) for s in range(r)]).prod(0)
        a = mixed(w, f"orders.{r}.out", product.relu())
        total = total + (a if joint else a.sigmoid())
    return x * (total.sigmoid() if joint else total / order)


MAP = {"H": 5, "W": 7}
CASES = [
    *[Case("std.gates", "high_order", partial(high_order, order=r), ((2, 16, 5, 7),), {"C": 16, "order": r}, MAP) for r in (3, 1, 2)],
    Case("std.gates", "high_order", partial(high_order, joint=True), ((2, 16, 5, 7),), {"C": 16, "joint": True}, MAP),
    Case("std.gates", "high_order", high_order, ((2, 19, 5, 7),), {"C": 19}, MAP),
]
