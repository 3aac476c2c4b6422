"""Attention along one axis of a picture and in windows, with and without the layout pass: how many times as long it takes without, for
inference, and the bytes copied in a run.

    python benchmarks/layout.py [ROUNDS]

The two modules have the same weights and take turns; the median of the rounds' ratios is shown, with the ratio a tenth from either end.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from statistics import median

import torch

import attn
from attn.compiler.lower.copies import copies, total
from attn.compiler.lower.lowering import lower
from attn.compiler.lower.module import AttnModule
from attn.compiler.passes import optimise, passes

HEAD = """block t(x: [*, H, W, D], heads: int) -> [*, H, W, D] {
    axis h = heads, d = D / heads
    y = layernorm(x, D) as norm"""
MAPS = """
    q = linear(y, D -> h d)
    k = linear(y, D -> h d)
    v = linear(y, D -> h d)"""
COLUMNS = f"{HEAD}{MAPS}\n    return attend(q, k, v, over=H, dot=d) |> linear(h d -> D) as out\n}}"
SPLIT = " |> split(H -> Y u=7, W -> X v=7)"
WINDOWS = f"{HEAD}{SPLIT}{MAPS}\n    return attend(q, k, v, over=u v, dot=d) |> linear(h d -> D) as out |> merge(Y u -> H, X v -> W)\n}}"
ROWS: tuple[tuple[str, str, tuple[int, ...], int], ...] = (
    ("columns", COLUMNS, (2, 56, 56, 96), 3),
    ("windows", WINDOWS, (2, 56, 56, 96), 3),
    ("columns", COLUMNS, (4, 14, 14, 384), 12),
    ("windows", WINDOWS, (4, 14, 14, 384), 12),
)


def copied(module: AttnModule, shape: tuple[int, ...]) -> int:
    """The bytes copied in a run, once weights are prepared."""
    sizes = dict(zip("HW", shape[1:-1], strict=True))
    copies(module, sizes, shape[:1])
    return total(copies(module, sizes, shape[:1]))


def main(rounds: int) -> None:
    print(f"{'without / with':>14}  {'low':>5} {'high':>5} {'apart':>8} {'copied without':>15} {'with':>12}")
    for name, text, shape, heads in ROWS:
        graph = attn.load(attn.text(text)).graph({"D": shape[-1], "heads": heads})
        without = [one for one in passes(2, "infer") if one.name != "layout"]
        left = lower(graph, optimiser=partial(optimise, mode="infer", pipeline=without))
        right = lower(graph, optimiser=partial(optimise, mode="infer"))
        right.load_state_dict(left.state_dict())
        x, found = torch.randn(shape), list[float]()
        with torch.no_grad():
            apart = float((left(x) - right(x)).abs().max())
            for _ in range(rounds):
                start = time.perf_counter()
                left(x)
                middle = time.perf_counter()
                right(x)
                found.append((middle - start) / (time.perf_counter() - middle))
        found.sort()
        tenth = rounds // 10
        moved = f"{copied(left, shape):>15,} {copied(right, shape):>12,}"
        shown = f"{median(found):>14.2f}  {found[tenth]:>5.2f} {found[-1 - tenth]:>5.2f} {apart:>8.1g}"
        print(f"{shown} {moved}  {name}, {list(shape)}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 41)
