"""Every block of the library gives the same bits with and without prepared values."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from reference.library_cases import CASES, Case

import attn
from attn.compiler.graph import Graph
from attn.compiler.lower.lowering import lower
from attn.compiler.passes import optimise
from attn.compiler.prepared import prepared_values
from attn.compiler.verify import Setting, fitting, inputs_for


def made(graph: Graph, level: int) -> Any:
    torch.manual_seed(3)
    optimiser: Any = partial(optimise, level=level, mode="infer", pipeline=())
    return lower(graph, optimiser=optimiser)


def flat(result: Any) -> list[torch.Tensor]:
    return list(result) if isinstance(result, tuple) else [result]


def graph_of(case: Case) -> Graph:
    module, block, bind = case
    return attn.load(f"std.{module}", block).graph(bind)


def same(graph: Graph) -> bool:
    sizes = fitting(graph, range(1, 13), 1, {"*": 2})
    assert sizes is not None
    drawn = inputs_for(graph, sizes, Setting(positive=True))
    inputs = {name: x.float() if x.is_floating_point() else x for name, x in drawn.items()}
    return all(map(torch.equal, flat(made(graph, 1)(**inputs)), flat(made(graph, 0)(**inputs))))


def test_blocks_give_the_same_bits() -> None:
    graphs = {(case[0], case[1], *map(str, case[2].values())): graph_of(case) for case in CASES}
    with_values = {name: graph for name, graph in graphs.items() if prepared_values(graph)}
    assert len(with_values) >= 8
    assert [name for name, graph in with_values.items() if not same(graph)] == []
