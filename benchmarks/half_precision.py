"""What bfloat16 gains and costs: errors against float64 beside ratios of times against float32, taken in turns.

`python benchmarks/half_precision.py [--rounds 15] [--dtype bfloat16]`. The error is the largest difference to the float64 module with the
same weights, over the largest number it gives; the same of float32 stands beside it. Above 1 the half module is faster. Ratios are medians
over rounds; a number in brackets is half the spread of the middle half of the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import torch

import attn

WORKLOADS: dict[str, tuple[str, str, dict[str, Any], tuple[int, ...]]] = {
    "encoder D64 n8": ("std.layers", "encoder", {"D": 64, "heads": 4}, (1, 8, 64)),
    "encoder D256 n128": ("std.layers", "encoder", {"D": 256, "heads": 4}, (1, 128, 256)),
    "encoder D512 n512": ("std.layers", "encoder", {"D": 512, "heads": 8}, (1, 512, 512)),
    "mha D512 n1024": ("std.heads", "mha", {"D": 512, "heads": 8}, (1, 1024, 512)),
    "cbam C64 56x56": ("std.channel", "cbam", {"C": 64}, (1, 64, 56, 56)),
}


def seconds(module: Any, x: torch.Tensor) -> float:
    start = time.perf_counter()
    module(x)
    return time.perf_counter() - start


def row(name: str, dtype: str, rounds: int) -> str:
    source, block, bind, shape = WORKLOADS[name]
    torch.manual_seed(0)
    exact, single, half = (attn.compile(source, block, bind=bind, mode="infer", dtype=kind) for kind in ("float64", "float32", dtype))
    for module in (single, half):
        module.load_state_dict(exact.state_dict())
    x = torch.randn(shape)
    wanted = exact(x.double())
    errors = [float((module(x) - wanted).abs().max() / wanted.abs().max()) for module in (single, half)]
    ratios = [seconds(single, x) / seconds(half, x) for _ in range(rounds)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{name:<20} {errors[0]:>10.1e} {errors[1]:>10.1e} {middle:>8.2f} [{(high - low) / 2:.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--dtype", choices=["bfloat16", "float16"], default="bfloat16")
    options = parser.parse_args()
    print(f"{'':<20} {'float32':>10} {options.dtype:>10} {'ratio':>8}")
    for name in WORKLOADS:
        print(row(name, options.dtype, options.rounds), flush=True)


if __name__ == "__main__":
    main()
