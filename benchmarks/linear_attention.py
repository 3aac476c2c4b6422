"""What chunks gain: times of loops, running sums and causal pairs as they are written, divided by times in chunks, taken in turns.

`python benchmarks/linear_attention.py [--rounds 5] [--threads 1]`. Above 1 the chunks are faster. float32, processor time, medians over
rounds, forward alone and with gradients; beside them the largest difference of the two, divided by the largest result. The text of the
paper, torch.compile of it and chunks by hand are in `make bench ROW=linear-causal-4k`, decoding in the rows that begin with `decode-`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

import attn
from attn.compiler.lower.lowering import lower
from attn.compiler.passes import optimise, passes
from attn.compiler.passes.chunks import Chunks

HEAD = "block t(q: [*, N, d], k: [*, N, d], v: [*, N, e], g: [*, N], w: [*, N, d]) -> [*, N, e] {{\n    {0}\n}}\n"
LOOP = "return scan N (s: [*, d, e] = 0) {{\n        s = {0}s + expand(k, e) * v\n        yield dot(q, s, over=d)\n    }}"
PAIRS = "s = dot(q, rename(k, N -> M), over=d, where=pos(M) <= pos(N))\n    return dot(s, rename(v, N -> M), over=M)"
AVERAGE = "return scan N (s: [*, e] = 0) {\n        s = sigmoid(g) * s + v\n        yield s\n    }"
ROWS: tuple[tuple[str, str, int], ...] = (
    ("causal pairs", PAIRS, 512),
    ("causal pairs", PAIRS, 2048),
    ("running sums", "return dot(q, cumsum(expand(k, e) * v, N), over=d)", 1024),
    ("loop", LOOP.format(""), 1024),
    ("loop, a decay for each position", LOOP.format("sigmoid(g) * "), 1024),
    ("loop, a decay for each feature", LOOP.format("sigmoid(w) * "), 1024),
    ("moving average", AVERAGE, 1024),
)
WIDTH, HEADS = 64, 4


def built(text: str, chunks: bool) -> Any:
    chosen = [one for one in passes(2, "train") if chunks or not isinstance(one, Chunks)]
    optimiser: Any = partial(optimise, level=2, mode="train", pipeline=chosen)
    return lower(attn.load(attn.text(HEAD.format(text))).graph({"d": WIDTH, "e": WIDTH}), optimiser=optimiser)


def seconds(run: Callable[[], Any]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def trained(module: Any, inputs: Sequence[Tensor]) -> None:
    leaves = [x.clone().requires_grad_() for x in inputs]
    module(*leaves).sum().backward()


def measured(text: str, tokens: int, rounds: int) -> tuple[float, float, float]:
    """Ratios without and with gradients, and the difference."""
    shapes = ((1, HEADS, tokens, WIDTH),) * 3 + ((1, HEADS, tokens), (1, HEADS, tokens, WIDTH))
    inputs = [torch.rand(shape) for shape in shapes]
    ways = [built(text, chunks) for chunks in (False, True)]
    with torch.no_grad():
        plain, chunked = (way(*inputs) for way in ways)
        forward = [[seconds(partial(way, *inputs)) for way in ways] for _ in range(rounds)]
    both = [[seconds(partial(trained, way, inputs)) for way in ways] for _ in range(rounds)]
    ratios = [statistics.median(written / own for written, own in times) for times in (forward, both)]
    return ratios[0], ratios[1], float((plain - chunked).abs().max() / plain.abs().max())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    print(f"{'written as':32} {'N':>5} {'forward':>8} {'with gradients':>15} {'difference':>11}")
    for name, text, tokens in ROWS:
        forward, both, error = measured(text, tokens, asked.rounds)
        print(f"{name:32} {tokens:5} {forward:8.1f} {both:15.1f} {error:11.1e}")


if __name__ == "__main__":
    main()
