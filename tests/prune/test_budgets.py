"""Budgets and importances: what stays, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import attn
from attn.compiler.prune.budget import keep_count, keep_fraction, keep_work

from .pruned_programs import PROGRAMS
from .test_pruning import plan, weights_of

SCORES = ([0.9, 0.1, 0.5], [0.2, 0.3], [0.4])


def test_the_most_important_stay_and_one_of_each_place() -> None:
    assert keep_count(SCORES, 3) == ((0,), (1,), (0,))
    assert keep_count(SCORES, 4) == ((0, 2), (1,), (0,))
    assert keep_count(SCORES, 6) == ((0, 1, 2), (0, 1), (0,))
    assert keep_count(([1.0, 1.0, 1.0],), 2) == ((0, 1),)


def test_uniform_keeps_as_many_in_each_place() -> None:
    assert keep_count(([0.9, 0.1, 0.5], [0.2, 0.3, 0.1]), 4, uniform=True) == ((0, 2), (0, 1))
    assert keep_fraction(([0.9, 0.1, 0.5], [0.2, 0.3, 0.1]), 0.3, uniform=True) == ((0,), (1,))


def test_a_share_of_the_work_is_as_much_as_it_allows() -> None:
    assert keep_work(SCORES, 1.0, sum) == keep_count(SCORES, 6)
    assert keep_work(SCORES, 0.7, sum) == keep_count(SCORES, 4)


@pytest.mark.parametrize(
    ("budget", "says"),
    [
        ({}, "a budget is needed"),
        ({"keep": 3, "flops": 0.5}, "a budget is needed"),
        ({"keep": 2}, "from 3 to 12"),
        ({"keep": 13}, "from 3 to 12"),
        ({"keep": 0.0}, "cannot be kept"),
        ({"keep": 1.5}, "cannot be kept"),
        ({"keep": float("nan")}, "cannot be kept"),
        ({"flops": 0.01}, "with one slice of each"),
        ({"flops": 2.0}, "cannot be kept"),
        ({"keep": 4, "uniform": True}, "take 3 or 6"),
        ({"keep": 6, "importance": "size"}, "norm, gradient"),
        ({"keep": 6, "importance": "gradient"}, "gradients need data"),
        ({"keep": 6, "importance": {"layers.0.attention": [1, 2, 3, 4]}}, "missing: layers.1.attention"),
        ({"keep": 6, "importance": {f"layers.{i}.attention": [1, 2, 3] for i in range(3)}}, "has 4 slices of `h`, and 3"),
        ({"keep": 6, "importance": {f"layers.{i}.attention": [1, 2, 3, float("nan")] for i in range(3)}}, "not a finite number"),
        ({"keep": 6, "importance": [1, 2, 3, 4]}, "not those of the program"),
        ({"keep": 6, "importance": "gradient", "data": {"y": torch.zeros(2, 3, 8)}}, "missing: x"),
        ({"keep": 6, "importance": "gradient", "data": {"x": torch.zeros(0, 3, 8)}}, "no entries"),
        ({"keep": 6, "importance": "gradient", "data": {"x": torch.zeros(2, 3, 8)}, "loss": "mean"}, "projection, norm"),
        ({"keep": 6, "normalise": "l1"}, "l2, or none"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_does_not_fit_is_refused(budget: dict[str, Any], says: str) -> None:
    program = PROGRAMS["heads of layers in a loop"]
    with pytest.raises(attn.AttnError, match="E0802") as caught:
        attn.prune(attn.text(program.text), axis="h", weights=weights_of(plan(program)), bind=program.bind, **budget)
    assert says in str(caught.value)


def test_operations_left_are_within_the_budget() -> None:
    program = PROGRAMS["heads of layers in a loop"]
    pruned = attn.prune(attn.text(program.text), axis="h", weights=weights_of(plan(program)), bind=program.bind, flops=0.9)
    before, after = pruned.operations
    assert 0.8 * before < after <= 0.9 * before


def test_weights_that_do_not_fit_are_listed() -> None:
    program = PROGRAMS["heads of one layer"]
    with pytest.raises(attn.AttnError, match="E0701"):
        attn.prune(attn.text(program.text), axis="h", weights={"a.q.weight": torch.zeros(3, 3)}, keep=2, bind=program.bind)


# ---------------------------------------------------------------- importances


def test_the_norm_is_that_of_all_weights_of_a_slice() -> None:
    text = attn.text("block t(x: [*, D]) -> [*, D] {\n    return linear(x, D -> E=2) as a |> linear(E -> D) as b\n}\n")
    weights = {"a.weight": torch.tensor([[3.0], [0.0]]), "a.bias": torch.tensor([0.0, 5.0]), "b.weight": torch.tensor([[4.0, 12.0]]),
               "b.bias": torch.zeros(1)}  # fmt: skip
    assert attn.importances(text, axis="E", weights=weights, bind={"D": 1}, normalise=None) == {"": (5.0, 13.0)}
    assert attn.importances(text, axis="E", weights=weights, bind={"D": 1})[""] == pytest.approx((5 / 194**0.5, 13 / 194**0.5))


def test_gradients_are_the_mean_of_how_much_a_loss_moves_with_a_gate() -> None:
    """y = b . (g * (a x)): d y / d g_e = b_e a_e x, for each sample by itself."""
    text = attn.text(
        "block t(x: [*, D]) -> [*, D] {\n    return linear(x, D -> E=2, bias=false) as a |> linear(E -> D, bias=false) as b\n}\n"
    )
    weights = {"a.weight": torch.tensor([[3.0], [1.0]]), "b.weight": torch.tensor([[4.0, -2.0]])}
    data = {"x": torch.tensor([[1.0], [-3.0]])}
    given = attn.importances(
        text, axis="E", weights=weights, bind={"D": 1}, importance="gradient", data=data, loss=lambda y, sample: y.sum(), normalise=None
    )
    assert given[""] == pytest.approx((12 * 2, 2 * 2))
    norm = attn.importances(text, axis="E", weights=weights, bind={"D": 1}, importance="gradient", data=data, loss="norm", normalise=None)
    assert norm[""] == pytest.approx((2 * 10 * 12 * (1 + 9) / 2, 2 * 10 * 2 * (1 + 9) / 2))
    projected = attn.importances(text, axis="E", weights=weights, bind={"D": 1}, importance="gradient", data=[data], normalise=None)
    assert projected[""][0] / projected[""][1] > 1


def test_a_slice_that_does_nothing_is_the_first_to_go() -> None:
    program = PROGRAMS["heads of one layer"]
    weights = weights_of(plan(program))
    weights["a.out.weight"].reshape(8, 4, 2)[:, 1] = 0
    data = {"x": torch.randn(3, 4, 8)}
    pruned = attn.prune(attn.text(program.text), axis="h", weights=weights, keep=3, importance="gradient", data=data, bind=program.bind)
    assert pruned.kept == {"a": (0, 2, 3)}


def test_layers_written_in_one_loop_lose_the_same_slices() -> None:
    """The axis is declared once for all turns, so it has one size, and the slices go together."""
    text = """block t(x: [*, D]) -> [*, D] {
    axis E = 4
    for i in 0..2 { x = linear(x, D -> E) as layers[i].a |> gelu |> linear(E -> D) as layers[i].b }
    return x
}
"""
    found = attn.compile(attn.text(text), D=2).state_dict()
    pruned = attn.prune(attn.text(text), axis="E", weights=found, keep=3, bind={"D": 2})
    assert list(pruned.kept) == ["layers"]
    assert "kept_E: int = 3" in pruned.text
    assert pruned.weights["layers.1.b.weight"].shape == (2, 3)
