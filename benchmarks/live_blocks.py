"""What working on live blocks gains: times with a mask over all pairs, divided by times on blocks, taken in turns.

`python benchmarks/live_blocks.py [--rounds 9] [--threads 2]`. Above 1 the blocks are faster. Beside them stand PyTorch's attention without
any mask and with its causal flag, in the same unit. float32, one batch, without gradients; medians over rounds, the error against the mask.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention as attention

import attn
from attn.compiler.lower import runtime_parts
from attn.compiler.lower.lowering import lower
from attn.compiler.passes import optimise, passes
from attn.compiler.passes.distances import Distances
from attn.compiler.passes.live import Live

LINE = """block t(q: [*, h, N, d], k: [*, h, N, d], v: [*, h, N, d]) -> [*, h, N, d] {{
    return attend(q, k, v, over=N, dot=d, where={0})
}}
"""
IMAGE = LINE.replace("h, N, d", "h, H, W, d").replace("over=N", "over=H W")
WINDOW = "pos(N') <= pos(N) and pos(N) - pos(N') < {0}"
NEAR = "abs(pos(H) - pos(H')) <= {0} and abs(pos(W) - pos(W')) <= {0}"
POWER = """use std.sparse (power_attend)

block t(q: [*, h, N, d], k: [*, h, N, d], v: [*, h, N, d]) -> [*, h, N, d] {
    return power_attend(q, k, v, e=d)
}
"""
ROUTED = """use std.sparse (moba)

block t(q: [*, h, N, d], k: [*, h, N, d], v: [*, h, N, d]) -> [*, h, N, d] {{
    return moba(q, k, v, e=d, size={0}, top=3)
}}
"""
PACKED = LINE.replace("d])", "d], doc: int [N])", 1)
SAME = "doc == rename(doc, N -> N')"
ALIBI = "-2.0 ** (-pos(h) - 1) * abs(pos(N) - pos(N'))"
ROWS: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    *((f"window 256, {n}", LINE.format(WINDOW.format(256)), (1, 8, n, 64)) for n in (600, 1024, 2048, 4096)),
    ("window 32, 4096", LINE.format(WINDOW.format(32)), (1, 8, 4096, 64)),
    *((f"every fourth, {n}", LINE.format("pos(N') <= pos(N) and (pos(N) - pos(N')) % 4 == 0"), (1, 8, n, 64)) for n in (512, 4096)),
    *((f"blocks of 128, {n}", LINE.format("pos(N) // 128 == pos(N') // 128"), (1, 8, n, 64)) for n in (512, 4096)),
    *((f"neighborhood 7, {n} x {n}", IMAGE.format(NEAR.format(3)), (1, 4, n, n, 32)) for n in (28, 56)),
    *((f"ALiBi, causal, {n}", LINE.format(f"pos(N') <= pos(N), bias={ALIBI}"), (1, 8, n, 64)) for n in (256, 1024, 4096)),
    ("ALiBi, both sides, 2048", LINE.format(f"true, bias={ALIBI}"), (1, 8, 2048, 64)),
    ("powers of two, 2048", LINE.format("is_pow2(pos(N) - pos(N')) or pos(N) == pos(N')"), (1, 8, 2048, 64)),
    *((f"8 documents, {n}", PACKED.format(SAME), (1, 8, n, 64)) for n in (256, 1024, 4096)),
    ("64 documents, 4096", PACKED.format(SAME), (1, 8, 4096, 64)),
    ("8 documents mixed, 4096", PACKED.format(SAME), (1, 8, 4096, 64)),
    ("8 documents, causal, 4096", PACKED.format(f"{SAME} and pos(N') <= pos(N)"), (1, 8, 4096, 64)),
    ("1 documents, causal, 1024", PACKED.format(f"{SAME} and pos(N') <= pos(N)"), (1, 8, 1024, 64)),
    *((f"3 blocks of {b}, {n}", ROUTED.format(b), (1, 8, n, 64)) for b, n in ((64, 1024), (256, 4096))),
    *((f"power attention, {n}", POWER, (1, 8, n, 64)) for n in (1024, 4096)),
    *(
        (f"window and global, {n}", LINE.format("abs(pos(N) - pos(N')) <= 128 or pos(N) < 16 or pos(N') < 16"), (1, 8, n, 64))
        for n in (1024, 4096)
    ),
    *(
        (f"window and sink, {n}", LINE.format("pos(N') <= pos(N) and (pos(N) - pos(N') < 256 or pos(N') < 4)"), (1, 8, n, 64))
        for n in (1024, 4096)
    ),
    ("strided, 4096", LINE.format("pos(N') <= pos(N) and (pos(N) - pos(N') < 128 or pos(N') % 128 == 127)"), (1, 8, 4096, 64)),
    ("causal, 2048", LINE.format("pos(N') <= pos(N)"), (1, 8, 2048, 64)),
)


def built(text: str, with_blocks: bool) -> Any:
    chosen = [one for one in passes(2, "train") if with_blocks or not isinstance(one, (Live, Distances))]
    optimiser: Any = partial(optimise, level=2, mode="train", pipeline=chosen)
    return lower(attn.load(attn.text(text)).graph({}), optimiser=optimiser)


def seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def masked(module: Any, *given: torch.Tensor) -> Any:
    """What the module says where masks stay masks."""
    fewest, runtime_parts.FEWEST = runtime_parts.FEWEST, 1 << 62
    try:
        return module(*given)
    finally:
        runtime_parts.FEWEST = fewest


def documents(name: str, text: str, size: int) -> list[torch.Tensor]:
    """Which document each token is in, where the text asks: as many as the name says, one after the other or mixed."""
    if SAME not in text:
        return []
    found = torch.arange(size) * int(name.split()[0]) // size
    return [found[torch.randperm(size)] if "mixed" in name else found]


def measured(name: str, text: str, shape: tuple[int, ...], rounds: int) -> tuple[dict[str, float], float]:
    """Ratios by way, and the largest difference."""
    q, k, v = (torch.randn(shape) for _ in range(3))
    given = (q, k, v, *documents(name, text, shape[2]))
    ways: dict[str, Callable[[], Any]] = {"mask": partial(masked, built(text, False), *given), "blocks": partial(built(text, True), *given)}
    if len(shape) == 4:
        ways |= {"no mask": partial(attention, q, k, v), "causal flag": partial(attention, q, k, v, is_causal=True)}
    error = float((ways["mask"]() - ways["blocks"]()).abs().max())
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in ways.items():
            times[name].append(seconds(run))
    return {name: statistics.median(a / b for a, b in zip(times["mask"], found, strict=True)) for name, found in times.items()}, error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default="", help="rows whose name has this in it")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {options.threads} threads, {options.rounds} rounds; how often as fast as a mask over all pairs\n")
    print(f"{'':26}{'blocks':>8}{'no mask':>10}{'causal flag':>13}{'error':>10}")
    with torch.inference_mode():
        for name, text, shape in [row for row in ROWS if options.only in row[0]]:
            found, error = measured(name, text, shape, options.rounds)
            others = "".join(
                f"{found[way]:>{width}.2f}" if way in found else " " * width for way, width in (("no mask", 10), ("causal flag", 13))
            )
            print(f"{name:26}{found['blocks']:>8.2f}{others}{error:>10.0e}", flush=True)


if __name__ == "__main__":
    main()
