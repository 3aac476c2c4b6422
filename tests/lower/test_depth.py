"""Programs as deep as networks get: no stage recurses along a program, and none does more for a layer when there are more."""

from __future__ import annotations

import sys
from collections import Counter

import torch

import attn
from attn.compiler.graph import Graph
from attn.compiler.lower.lowering import write
from attn.compiler.passes import optimise

TEXT = """use std.layers (encoder)

block deep(x: [*, N, D], depth: int, heads: int) -> [*, N, D] {
    for i in 0..depth { x = encoder(x, heads=heads) as layers[i] }
    return x
}
"""
DEEP = 120
"""A thousand layers take half a minute: `python benchmarks/compile_time.py` shows them."""


def graph(depth: int) -> Graph:
    return attn.load(attn.text(TEXT)).graph({"D": 4, "depth": depth, "heads": 2})


def kinds(one: Graph) -> Counter[str]:
    return Counter(node.op for node in one.nodes)


def test_a_deep_encoder_compiles_and_runs_without_recursion() -> None:
    """With a limit on recursion far below the number of operations, at which the same program of two layers compiles as well."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(700)
    try:
        module = attn.compile(attn.text(TEXT), D=4, depth=DEEP, heads=2)
    finally:
        sys.setrecursionlimit(limit)
    assert len(module.attn_graph.nodes) > 25 * DEEP
    assert len(module.state_dict()) == 16 * DEEP
    assert module(torch.zeros(1, 2, 4)).isfinite().all()


def test_every_layer_becomes_the_same_operations() -> None:
    """What a layer more adds to the optimised graph and to the lowered one is the same at every depth."""
    done = {depth: optimise(graph(depth)).graph for depth in (2, 3, 40, 41)}
    assert kinds(done[3]) - kinds(done[2]) == kinds(done[41]) - kinds(done[40])
    lowered = {depth: len(write(one).graph.nodes) for depth, one in done.items()}
    assert lowered[3] - lowered[2] == lowered[41] - lowered[40]
