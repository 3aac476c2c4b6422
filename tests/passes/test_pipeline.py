"""Promises of the pipeline itself: what a level means, what every pass leaves alone, and what a call that is wrong is told."""

from __future__ import annotations

import pytest
import torch

import attn
from attn.compiler.graph import Graph
from attn.compiler.passes import Mode, optimise, passes
from attn.compiler.passes.pipeline import LEVELS, MODES
from attn.compiler.passes.rewriting import rewrite, uses

GRU = attn.std.recurrence.gru


def graph() -> Graph:
    return attn.load(attn.text("block t(x: [*, N, D]) -> [*, N, D] {\n    y = x * 2 + 1\n    return y + exp(y)\n}")).graph(checking=True)


def test_level_0_has_no_pass() -> None:
    assert [passes(0, mode) for mode in MODES] == [(), ()]


@pytest.mark.parametrize("mode", MODES)
def test_level_1_has_the_exact_passes_alone(mode: Mode) -> None:
    assert all(one.exact for one in passes(1, mode))
    assert [one for one in passes(2, mode) if one.exact] == [*passes(1, mode)]


def test_names_of_passes_stand_once() -> None:
    for mode in MODES:
        names = [one.name for one in passes(2, mode)]
        assert len({*names}) == len(names)


def test_a_level_that_does_not_exist_is_told() -> None:
    with pytest.raises(attn.AttnError, match=r"`level=3` is not known"):
        GRU(D=4, E=4, level=3)
    with pytest.raises(attn.AttnError, match=r"`mode='fast'` is not known"):
        GRU(D=4, E=4, mode="fast")  # type: ignore[arg-type]


def test_stopping_after_a_pass_that_does_not_run_is_told() -> None:
    with pytest.raises(ValueError, match="has no pass 'nothing'"):
        optimise(graph(), stop_after="nothing")


def test_a_graph_that_no_rule_changes_is_the_same_object() -> None:
    one = GRU.graph({"D": 4, "E": 4})
    assert rewrite(one, lambda make, node: None) is one


def test_a_rule_reaches_the_bodies_of_loops() -> None:
    source = GRU.graph({"D": 4, "E": 4})
    made = rewrite(source, lambda make, node: make.arithmetic("add", *map(make.new, node.inputs[::-1])) if node.op == "add" else None)
    assert made is not source
    assert sum(uses(made).values()) == sum(uses(source).values())


def test_a_replacement_of_another_type_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be replaced"):
        rewrite(graph(), lambda make, node: make.scalar(1.0) if node.op == "exp" else None)


def test_equal_nodes_that_a_rule_makes_are_one() -> None:
    source = graph()
    made = rewrite(source, lambda make, node: make.new(node.inputs[0]) if node.op == "exp" else None)
    (output,) = made.outputs
    assert output.node.inputs[0] is output.node.inputs[1]


@pytest.mark.parametrize("level", LEVELS)
def test_a_module_for_inference_stays_in_evaluation(level: int) -> None:
    module = GRU(D=4, E=4, level=level, mode="infer")
    assert not module.training
    assert not module.train().training
    assert GRU(D=4, E=4, level=level).training
    assert module(torch.zeros(2, 3, 4)).shape == (2, 3, 4)
