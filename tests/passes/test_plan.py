"""Contraction planning changes what things cost and nothing else."""

from __future__ import annotations

import pytest
import torch

from attn.compiler.passes.base import Mode
from attn.compiler.passes.pipeline import MODES
from attn.compiler.passes.rewriting import everything

from .planning import Program, held_against, ways

NM = ({"N": 5, "M": 7}, {"N": 1, "M": 1}, {"N": 3, "M": 0}, {"N": 0, "M": 2})
LINEAR = "block t(q: [*, N, d], k: [*, M, d], v: [*, M, e]{more}) -> [*, N, e] {{\n    return {body}\n}}"


def linear(body: str, more: str = "") -> Program:
    return Program(LINEAR.format(body=body, more=more), {"d": 3, "e": 4}, NM)


X = "block t(x: [*, N, D]) -> [*, N, E] {{\n    {head}return {body}\n}}"
N = ({"N": 5}, {"N": 1}, {"N": 0})


def mapped(body: str, head: str = "", fires: tuple[bool, bool] = (True, True), **bind: int) -> Program:
    return Program(X.format(body=body, head=head), {"D": 3, **bind}, N, fires)


PROGRAMS = {
    "scores first": linear("dot(dot(q, k, over=d), v, over=M)"),
    "scores first, the other way round": linear("dot(v, dot(k, q, over=d), over=M)"),
    "scales in between": linear("2 * dot(-dot(q * 0.5, k, over=d) / 3, v, over=M)"),
    "a normaliser along the queries": linear("dot(dot(q, k, over=d) / z, v, over=M)", ", z: [*, N]"),
    "a normaliser along the keys": linear("dot(dot(q, k / z, over=d), v, over=M)", ", z: [*, M]"),
    "a feature map": linear("dot(dot(exp(q), exp(k), over=d), v, over=M) / dot(exp(q), sum(exp(k), M), over=d)"),
    "scores that are read and added up": Program(
        "block t(q: [*, N, d], k: [*, M, d], v: [*, M, e]) -> [*, N, e] {\n    s = dot(exp(q), exp(k), over=d)\n"
        "    return dot(s, v, over=M) / sum(s, M)\n}", {"d": 3, "e": 4}, NM[:2],
    ),
    "written as products and a sum": linear("sum(dot(q, k, over=d) * v, M)"),
    "a mean": Program(LINEAR.format(body="mean(dot(q, k, over=d) * v, M)", more=""), {"d": 3, "e": 4}, NM[:2]),
    "keys that repeat": linear("dot(dot(q, expand(k, N), over=d), v, over=M)"),
    "two maps": mapped("linear(linear(x, D -> r=9) as a, r -> E=4) as b"),
    "two maps through a narrow axis": mapped("linear(linear(x, D -> r=1) as a, r -> E=90) as b", fires=(False, False), D=90),
    "three maps": mapped("linear(linear(linear(x, D -> r=9) as a, r -> s=8) as b, s -> E=4) as c"),
    "grouped axes": mapped("linear(linear(x, D -> h=2 d=5) as a |> rename(h -> g), g d -> E=4) as b"),
    "weights for each position": Program(
        "block t(x: [*, N, g, D]) -> [*, N, g, E] {\n    return linear(linear(x, D -> r=9, each=g) as a, r -> E=4, each=g) as b\n}",
        {"D": 3, "g": 2}, N,
    ),
    "a scale before a map": mapped("linear(x * 0.5, D -> E=2) as a"),
    "a gate of each token": Program(
        "block t(x: [*, N, D], z: [*, N]) -> [*, N, E] {\n    return (linear(x, D -> E=9, bias=false) as a) * z\n}", {"D": 2}, N
    ),
    "fewer keys": Program(
        "block t(x: [*, N, D]) -> [*, m, h, d] {\n    return linear(linear(x, D -> h=4 d=16) as k, N -> m=4) as low\n}", {"N": 700, "D": 64}
    ),
    "the Gram form": Program(
        "block t(x: [*, N, D]) -> [*, h, d, d'] {\n"
        "    return scores(linear(x, D -> h=2 d=3) as q, linear(x, D -> h d) as k, over=d, dot=N, scale=0.3)\n}",
        {"D": 6}, N,
    ),
    "a single map": mapped("linear(x, D -> E=4) as a", fires=(False, False)),
    "a nonlinearity in between": mapped("linear(relu(linear(x, D -> r=9) as a), r -> E=4) as b", fires=(False, False)),
}  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_plan_says_what_the_program_says(name: str, mode: Mode) -> None:
    torch.set_num_threads(1)
    program = PROGRAMS[name]
    made = program.outcome(mode)
    assert bool(made.changes) is program.fires[mode == "infer"]
    for sizes in program.sizes:
        for graph in ways(made.graph):
            held_against(program.graph(), graph, sizes)


EQUAL = """block t(q: [*, N, d], z: [*, L], k: [*, M, e], v: [*, P, c]) -> [*, N, c] {
    return dot(dot(rename(z, L -> N) * q, rename(k, e -> d), over=d), rename(v, P -> M), over=M)
}"""


@pytest.mark.parametrize("mode", MODES)
def test_sizes_that_a_guard_calls_equal(mode: Mode) -> None:
    """Where formulas differ the pass may plan or not, but it has to say the same."""
    program = Program(EQUAL)
    for graph in ways(program.outcome(mode).graph):
        held_against(program.graph(), graph, {"N": 5, "L": 5, "d": 3, "e": 3, "M": 4, "P": 4, "c": 2})


@pytest.mark.parametrize("lead", [(), (2, 3), (0,)])
def test_any_leading_axes_do(lead: tuple[int, ...]) -> None:
    program = PROGRAMS["scales in between"]
    for graph in ways(program.outcome("train").graph):
        held_against(program.graph(), graph, {"N": 4, "M": 3}, lead)


@pytest.mark.parametrize("mode", MODES)
def test_a_long_chain_is_planned_in_pieces(mode: Mode) -> None:
    text = """block t(x: [*, N, D], depth: int = 8) -> [*, N, D] {
    for i in 0..depth { x = linear(linear(x, D -> E=3*D) as layers[i].up, E -> D) as layers[i].down }
    return x
}"""
    program = Program(text, {"D": 2}, ({"N": 3},))
    made = program.outcome(mode)
    assert made.changes
    for graph in ways(made.graph):
        held_against(program.graph(), graph, program.sizes[0])


@pytest.mark.parametrize("mode", MODES)
def test_in_a_loop_weights_are_multiplied_in_every_step(mode: Mode) -> None:
    """So they are not multiplied with each other, however often the loop runs."""
    text = """block t(x: [*, N, D]) -> [*, N, D] {
    return scan N (s: [*, D] = 0) {
        s = linear(linear(s + x, D -> E=9, bias=false) as up, E -> D, bias=false) as down
        yield s
    }
}"""
    program = Program(text, {"D": 3}, ({"N": 4},))
    made = program.outcome(mode)
    for graph in ways(made.graph):
        held_against(program.graph(), graph, program.sizes[0])
    products = [node for node in everything(made.graph) if node.op == "dot" and all(source.op == "weight" for source in node.inputs)]
    assert not products or any(node.op == "choose" for node in everything(made.graph))
