"""Reductions of one tensor along the same axes, apart and as one kernel of PyTorch: how many times as long the two take apart.

    python benchmarks/shared_reductions.py [ROUNDS]

The two take turns in one process; the median of the rounds' ratios is shown, with the ratio a tenth from either end. The passes share what
is not slower here: variances and deviations with means. `aminmax` is shown to say why it is not used.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import Tensor

SHAPES: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    ((8, 64, 56, 56), (2, 3)),
    ((8, 64, 56, 56), (1,)),
    ((8, 512, 256), (2,)),
    ((8, 512, 256), (1,)),
    ((64, 64), (1,)),
)
Run = Callable[[Tensor, tuple[int, ...]], Any]
PAIRS: tuple[tuple[str, Run, Run], ...] = (
    (
        "var and mean",
        lambda x, dim: (torch.var(x, dim, correction=0), torch.mean(x, dim)),
        lambda x, dim: torch.var_mean(x, dim, correction=0),
    ),
    (
        "std and mean",
        lambda x, dim: (torch.std(x, dim, correction=0), torch.mean(x, dim)),
        lambda x, dim: torch.std_mean(x, dim, correction=0),
    ),
    ("max and min", lambda x, dim: (torch.amax(x, dim), torch.amin(x, dim)), lambda x, dim: torch.aminmax(x, dim=dim[0])),
)


def ratios(apart: Run, shared: Run, x: Tensor, dim: tuple[int, ...], rounds: int) -> list[float]:
    """Seconds apart over seconds shared, for each round, in order of size."""
    found: list[float] = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        apart(x, dim)
        middle = time.perf_counter()
        shared(x, dim)
        found.append((middle - start) / (time.perf_counter() - middle))
    return sorted(found[1:])


def main(rounds: int) -> None:
    source = torch.Generator().manual_seed(1)
    print(f"{'apart / shared':>14}  {'low':>5} {'high':>5}")
    for name, apart, shared in PAIRS:
        for shape, dim in SHAPES:
            if name == "max and min" and len(dim) > 1:
                continue  # aminmax takes one dimension
            found = ratios(apart, shared, torch.randn(shape, generator=source), dim, rounds)
            tenth = len(found) // 10
            print(
                f"{median(found):>14.2f}  {found[tenth]:>5.2f} {found[-1 - tenth]:>5.2f}  {name}, {list(shape)} along {list(dim)}",
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 41)
