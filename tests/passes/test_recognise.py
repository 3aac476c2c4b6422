"""Attention in every spelling: recognised where it is one, with the same values and gradients, and left alone elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial

import pytest
import torch
from spellings import FOUND, LEFT, MISSED_BY_TORCH, composed

import attn
from attn.compiler.graph import Graph
from attn.compiler.lower.lowering import lower
from attn.compiler.lower.module import AttnModule
from attn.compiler.passes.pipeline import optimise
from attn.compiler.passes.recognise import RecogniseAttention
from attn.compiler.passes.rewriting import everything
from attn.compiler.verify import Setting, agree, fitting, inputs_for
from attn.compiler.verify.agreement import randomise

SIZES = ([1, 2, 3, 5], [1], [2, 4])
"""What the axes that a program leaves open are drawn from."""


PARTS = {"softmax", "exp", "tanh", "max", "sigmoid", "relu", "concat", "logsumexp"}
"""Operators of attention that is spelled out."""


def bound(text: str) -> dict[str, int]:
    first = text.splitlines()[0] if text.startswith("#") else ""
    return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", first)}


def graph(text: str) -> Graph:
    return attn.load(attn.text(text)).graph(bound(text), checking=True)


def operators(of: Graph) -> list[str]:
    return [node.op for node in everything(of)]


@pytest.mark.parametrize("name", FOUND)
def test_spelled_out_attention_is_one_attend(name: str) -> None:
    outcome = RecogniseAttention().run(graph(FOUND[name]), "train")
    found = operators(outcome.graph)
    assert found.count("attend") == 1
    assert PARTS & {*found} <= ({"exp"} if "temperature" in name else set())
    assert len(outcome.changes) == 1
    assert "one `attend`" in outcome.changes[0].text


@pytest.mark.parametrize("seed", range(80))
def test_any_order_of_the_parts_is_one_attend(seed: int) -> None:
    text = composed(seed)
    outcome = RecogniseAttention().run(graph(text), "train")
    assert operators(outcome.graph).count("attend") == 1, text
    assert not PARTS & {*operators(outcome.graph)}, text
    assert agrees(text, Setting(seed=seed), {"h": 2, "d": 4, "N": 4, "M": 4, "e": 3})


@pytest.mark.parametrize("name", LEFT)
def test_what_is_no_attention_is_left_alone(name: str) -> None:
    source = graph(LEFT[name])
    outcome = RecogniseAttention().run(source, "train")
    assert outcome.graph is source
    assert not outcome.changes


def alone(text: str, setting: Setting) -> AttnModule:
    """The module with this pass and no other, with random weights."""
    made = lower(graph(text), dtype=torch.float64, optimiser=partial(optimise, pipeline=(RecogniseAttention(),)))
    randomise(made, setting.seed)
    return made.train(setting.training)


def agrees(text: str, setting: Setting, sizes: Mapping[str, int]) -> bool:
    """Whether values and gradients are those of the reference."""
    made = alone(text, setting)
    inputs = inputs_for(made.attn_graph, sizes, setting)
    for x in inputs.values():
        x.requires_grad_(x.is_floating_point())
    return agree(made, inputs) == "same"


@pytest.mark.parametrize("seed", range(len(SIZES)))
@pytest.mark.parametrize("name", FOUND)
def test_values_and_gradients_stay(name: str, seed: int) -> None:
    sizes = fitting(graph(FOUND[name]), SIZES[seed], seed, {})
    assert sizes is not None
    assert agrees(FOUND[name], Setting(seed=seed, loose=seed == 1, gaps=seed == 2), sizes)


@pytest.mark.parametrize("name", MISSED_BY_TORCH)
def test_what_torch_misses_runs_in_its_fused_attention(name: str) -> None:
    code = alone(FOUND[name], Setting()).code
    assert any(name in code for name in ("scaled_dot_product_attention", "masked_attention", "block_attention"))


SCALED = "block t(q: [*, h, N, d], k: [*, h, M, d], v: [*, h, M, e], t: [{axes}]) -> [*, h, N, e] {{\n    return {call}\n}}\n"


@pytest.mark.parametrize("axes", ["", "h", "h, N"])
def test_a_learned_scale_keeps_attention_fused(axes: str) -> None:
    text = SCALED.format(axes=axes, call="attend(q, k, v, over=M, dot=d, scale=exp(t))")
    assert "scaled_dot_product_attention" in alone(text, Setting()).code
    assert agrees(text, Setting(), {"h": 2, "N": 3, "M": 5, "d": 4, "e": 2})


@pytest.mark.parametrize("axes", ["M", "d, N"])
def test_a_scale_that_queries_cannot_take_stays(axes: str) -> None:
    call = "attend(q, k, v, over=M, dot=d, scale=t)" + " |> sum(d)" * axes.startswith("d")
    source = graph(SCALED.format(axes=axes, call=call))
    assert RecogniseAttention().run(source, "train").graph is source


@pytest.mark.parametrize(
    ("options", "extras"),
    [
        ("bias=where(keep, 0, -inf)", ("where",)),
        ("bias=where(keep, -inf, b)", ("bias", "where")),
        ("bias=where(keep, b, -inf), where=pos(M) < 3, scale=t", ("scale", "bias", "where")),
        ("bias=where(keep, b, -1e9)", ("bias",)),
        ("bias=where(keep, 0, -inf), by=sigmoid", ("where",)),
    ],
)
def test_a_bias_that_is_a_mask_becomes_one(options: str, extras: tuple[str, ...]) -> None:
    head = "block t(q: [*, h, N, d], k: [*, M, d], v: [*, M, e], keep: bool [N, M], b: [h, N, M], t: [h]) -> [*, h, N, e] {\n"
    text = f"{head}    return attend(q, k, v, over=M, dot=d, {options})\n}}\n"
    made = RecogniseAttention().run(graph(text), "train").graph
    assert [node["extras"] for node in everything(made) if node.op == "attend"] == [extras]
    assert agrees(text, Setting(gaps=True), {"h": 2, "N": 4, "M": 5, "d": 4, "e": 2})
