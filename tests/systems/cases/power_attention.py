"""Attention under the mask of powers of two, in plain PyTorch."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from ..plain import attention
from ..support import Case, Weights


def mask(n: int, size: int, local: int, sink: int) -> Tensor:
    """Which pairs attend, by the definition, pair by pair."""

    def seen(i: int, j: int) -> bool:
        back = i // size - j // size
        return j <= i and (back & (back - 1) == 0 or back < local or j // size < sink)

    return torch.tensor([[seen(i, j) for j in range(n)] for i in range(n)])


def power(w: Weights, q: Tensor, k: Tensor, v: Tensor, size: int = 256, local: int = 5, sink: int = 1) -> Tensor:
    return attention(q, k, v, mask(q.shape[-2], size, local, sink))


def reached(w: Weights, see: Tensor, layers: int) -> Tensor:
    """The share of all causal pairs that so many layers connect, by products of the mask with itself."""
    found, reach = list[Tensor](), see
    for layer in range(layers):
        reach = reach if layer == 0 else (reach.double() @ see.double()) > 0
        found.append(reach.double().sum() / (len(see) * (len(see) + 1) / 2))
    return torch.stack(found)


WAYS = ({"size": 4, "local": 2}, {"size": 1, "local": 1, "sink": 0}, {"size": 2, "local": 1, "sink": 0}, {"size": 3, "local": 99}, {})
CASES = [
    Case("std.sparse", "power_mask", lambda w: mask(23, 3, 2, 1), (), {"N": 23, "size": 3, "local": 2}, lead=False, half=False),
    *[Case("std.sparse", "power_attend", partial(power, **way), ((2, 3, 23, 6),) * 3, way, {"N": 23, "d": 6, "e": 6}) for way in WAYS],
    Case("std.sparse", "receptive_field", partial(reached, layers=3), (mask(11, 1, 1, 0),), {"layers": 3}, {"N": 11},
         lead=False, half=False),
]  # fmt: skip
