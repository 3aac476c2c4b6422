"""Small functions of numbers."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as functional
from stdlib_support import block, numbers, same
from torch.autograd import gradcheck

import attn


def test_relu2_is_the_square_of_relu() -> None:
    same(block("pointwise", "relu2"), lambda w, x: functional.relu(x).square(), numbers(3, 5))


def test_quick_gelu_is_that_of_clip() -> None:
    from transformers.activations import QuickGELUActivation

    same(block("pointwise", "quick_gelu"), lambda w, x: QuickGELUActivation()(x), numbers(3, 5))


def test_log_sigmoid_does_not_overflow() -> None:
    x = torch.tensor([-800.0, -1.0, 0.0, 1.0, 800.0], dtype=torch.float64, requires_grad=True)
    same(block("pointwise", "log_sigmoid"), lambda w, x: functional.logsigmoid(x), x)


def test_round_st_rounds_with_the_gradient_of_doing_nothing() -> None:
    x = numbers(3, 5)
    y = block("pointwise", "round_st")(x)
    torch.testing.assert_close(y, x.round())
    (slope,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(slope, torch.ones_like(slope))


def test_is_pow2_knows_every_power() -> None:
    made = attn.std.pointwise.is_pow2()
    powers = [2**i for i in range(31)]
    n = torch.tensor([*powers, *(p + 1 for p in powers[1:]), *(p - 1 for p in powers[2:]), *range(-9, 300)])
    wanted = torch.tensor([int(i) > 0 and int(i) & (int(i) - 1) == 0 for i in n])
    assert torch.equal(made(n), wanted)


def test_one_hot_is_torchs() -> None:
    i = torch.tensor([[0, 3], [2, 1], [1, 1]])
    assert torch.equal(attn.compile("std.pointwise", "one_hot", K=5)(i), functional.one_hot(i, 5).float())


def test_one_hot_of_no_class_is_zeros() -> None:
    assert not attn.compile("std.pointwise", "one_hot", K=5)(torch.tensor([-1, 5, 9])).any()


@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_gumbel_softmax_chooses_by_the_logits(temperature: float) -> None:
    torch.manual_seed(0)
    made = block("pointwise", "gumbel_softmax", temperature=temperature)
    logits = torch.tensor([0.0, 1.0, -1.0], dtype=torch.float64)
    y = made(logits.expand(20000, 3))
    torch.testing.assert_close(y.sum(-1), torch.ones(20000, dtype=torch.float64))
    share = y.argmax(-1).bincount(minlength=3) / 20000
    torch.testing.assert_close(share.double(), logits.softmax(-1), rtol=0, atol=0.015)


def test_the_gradient_of_gumbel_softmax_is_that_of_softmax() -> None:
    made = block("pointwise", "gumbel_softmax")

    def fixed(x: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(3)
        result: torch.Tensor = made(x)
        return result

    assert gradcheck(fixed, (numbers(2, 4),))
