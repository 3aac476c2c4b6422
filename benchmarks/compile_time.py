"""How compile time grows with depth: seconds of each stage for encoders of more and more layers, and the same stack as PyTorch modules.

    python benchmarks/compile_time.py [LAYERS ...]      12 24 48 96 192 384 1000 unless given
    python benchmarks/compile_time.py --json FILE ...   also writes the figures

`check` looks at the program with its depth bound; `build` makes the graph; `optimise` runs every pass of level 2; `lower` writes the fx
graph and makes the weights. Peers: building the same layers as `torch.nn.TransformerEncoder`, and `torch.fx.symbolic_trace` of a stack of
plain modules of the same arithmetic. Times are of the process alone (CPU seconds), so that others on the machine count less. The slope is
how the seconds grow from one depth to the next: 1.0 is linear.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn

import attn
from attn.compiler.lower.lowering import lower
from attn.compiler.passes import optimise

DEPTHS = (12, 24, 48, 96, 192, 384, 1000)
WIDTH, HEADS = 64, 4
TEXT = """use std.layers (encoder)

block deep(x: [*, N, D], depth: int, heads: int) -> [*, N, D] {
    for i in 0..depth { x = encoder(x, heads=heads) as layers[i] }
    return x
}
"""
STAGES = ("check", "build", "optimise", "lower", "TransformerEncoder", "symbolic_trace")


class Layer(nn.Module):
    """An encoder layer as one writes it by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.fc1, self.fc2 = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, HEADS, WIDTH // HEADS)).permute(2, 0, 3, 1, 4).unbind(0)
        y = torch.nn.functional.scaled_dot_product_attention(q, k, v)
        x = x + self.out(y.transpose(1, 2).flatten(2))
        return x + self.fc2(torch.nn.functional.gelu(self.fc1(self.norm2(x))))


def timed(action: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of this process, and what the action gives."""
    start = time.process_time()
    result = action()
    return time.process_time() - start, result


def stages(depth: int) -> dict[str, float]:
    """CPU seconds of every stage for a stack of this many layers."""
    bind = {"D": WIDTH, "depth": depth, "heads": HEADS}
    program = attn.load(attn.text(TEXT))
    checked, _ = timed(lambda: program.graph(bind, checking=True))
    built, graph = timed(lambda: program.graph(bind))
    optimised, done = timed(lambda: optimise(graph))
    lowered, _ = timed(lambda: lower(graph, optimiser=lambda _: done))
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, batch_first=True, norm_first=True, activation="gelu")
    named, _ = timed(lambda: nn.TransformerEncoder(layer, depth, enable_nested_tensor=False))
    stack = nn.Sequential(*[Layer() for _ in range(depth)])
    traced, _ = timed(lambda: fx.symbolic_trace(stack))
    return dict(zip(STAGES, (checked, built, optimised, lowered, named, traced), strict=True))


def slope(first: tuple[int, float], second: tuple[int, float]) -> float:
    """The power of the depth with which seconds grow."""
    return math.log(second[1] / first[1]) / math.log(second[0] / first[0])


def main(arguments: list[str]) -> None:
    target = Path(arguments[1]) if arguments[:1] == ["--json"] else None
    depths = [int(word) for word in arguments[2 if target else 0 :]] or list(DEPTHS)
    stages(2)  # what is loaded on first use does not count
    rows: list[dict[str, float]] = []
    print(
        f"{'layers':>6} " + " ".join(f"{name:>18}" for name in STAGES) + f" {'ours':>8} {'ms a layer':>11} {'of tracing':>11} {'slope':>6}"
    )
    for depth in depths:
        found = stages(depth)
        ours = sum(found[name] for name in STAGES[:4])
        rows.append({"layers": depth, **found, "ours": ours})
        grown = f"{slope((int(rows[-2]['layers']), rows[-2]['ours']), (depth, ours)):6.2f}" if len(rows) > 1 else f"{'':>6}"
        figures = " ".join(f"{found[name]:>17.2f}s" for name in STAGES)
        print(
            f"{depth:>6} {figures} {ours:>7.2f}s {1000 * ours / depth:>11.1f} {ours / found['symbolic_trace']:>10.1f}x {grown}", flush=True
        )
    if target is not None:
        target.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
