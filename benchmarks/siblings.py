"""What merging projections of one tensor gains: ratios of times without and with the pass, and against level 0, taken in turns.

`python benchmarks/siblings.py [--rounds 30]`. Above 1 the merged module is faster. Inference runs without gradients; training is a
forward and a backward through a sum of squares, weights included. Ratios are medians over rounds; a number in brackets is half the spread
of the middle half of the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

import attn
from attn.compiler.lower.lowering import lower
from attn.compiler.passes import optimise, passes
from attn.compiler.passes.siblings import Siblings

PROJECT = """block qkv(x: [*, N, D]) -> [*, N, D] {
    axis E = D
    return linear(x, D -> E) as q + linear(x, D -> E) as k + linear(x, D -> E) as v |> rename(E -> D)
}
"""
ATTEND = """block mha(x: [*, N, D], heads: int = 4) -> [*, N, D] {
    axis h = heads, d = D / heads
    q = linear(x, D -> h d)
    k = linear(x, D -> h d)
    v = linear(x, D -> h d)
    return attend(q, k, v, over=N, dot=d) |> linear(h d -> D) as out
}
"""
GATE = """block gate(x: [*, N, D]) -> [*, N, D] {
    axis E = 2 * D
    return silu(linear(x, D -> E) as a) * (linear(x, D -> E) as b) |> linear(E -> D) as out
}
"""
CONV = """block maps(x: [*, C, H, W]) -> [*, C, H, W] {
    return conv(x, C -> C, over=H W, kernel=1) as a * sigmoid(conv(x, C -> C, over=H W, kernel=1) as b)
}
"""
ROWS = (1, 8, 32, 128, 512, 2048)
WIDTHS = (32, 64, 128, 256, 512)


def built(text: str, bind: dict[str, int], mode: Any, which: str) -> Any:
    """A module of all passes, of all but this one, or of none."""
    level = 0 if which == "none" else 2
    chosen = [one for one in passes(level, mode) if not (which == "without" and isinstance(one, Siblings))]
    if which == "with":
        chosen = [Siblings(least=2, rows=0, share=1 << 40) if isinstance(one, Siblings) else one for one in chosen]
    torch.manual_seed(0)
    optimiser: Any = partial(optimise, level=level, mode=mode, pipeline=chosen)
    return lower(attn.load(attn.text(text)).graph(bind), optimiser=optimiser)


def inference(module: Any, x: torch.Tensor) -> None:
    with torch.no_grad():
        module(x)


def training(module: Any, x: torch.Tensor) -> None:
    module.zero_grad(set_to_none=True)
    module(x).square().sum().backward()


def seconds(run: Callable[[], None], least: float = 0.004) -> float:
    """The processor time of one run (of one thread, so that other work on the machine counts little), over as many as take this long."""
    count = 0
    start = time.process_time()
    while time.process_time() - start < least or count == 0:
        run()
        count += 1
    return (time.process_time() - start) / count


def ratios(text: str, bind: dict[str, int], x: torch.Tensor, mode: str, rounds: int) -> dict[str, tuple[float, float]]:
    """The times of `without` and `none` over that of `with`: median and spread."""
    run = inference if mode == "infer" else training
    modules = {which: built(text, bind, mode, which) for which in ("with", "without", "none")}
    for module in modules.values():
        run(module, x)
    times: dict[str, list[float]] = {which: [] for which in modules}
    for _ in range(rounds):
        for which, module in modules.items():
            times[which].append(seconds(partial(run, module, x)))
    return {which: _middle([a / b for a, b in zip(times[which], times["with"], strict=True)]) for which in ("without", "none")}


def _middle(values: list[float]) -> tuple[float, float]:
    low, middle, high = statistics.quantiles(values, n=4)
    return middle, (high - low) / 2


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--rounds", type=int, default=15)
    options.add_argument("--rows", type=int, nargs="*", default=ROWS)
    options.add_argument("--widths", type=int, nargs="*", default=WIDTHS)
    options.add_argument("--modes", nargs="*", default=("infer", "train"))
    given = options.parse_args()
    torch.set_num_threads(1)
    print(f"{'':24}{'without / with':>18}{'level 0 / with':>18}")
    for name, text in (("qkv", PROJECT), ("mha", ATTEND), ("gate", GATE), ("conv", CONV)):
        for mode in given.modes:
            for width in given.widths:
                for rows in given.rows:
                    if rows * width * width > 1 << 28:
                        continue
                    image = (1, width, rows, 4)
                    x = torch.randn(image if name == "conv" else (1, rows, width))
                    found = ratios(text, {"C" if name == "conv" else "D": width}, x, mode, given.rounds)
                    cells = "".join(f"{f'{middle:.2f} ({spread:.2f})':>18}" for middle, spread in found.values())
                    print(f"{name:5}{mode:6}{width:5}{rows:6}  {cells}", flush=True)


if __name__ == "__main__":
    main()
