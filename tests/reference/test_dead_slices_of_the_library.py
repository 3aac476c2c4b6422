"""Zeros in random slices of the weights of every library block: the program that leaves them out has the same values."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

import attn
from attn.compiler.graph import Graph
from attn.compiler.lower.lowering import lower
from attn.compiler.lower.relying import split_axes, zero_slices
from attn.compiler.passes.dead_slices import DeadSlices
from attn.compiler.passes.slices.bits import LONGEST
from attn.compiler.reference import evaluate
from attn.compiler.verify import Setting, fitting, inputs_for

MODULES = sorted(Path(attn.__file__).parent.joinpath("stdlib").glob("*.attn"))
SIZES = {"C": 4, "D": 8, "E": 8, "N": 6, "M": 6, "d": 4, "h": 2, "H": 8, "W": 8, "K": 4, "F": 8}
CHOICES = {"heads": 4, "groups": 2, "reduction": 2, "length": 6, "depth": 2, "ratio": 2, "size": 2}

FIRES = ("heads", "layers", "feedforward")


def graphs(path: Path) -> list[tuple[str, Graph]]:
    """Every block of a file that small sizes fit."""
    found: list[tuple[str, Graph]] = []
    unit = attn.load(f"std.{path.stem}").unit
    for name, block in unit.blocks.items():
        params = {param.name for param in block.params}
        bind: dict[str, int] = {key: value for key, value in CHOICES.items() if key in params}
        for extra in (dict[str, int](), SIZES):
            try:
                found.append((name, attn.load(f"std.{path.stem}", name).graph({**bind, **_known(extra, block.head.text)})))
                break
            except attn.AttnError:
                continue
    return found


def _known(sizes: dict[str, int], head: str) -> dict[str, int]:
    return {name: size for name, size in sizes.items() if re.search(rf"\b{name}\b", head)}


def with_zeros(graph: Graph, source: random.Random) -> dict[str, Tensor]:
    """Random weights; in half of them, one slice or two of an axis are zero."""
    torch.manual_seed(source.randrange(1000))
    state = {name: torch.rand(x.shape, dtype=torch.float64) + 0.1 if x.is_floating_point() else x
             for name, x in lower(graph, dtype=torch.float64).state_dict().items()}  # fmt: skip
    for weight in graph.weights:
        if weight.kind == "param" and weight.axes and source.random() < 0.5:
            axis = source.randrange(len(weight.axes))
            count = weight.axes[axis].size.integer() or 0
            places = torch.tensor(sorted(source.sample(range(count), min(count, source.choice([1, 2])))), dtype=torch.int64)
            if 0 < count <= LONGEST:
                split_axes(weight, state[weight.path]).index_fill_(axis, places, 0)
    return state


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_zeros_in_weights_are_left_out_and_nothing_else(path: Path) -> None:
    fired = 0
    for name, graph in graphs(path):
        fixed = fitting(graph, [2, 4, 6, 8], 1, {})
        if fixed is None:
            continue
        inputs = inputs_for(graph, fixed, Setting(lead=(2,), positive=True))
        for seed in range(3):
            state = with_zeros(graph, random.Random(seed))
            optimised = DeadSlices(zero_slices(graph.weights, state)).run(graph, "infer").graph
            fired += optimised is not graph
            try:
                wanted = evaluate(graph, inputs, state)
            except (ValueError, IndexError, NotImplementedError):
                break  # the inputs do not fit, or random numbers are drawn
            for key, found in evaluate(optimised, inputs, state).items():
                scale = float(wanted[key].double().abs().max()) if wanted[key].numel() else 1.0
                torch.testing.assert_close(
                    found, wanted[key], rtol=1e-9, atol=1e-11 * max(scale, 1.0), equal_nan=True, msg=f"{name} {seed}"
                )
    assert fired or path.stem not in FIRES
