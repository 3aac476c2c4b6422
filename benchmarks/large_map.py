"""A map of 32,768 by 32,768 weights looked at in blocks: the time that takes, and the memory beside the run itself and the whole map.

python benchmarks/large_map.py [--tokens N]
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable

import torch
from torch import Tensor

import attn

PROGRAM = """
block attention(x: [*, N, D], heads: int = 2) -> [*, N, D] {
    axis h = heads, d = D / heads
    q = linear(x, D -> h d)
    k = linear(x, D -> h d)
    v = linear(x, D -> h d)
    y = attend(q, k, v, over=N, dot=d)
    return linear(y, h d -> D) as out
}
"""


def peak() -> float:
    """The most memory that the process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(look: Callable[[], Tensor]) -> tuple[Tensor, float]:
    """A part of a map, and the seconds it takes."""
    start = time.perf_counter()
    part = look()
    return part, time.perf_counter() - start


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="The memory of looking at a large map.")
    parser.add_argument("--tokens", type=int, default=32_768)
    tokens = parser.parse_args(arguments).tokens
    module = attn.compile(attn.text(PROGRAM), D=64, mode="infer")
    x = torch.randn(1, tokens, 64)
    module(x)
    before = peak()
    with module.probe("weights") as seen:
        module(x)
    probed = peak()
    rows = {"h": 0, "N": slice(0, 1024)}
    _, first = timed(lambda: seen["weights"].at({**rows, "N'": slice(0, 64)}))
    _, again = timed(lambda: seen["weights"].at({**rows, "N'": slice(64, 128)}))
    part = peak()
    map, seconds = timed(lambda: seen["weights"].pooled(256, h=0))
    print(f"{tokens:,} tokens, {tokens * tokens * 4 / 2**20:,.0f} MB for the whole map of one head in float32")
    print(f"peak of the run        {before:,.0f} MB")
    print(f"with a probe           {probed - before:,.0f} MB more")
    print(f"1024 rows, 64 keys     {part - probed:,.0f} MB more, {first:.2f} s")
    print(f"64 other keys of them  {again:.3f} s")
    blocks = f"{map.shape[-2]} x {map.shape[-1]} blocks"
    print(f"one head in {blocks}  {peak() - part:,.0f} MB more, {seconds:.1f} s, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
