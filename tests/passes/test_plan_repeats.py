"""Keys that are repeated for the heads of the queries are read as they are."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from attn.compiler.graph import Node
from attn.compiler.passes.rewriting import everything

from .planning import Program, held_against, ways

HEAD = "block t(q: [*, h, N, d], k: [*, N, d], v: [*, N, e]{more}) -> [*, h, N, e] {{\n    return {body}\n}}"
SIZES = ({"N": 5},)


def single_head(body: str, more: str = "") -> Program:
    return Program(HEAD.format(body=body, more=more), {"h": 3, "d": 2, "e": 4}, SIZES)


PROGRAMS = {
    "keys and values": single_head("attend(q, expand(k, h), expand(v, h), over=N, dot=d)"),
    "keys alone": single_head("attend(q, expand(k, h), v, over=N, dot=d, where=pos(N') <= pos(N))"),
    "through a chain": single_head("attend(q, exp(2 * expand(k, h)) + 1, relu(expand(v, h)), over=N, dot=d)"),
    "through a norm": single_head("attend(q, l2norm(expand(k, h), d), v, over=N, dot=d)"),
    "a bias that has the heads": single_head("attend(expand(k, h), expand(k, h), v, over=N, dot=d, bias=b)", ", b: [h, N, N']"),
    "in products": single_head("dot(dot(q, expand(rename(k, N -> M), h), over=d), rename(expand(v, h), N -> M), over=M)"),
}
GROUPED = """block t(q: [*, g, r, N, d], k: [*, g, N, d], v: [*, g, N, e]) -> [*, g, r, N, e] {
    return attend(q, expand(k, r), expand(v, r), over=N, dot=d)
}"""
PROGRAMS["grouped heads"] = Program(GROUPED, {"g": 2, "r": 3, "d": 2, "e": 4}, SIZES)

MERGED = """block t(q: [*, h, N, d], k: [*, g, N, d], v: [*, g, N, e]{more}) -> [*, h, N, e] {{
    k' = expand(k, r=3) |> merge({order} -> h)
    v' = expand(v, r=3) |> merge({order} -> h)
    return attend(q, k', v', over=N, dot=d{options})
}}"""
PROGRAMS["repeated and merged"] = Program(MERGED.format(more="", order="g r", options=""), {"g": 2, "h": 6, "d": 2, "e": 4}, SIZES)
PROGRAMS["the other way round, with a bias"] = Program(
    MERGED.format(more=", b: [h, N, N']", order="r g", options=", bias=b"), {"g": 2, "h": 6, "d": 2, "e": 4}, SIZES
)


def large(nodes: Sequence[Node]) -> list[Node]:
    return [node for node in nodes if node.op == "expand"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_is_repeated(name: str) -> None:
    torch.set_num_threads(1)
    program = PROGRAMS[name]
    made = program.outcome("train")
    assert made.changes
    assert not large(everything(made.graph))
    for sizes in program.sizes:
        for graph in ways(made.graph):
            held_against(program.graph(), graph, sizes)


def test_what_nothing_else_has_stays_repeated() -> None:
    program = Program("block t(x: [*, N, d]) -> [*, N, d, h] {\n    return exp(expand(x, h=3)) + 1\n}", {}, ({"N": 2, "d": 3},))
    made = program.outcome("train").graph
    (repeated,) = large(everything(made))
    assert made.outputs[0].node is repeated
    held_against(program.graph(), made, program.sizes[0])


def test_randomness_is_drawn_for_every_copy() -> None:
    program = Program("block t(x: [*, N, d]) -> [*, N, d, h] {\n    return dropout(expand(x, h=3), p=0.5)\n}")
    assert program.outcome("train").graph is not None
    assert [node.op for node in everything(program.outcome("train").graph)][-1] == "dropout"
