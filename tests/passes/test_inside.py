"""What only a choice reads goes into its ways: the same bits, and no value held longer than it is read."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

import attn
from attn.compiler.graph import Graph
from attn.compiler.lower.lowering import lower
from attn.compiler.passes import optimise
from attn.compiler.passes.inside import Inside
from attn.compiler.passes.pipeline import passes

from .planning import held_against, ways

IMAGE = """block t(x: [*, C, H, W]) -> [*, C, H, W] {{
    axis h = 2, d = C / 2
    q = linear(x, C -> h d) as q |> conv(over=H W, each=h d, kernel=3) as qs
    k = linear(x, C -> h d) as k |> conv(over=H W, each=h d, kernel=3) as ks
    v = linear(x, C -> h d) as v |> conv(over=H W, each=h d, kernel=3) as vs
    y = attend(l2norm(q, H W), l2norm(k, H W), v, over=d, dot=H W) |> linear(h d -> C, bias=false) as out
    return {end}
}}"""


def graph_of(end: str) -> Graph:
    return attn.load(attn.text(IMAGE.format(end=end))).graph({"C": 4})


def before(graph: Graph) -> Graph:
    return optimise(graph, 2, "infer", stop_after="share").graph


@pytest.mark.parametrize(("end", "outside"), [("y", []), ("y + sum(v, h d)", ["v"])])
def test_what_a_choice_alone_reads_goes_inside(end: str, outside: list[str]) -> None:
    source = graph_of(end)
    made = Inside().run(before(source), "infer")
    assert [node.name for node in made.graph.nodes if node.op == "conv" and node.name] == [*outside, *outside]
    for graph in ways(made.graph):
        held_against(source, graph, {"H": 3, "W": 5})


def test_the_bits_stay() -> None:
    pipeline = [one for one in passes(2, "infer") if not isinstance(one, Inside)]
    x, graph = torch.randn(2, 4, 5, 6), graph_of("y")
    made: list[Any] = [lower(graph, optimiser=partial(optimise, level=2, mode="infer", pipeline=chosen)) for chosen in (None, pipeline)]
    for one in made:
        one.load_state_dict({name: torch.ones_like(value).cumsum(0) / 7 for name, value in one.state_dict().items()})
    assert torch.equal(made[0](x), made[1](x))


def test_it_is_told() -> None:
    (change,) = Inside().run(before(graph_of("y")), "infer").changes
    assert change.text == "`q`, `k` and `v` are worked out inside the choice that alone reads them"


def test_without_a_choice_nothing_moves() -> None:
    graph = before(attn.load(attn.text(IMAGE.format(end="y"))).graph({"C": 4, "H": 8, "W": 8}))
    assert Inside().run(graph, "infer").graph is graph
