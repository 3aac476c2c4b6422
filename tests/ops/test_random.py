"""Randomness: that draws follow their law, differ from each other, and rest outside training."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import attn
from attn.compiler.lower.module import AttnModule
from attn.dsl.diagnostics import AttnError


def module(text: str, head: str = "x: [*, N, D]", result: str = "[*, N, D]", **bind: Any) -> AttnModule:
    torch.manual_seed(0)
    return attn.compile(attn.text(f"block t({head}) -> {result} {{\n    return {text}\n}}"), bind=bind)


def fault(text: str) -> str:
    with pytest.raises(AttnError) as caught:
        module(text)
    return str(caught.value)


ONES = torch.ones(40, 50, 60)


@pytest.mark.parametrize("text", ["dropout(x, p=0.25)", "droppath(x, p=0.25)", "droppath(x, p=0.25, per=N)"])
def test_nothing_is_dropped_outside_training(text: str) -> None:
    assert torch.equal(module(text).eval()(ONES), ONES)


def test_dropout_keeps_the_mean_and_scales() -> None:
    y = module("dropout(x, p=0.25)").train()(ONES)
    assert {round(value, 4) for value in y.unique().tolist()} == {0.0, round(1 / 0.75, 4)}
    assert abs(y.mean().item() - 1) < 0.02


@pytest.mark.parametrize(
    ("per", "shape"), [("", (40, 1, 1)), (", per=N", (1, 50, 1)), (", per=N D", (1, 50, 60)), (", per=* D", (40, 1, 60))]
)
def test_droppath_drops_whole_paths(per: str, shape: tuple[int, ...]) -> None:
    y = module(f"droppath(x, p=0.5{per})").train()(ONES)
    first = y[tuple(slice(0, size) for size in shape)]
    assert torch.equal(y, first.expand(40, 50, 60))
    assert {*first.unique().tolist()} == {0.0, 2.0}


def test_everything_can_be_dropped() -> None:
    for text in ("dropout(x, p=1.0)", "droppath(x, p=1.0)"):
        assert torch.equal(module(text).train()(ONES), torch.zeros_like(ONES))


def test_dropping_nothing_leaves_nothing_behind() -> None:
    assert "dropout" not in module("dropout(x, p=0.0)").code


@pytest.mark.parametrize("text", ["dropout(x, p=1.5)", "droppath(x, p=-0.1)", "float(bernoulli(2.0, N D))"])
def test_a_chance_is_between_0_and_1(text: str) -> None:
    told = fault(text)
    assert "E0303" in told
    assert "is a probability" in told


def test_draws_differ_from_each_other() -> None:
    assert not torch.equal(
        *attn.compile(attn.text("block t(x: [N]) -> (a: [N], b: [N]) {\n    return rand(N), rand(N)\n}"))(torch.ones(50))
    )


@pytest.mark.parametrize("call", ["randn(N D)", "randn(like=x)"])
def test_randn_is_normal(call: str) -> None:
    y = module(f"x * 0 + {call}")(ONES.double())
    assert y.dtype == torch.float64
    assert abs(y.mean().item()) < 0.1
    assert abs(y.var().item() - 1) < 0.1


def test_rand_is_even() -> None:
    y = module("rand(N D M=3)", result="[N, D, M=3]")(ONES)
    assert y.shape == (50, 60, 3)
    assert 0 <= y.min() < 0.01
    assert 0.99 < y.max() < 1
    assert abs(y.mean().item() - 0.5) < 0.02


def test_bernoulli_follows_its_chances() -> None:
    y = module("bernoulli(0.25, N D)", result="bool [N, D]")(ONES)
    assert y.dtype == torch.bool
    assert abs(y.float().mean().item() - 0.25) < 0.03
    p = torch.linspace(0, 1, 5)[:, None, None].expand(5, 50, 60)
    means = module("bernoulli(x)", result="bool [*, N, D]")(p).float().mean((1, 2))
    torch.testing.assert_close(means, p[:, 0, 0], atol=0.04, rtol=0)


def test_one_shape_at_a_time() -> None:
    assert "E0304" in fault("randn(N, like=x)")
    assert "E0304" in fault("float(bernoulli(x, M=3))")


@pytest.mark.parametrize("text", ["dropout(x, p=0.5)", "droppath(x, p=0.5)", "x + randn(N D)", "x * bernoulli(0.5, N)"])
def test_half_precision_stays(text: str) -> None:
    assert module(text).train()(ONES.bfloat16()).dtype == torch.bfloat16


def test_gradients_flow_where_nothing_was_dropped() -> None:
    x = torch.ones(1, 30, 30, requires_grad=True)
    y = module("dropout(x, p=0.5)").train()(x)
    (grad,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(grad, y.detach())
