"""What compiled modules call for randomness."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


def drop_path(x: Tensor, p: float, dims: Sequence[int], training: bool) -> Tensor:
    """`x` with all numbers that share an index of `dims` set to 0 with probability `p`, or else divided by `1 - p`; in training only."""
    if not training:
        return x
    keep = x.new_empty([x.shape[i] if i in dims else 1 for i in range(x.dim())]).bernoulli_(1 - p)
    return x * (keep / (1 - p) if p < 1 else keep)
