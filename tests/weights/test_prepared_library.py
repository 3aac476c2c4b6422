"""Every block of the library gives the same bits with and without prepared values."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any

import pytest
import torch
from agreement import Setting, fitting, inputs_for
from reference.library_cases import CASES, Case

import attn
from attn.compiler.graph import Graph
from attn.compiler.lower.lowering import lower
from attn.compiler.passes import optimise
from attn.compiler.prepared import prepared_values


def made(graph: Graph, level: int) -> Any:
    torch.manual_seed(3)
    optimiser: Any = partial(optimise, level=level, mode="infer", pipeline=())
    return lower(graph, optimiser=optimiser)


def flat(result: Any) -> list[torch.Tensor]:
    return list(result) if isinstance(result, tuple) else [result]


def graph_of(case: Case) -> Graph:
    module, block, bind = case
    return attn.load(f"std.{module}", block).graph(bind)


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, (case[0], case[1], *case[2].values()))))
def test_a_block_gives_the_same_bits(case: Case) -> None:
    graph = graph_of(case)
    if not prepared_values(graph):
        pytest.skip("its weights are used as they are")
    sizes = fitting(graph, range(1, 13), 1, {"*": prod((2,))})
    assert sizes is not None
    inputs = {
        name: x.float() if x.is_floating_point() else x for name, x in inputs_for(graph, sizes, Setting(positive=True)).items()
    }
    for left, right in zip(flat(made(graph, 1)(**inputs)), flat(made(graph, 0)(**inputs)), strict=True):
        assert torch.equal(left, right)


def test_some_blocks_of_the_library_have_values_to_prepare() -> None:
    assert len([case for case in CASES if prepared_values(graph_of(case))]) >= 8
