"""Projections that became one product give what they gave apart: values, and gradients of every weight."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from reference.library_cases import CASES, Case

import attn
from attn.compiler.graph import Graph
from attn.compiler.lower.lowering import lower
from attn.compiler.passes import optimise
from attn.compiler.passes.siblings import Siblings
from attn.compiler.verify import Setting, agree, fitting, inputs_for

EAGER = Siblings(least=2, rows=0, share=1 << 40)
"""Merges whatever can be merged, so that small programs show what it does."""

PROGRAMS = {
    "heads": """# bind: D=6
block t(x: [*, N, D], heads: int = 2) -> [*, N, D] {
    axis h = heads, d = D / heads
    q = linear(x, D -> h d)
    k' = linear(x |> rename(N -> M), D -> h d) as k
    v' = linear(x, D -> h d, bias=false) as v |> rename(N -> M)
    return dot(dot(q, k', over=d) |> softmax(over=M), v', over=M) |> linear(h d -> D) as out
}""",
    "one key head": """# bind: D=6
block t(x: [*, N, D], heads: int = 3) -> [*, N, D] {
    axis h = heads, d = D / heads
    return attend(linear(x, D -> h d) as q, linear(x, D -> d) as k, linear(x, D -> d) as v, over=N, dot=d) |> linear(h d -> D) as out
}""",
    "gate": """# bind: D=5
block t(x: [*, N, D]) -> [*, N, E] {
    return silu(linear(x, D -> E=7, bias=false) as a) * linear(x, D -> E=7) as b
}""",
    "none left": """# bind: C=4
block t(x: [*, C, H]) -> [*, H] {
    return linear(x, C -> 1) as a * sigmoid(linear(x, C -> 1, bias=false) as b)
}""",
    "each": """# bind: g=3, C=4
block t(x: [*, g, C]) -> [*, g, E] {
    return linear(x, C -> E=5, each=g) as a * linear(x, C -> E=5, each=g, bias=false) as b + sum(linear(x, C -> f=2 E=5, each=g) as c, f)
}""",
    "convolutions": """# bind: C=3
block t(x: [*, C, H, W]) -> [*, C, H, W] {
    a = conv(x, C -> C, over=H W, kernel=[3, 1])
    b = conv(x, C -> C, over=H W, kernel=[3, 1], bias=false)
    c = conv(x, C -> E=2, over=H W, kernel=[3, 1])
    return a * sigmoid(b) + sum(c, E)
}""",
    "names that clash": """# bind: C=4, H=3
block t(x: [*, C, H]) -> [*, C] {
    a = linear(rename(x, H -> Y), C -> H=4) as a
    b = linear(rename(x, H -> Z), C -> H=4) as b
    c = linear(x, C -> C) as c |> sum(H)
    return c + sum(sum(a, Y) * sum(b, Z), H)
}""",
    "products": """# bind: D=4
block t(x: [*, N, D]) -> [*, N, E] {
    param a: [D, E=3] = normal(1)
    param b: [E=3, D] = normal(1)
    return dot(x, a, over=D) * dot(b, x, over=D) + linear(x, D -> E=3) as c
}""",
    "tied": """# bind: D=4
block t(x: [*, N, D]) -> [*, N, E] {
    param w: [E=3, D] = normal(1)
    return linear(x, D -> E, weight=w) as a * linear(x, D -> E, weight=w) as b
}""",
}


def bound(text: str) -> dict[str, int]:
    first = text.splitlines()[0].removeprefix("# bind: ")
    return {name: int(size) for name, size in (pair.split("=") for pair in first.split(", "))}


def module(graph: Graph, mode: Any) -> Any:
    optimiser: Any = partial(optimise, level=2, mode=mode, pipeline=(EAGER,))
    torch.manual_seed(1)
    return lower(graph, dtype=torch.float64, optimiser=optimiser)


def compared(graph: Graph, mode: Any, choices: Any = (5, 7, 3, 4, 6, 9), loose: bool = True, lead: tuple[int, ...] = (2,)) -> str:
    sizes = fitting(graph, choices, 1, {"*": 2 if lead else 1}) or fitting(graph, range(1, 13), 1, {"*": 2 if lead else 1})
    assert sizes is not None
    inputs = inputs_for(graph, sizes, Setting(lead=lead, loose=loose))
    for x in inputs.values():
        x.requires_grad_(mode == "train" and x.is_floating_point())
    return agree(module(graph, mode), inputs, gradients=mode == "train")


@pytest.mark.parametrize("mode", ["train", "infer"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_merged_projections_say_the_same(name: str, mode: str) -> None:
    graph = attn.load(attn.text(PROGRAMS[name])).graph(bound(PROGRAMS[name]))
    assert EAGER.run(graph, "train").changes
    assert compared(graph, mode) == "same"
    assert compared(graph, mode, (1, 2), loose=False, lead=()) == "same"


def graph_of(case: Case) -> Graph:
    return attn.load(f"std.{case[0]}", case[1]).graph(case[2])


def test_blocks_of_the_library_say_the_same() -> None:
    firing = [case for case in CASES if EAGER.run(graph_of(case), "train").changes]
    assert len(firing) >= 8
    for case in firing:
        for mode in ("train", "infer"):
            assert compared(graph_of(case), mode) == "same", case


def test_a_group_keeps_every_slot_in_its_place() -> None:
    graph = attn.std.heads.mha.graph({"D": 8, "heads": 2})
    made = EAGER.run(graph, "infer").graph
    assert made.weights is graph.weights


def test_no_projection_means_the_same_graph() -> None:
    graph = attn.std.channel.se.graph({"C": 8, "reduction": 2})
    assert EAGER.run(graph, "infer").graph is graph


def test_every_layer_of_a_deep_program_is_a_group_of_its_own() -> None:
    text = """block deep(x: [*, N, D]) -> [*, N, D] {
    for i in 0..300 {
        x = ((linear(x, D -> D) as q) * (linear(x, D -> D) as k) + (linear(x, D -> D) as v)) as layers[i]
    }
    return x
}"""
    graph = attn.load(attn.text(text)).graph({"D": 2})
    assert len(EAGER.run(graph, "infer").changes) == 300


# ------------------------------------------------ cutting a product apart


PIECES = """block t(x: [*, N, D]) -> [*, N] {
    a, b, c = unstack(split(x, D -> p=3 d), p)
    return sum(a * b, d) + sum(c, d)
}"""


def test_pieces_that_make_up_an_axis_are_cut_by_one_call() -> None:
    m = attn.compile(attn.text(PIECES), D=6, level=0)
    assert m.code.count("unbind(") == 1
    assert "select" not in m.code


def test_pieces_of_unequal_sizes_are_cut_by_one_call() -> None:
    text = "block t(x: [*, D]) -> [*] {\n    a, b = split(x, D -> A=2 + B)\n    return sum(a, A) * sum(b, B)\n}"
    m = attn.compile(attn.text(text), D=5, level=0)
    x = torch.randn(3, 5)
    assert "torch.split_with_sizes(x_1, [2, 3], 1)" in m.code
    torch.testing.assert_close(m(x), x[:, :2].sum(1) * x[:, 2:].sum(1))


def test_a_piece_that_is_missing_leaves_the_others_alone() -> None:
    text = "block t(x: [*, D]) -> [*] {\n    return sum(x[D=0..2], D) * sum(x[D=3..], D)\n}"
    assert "narrow" in attn.compile(attn.text(text), D=5, level=0).code


def test_a_piece_that_is_a_result_may_be_written_to() -> None:
    text = "block t(x: [*, D]) -> (a: [*], b: [*]) {\n    a, b = unstack(x * 2, D)\n    return a, b\n}"
    x = torch.randn(3, 2, requires_grad=True)
    attn.compile(attn.text(text), D=2, level=0)(x).a.add_(1).sum().backward()
    assert x.grad is not None
