"""What compiled modules call for normalisations with state or with care for half precision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def batch_norm(
    x: Tensor,
    mean: Tensor,
    var: Tensor,
    count: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    training: bool,
    momentum: float | None,
    eps: float,
) -> Tensor:
    """`x: [n, channels, ..]` standardised per channel. In training `mean`, `var` and `count` are updated in place.

    A `momentum` of None averages all batches alike. Factors are taken in the dtype of the statistics, where `x` is half. ValueError in
    training where a channel has a single number.
    """
    if training:
        count.add_(1)
    if not x.shape[1]:
        return x.clone()
    if momentum is None:
        momentum = 1 / float(count) if training else 0.0
    weight, bias = (x if x is None or x.dtype == mean.dtype else x.to(mean.dtype) for x in (weight, bias))
    return torch.nn.functional.batch_norm(x, mean, var, weight, bias, training, momentum, eps)


def l2_normalize(x: Tensor, dims: Sequence[int], eps: float) -> Tensor:
    """`x / max(norm(x), eps)` over `dims`; the norm of half precision numbers is float32."""
    wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    several: Any = tuple(dims)
    return torch.nn.functional.normalize(wide, dim=several, eps=eps).to(x.dtype)
