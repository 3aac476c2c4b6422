"""Attention over channels, taken apart: the tokens are multiplied with themselves first, and norms divide what is small."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch

import attn
from attn.compiler.passes.base import Mode
from attn.compiler.passes.pipeline import MODES, optimise
from attn.compiler.passes.plan import Plan
from attn.compiler.passes.rewriting import everything

from .planning import Program, held_against, ways

CHANNELS = """block t(x: [*, N, D]{more}) -> [*, N, D] {{
    axis h = 2, d = D / 2
    q = linear(x, D -> h d{bias})
    k = linear(x, D -> h d{bias})
    v = linear(x, D -> h d{bias})
    return {body}
}}
"""
UNMAPPED = CHANNELS.format(body="attend(q, k, v, over=d, dot=N)", more="", bias="").replace("-> [*, N, D] {", "-> [*, N, h, d] {", 1)
N = ({"N": 5},)


def channels(body: str, bias: bool = True, more: str = "") -> Program:
    return Program(CHANNELS.format(body=body, more=more, bias="" if bias else ", bias=false"), {"D": 6}, N)


def attended(options: str = "", more: str = "", bias: bool = True, after: str = " |> linear(h d -> D) as out") -> Program:
    return channels(f"attend(q, k, v, over=d, dot=N{options}){after}", bias, more)


PROGRAMS = {
    "as in DaViT": attended(", scale=0.5"),
    "without biases": attended(bias=False),
    "the default scale": attended(),
    "a temperature": attended(", scale=t", ", t: [h=2]"),
    "a bias and a mask": attended(", bias=b, where=m", ", b: [h=2, d=3, d'=3], m: bool [d=3, d'=3]"),
    "a mask that lets nothing through": attended(", where=m and not m", ", m: bool [d=3, d'=3]"),
    "a softcap": attended(", softcap=2.0", bias=False),
    "sigmoid": attended(", by=sigmoid, where=m", ", m: bool [d'=3]"),
    "relu2": attended(", by=relu2"),
    "no map after it": Program(UNMAPPED, {"D": 6}, N),
    "values from elsewhere": channels("attend(q, k, w, over=d, dot=N) |> linear(h d -> D) as out", more=", w: [*, N, h=2, d=3]"),
    "queries and keys of length 1": channels(
        "attend(l2norm(q, N), l2norm(k, N), v, over=d, dot=N, scale=0.7) |> linear(h d -> D) as out"
    ),
    "scales of both sides": channels(
        "attend(2 * l2norm(q, N) * t, l2norm(k, N) / exp(u), v, over=d, dot=N) |> linear(h d -> D) as out", more=", t: [h=2], u: [d=3]"
    ),
    "queries of length 1": channels("attend(l2norm(q, N), k, v, over=d, dot=N) |> linear(h d -> D) as out", bias=False),
}  # fmt: skip


RUNS: list[tuple[str, Mode]] = [*((name, MODES[0]) for name in PROGRAMS), ("as in DaViT", "infer"), ("a bias and a mask", "infer")]


@pytest.mark.parametrize(("name", "mode"), RUNS)
def test_taken_apart_it_says_the_same(name: str, mode: Mode) -> None:
    torch.set_num_threads(1)
    program = PROGRAMS[name]
    made = program.outcome(mode)
    assert made.changes
    assert any(node.op == "softmax" or node.op == "choose" for node in everything(made.graph))
    for sizes in program.sizes:
        for graph in ways(made.graph):
            held_against(program.graph(), graph, sizes)


LIBRARY: tuple[tuple[str, Mapping[str, int], Mapping[str, int]], ...] = (
    ("channel_group", {"D": 8, "groups": 2}, {"N": 5}),
    ("xca", {"D": 8, "heads": 2}, {"N": 7}),
    ("mdta", {"C": 4, "heads": 2}, {"H": 3, "W": 5}),
)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("name", "bind", "sizes"), LIBRARY)
def test_the_library_is_planned(name: str, bind: Mapping[str, int], sizes: Mapping[str, int], mode: Mode) -> None:
    source = getattr(attn.std.channel_tokens, name).graph(dict(bind))
    made = Plan().run(source, mode)
    assert made.changes
    for graph in ways(made.graph):
        held_against(source, graph, sizes)


def test_a_single_token_does() -> None:
    program = PROGRAMS["queries and keys of length 1"]
    for graph in ways(program.outcome("train").graph):
        held_against(program.graph(), graph, {"N": 1})


@pytest.mark.parametrize("mode", MODES)
def test_the_passes_before_leave_it_to_be_planned(mode: Mode) -> None:
    """XCA with its temperature, wherever another pass has put that."""
    source = attn.std.channel_tokens.xca.graph({"D": 8, "heads": 2})
    made = optimise(source, 2, mode).graph
    assert any(node.op == "sqrt" for node in everything(made))
    for graph in ways(made):
        held_against(source, graph, {"N": 5})


def test_what_tokens_go_through_is_one_map_with_its_bias() -> None:
    """Made in the declared order, in one call: a sum of its own would read and write all tokens once more."""
    source = attn.std.channel_tokens.xca.graph({"D": 8, "heads": 2, "N": 1000})
    last = Plan().run(source, "infer").graph.outputs[0].node
    assert (last.op, len(last.inputs), last.tensor.names) == ("linear", 3, ("*", "N", "D"))
    made: Any = attn.std.channel_tokens.xca(bind={"D": 8, "heads": 2, "N": 1000}, mode="infer")
    assert ("torch.baddbmm" in made.code, made(torch.zeros(2, 1000, 8)).is_contiguous()) == (True, True)


def test_attention_over_tokens_stays_whole() -> None:
    source = attn.std.heads.mha.graph({"D": 8, "heads": 2})
    assert Plan().run(source, "train").graph is source


def test_dropout_stays_inside_attention_while_training() -> None:
    program = attended(", dropout=0.5")
    assert [node.op for node in everything(program.outcome("train").graph)].count("attend") == 1
    assert program.outcome("infer").changes
    assert not program.outcome("train").changes


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_does_not_overflow_and_stays_near(dtype: torch.dtype) -> None:
    """The sum over tokens of a square is beyond float16 here."""
    torch.manual_seed(0)
    bind = {"D": 8, "heads": 2, "N": 400}
    x = (torch.randn(1, 400, 8) * 40).to(dtype)
    written, planned = (attn.std.channel_tokens.xca(bind=bind, dtype=dtype, level=level) for level in (0, 2))
    planned.load_state_dict(written.state_dict())
    assert any(change.text for step in planned.optimised.steps if step.done.name == "plan" for change in step.changes)
    exact = attn.std.channel_tokens.xca(bind=bind, dtype=torch.float64, level=0)
    exact.load_state_dict({name: value.double() for name, value in written.state_dict().items()})
    wanted = exact(x.double())
    away, allowed = ((module(x).double() - wanted).abs().max() for module in (planned, written))
    assert away <= 2 * allowed
